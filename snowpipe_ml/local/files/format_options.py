"""The file format that a statement uses: given in parentheses, by name, or by the stage."""

from __future__ import annotations

import json

from snowpipe_ml.local.catalog.stages import Stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.formats.base import FORMATS
from snowpipe_ml.local.syntax.reader import Reader


def file_format(session: Session, given: Option, stage: Stage | None) -> Options:
    """Return the options of a file format given in parentheses, by name, or by the stage."""
    if given is None:
        given = (stage.options.get("FILE_FORMAT") if stage else None) or {}
    if isinstance(given, str):
        given = {"FORMAT_NAME": given}
    if not isinstance(given, dict):
        raise errors.syntax("FILE_FORMAT = ( ... ) takes options or the name of a file format")
    if "FORMAT_NAME" in given:
        written = Reader(str(given["FORMAT_NAME"])).name()
        name = session.resolve(written)
        row = session.duck.execute(
            f"SELECT options FROM {session.catalog(name[0], 'FILE_FORMATS')} WHERE schema_name = ? AND name = ?",
            list(name[1:]),
        ).fetchone()
        if row is None:
            raise errors.missing("File format", ".".join(written))
        return {**json.loads(row[0]), **{k: v for k, v in given.items() if k != "FORMAT_NAME"}}
    return dict(given)


_UNSERVED = frozenset({"ORC", "XML", "CUSTOM"})


def check_names(options: Options, kind: str) -> None:
    """Check that Snowflake's files of the type have these options.

    Raises:
        ProgrammingError: an option is not known.
    """
    type_ = str(options.get("TYPE") or "CSV").upper()
    if type_ not in FORMATS:
        if type_ not in _UNSERVED:
            raise errors.error(
                1008, "22023", f"SQL compilation error:\ninvalid value [{type_}] for parameter 'TYPE'"
            )
        return
    fmt = FORMATS[type_]
    for key in options:
        if fmt.accepted is not None and key not in (
            *fmt.accepted,
            *fmt.known,
            "TYPE",
            "COMMENT",
            "FORMAT_NAME",
        ):
            raise errors.invalid_property(key, kind)
