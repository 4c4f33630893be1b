"""Words that CREATE and DROP statements share: OR REPLACE, TEMPORARY, IF EXISTS, and their results."""

from __future__ import annotations

from typing import Any

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


class Modifiers:
    """What stands between CREATE and the kind of object."""

    def __init__(self, reader: Reader) -> None:
        self.replace = self.temporary = self.alter = self.aggregate = self.transient = self.secure = False
        reader.expect("CREATE")
        while True:
            if reader.accept("OR", "REPLACE"):
                self.replace = True
            elif reader.accept("OR", "ALTER"):
                self.alter = True
            elif reader.accept("TEMPORARY") or reader.accept("TEMP"):
                self.temporary = True
            elif reader.accept("AGGREGATE"):
                self.aggregate = True
            elif reader.accept("TRANSIENT"):
                self.transient = True
            elif reader.accept("SECURE"):
                self.secure = True
            elif not any(reader.accept(word) for word in ("SCOPED", "LOCAL", "GLOBAL", "VOLATILE")):
                return


def if_not_exists(reader: Reader) -> bool:
    """Read ``IF NOT EXISTS`` if it is there."""
    return reader.accept("IF", "NOT", "EXISTS")


def claim(
    session: Session, catalog: str, schema: str, name: str, *, replace: bool, lenient: bool
) -> Result | None:
    """Make a name in a table of the catalog free for a new object.

    Returns:
        None, or with IF NOT EXISTS the result that says that it is there already.

    Raises:
        ProgrammingError: it is there, and is not to be replaced.
    """
    where = f"FROM {catalog} WHERE schema_name = ? AND name = ?"
    if session.duck.execute(f"SELECT 1 {where}", [schema, name]).fetchone():
        if lenient:
            return status(f"{name} already exists, statement succeeded.")
        if not replace:
            raise errors.exists(name)
        session.duck.execute(f"DELETE {where}", [schema, name])
    return None


def dropped(name: str) -> Result:
    """The result of DROP."""
    return status(f"{name} successfully dropped.")


def already_dropped(name: str) -> Result:
    """The result of DROP IF EXISTS of what is not there."""
    return status(f"Drop statement executed successfully ({name} already dropped).")


def options_text(options: dict[str, Any], key: str, default: str = "") -> str:
    """An option as text."""
    value = options.get(key)
    return default if value is None else str(value)
