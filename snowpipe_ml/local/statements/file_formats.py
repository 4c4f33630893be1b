"""File formats: CREATE, ALTER and DESCRIBE."""

from __future__ import annotations

import json

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.file_formats import FileFormats
from snowpipe_ml.local.catalog.stages import named_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.files.format_options import check_names, file_format
from snowpipe_ml.local.files.formats.base import FORMATS
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists


@command("CREATE FILE FORMAT")
def create_file_format(statement: Statement) -> Result:
    """``CREATE [OR REPLACE|OR ALTER] FILE FORMAT [IF NOT EXISTS] name options``."""
    session, reader = statement.session, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("FILE", "FORMAT")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE FILE FORMAT")
    lenient = if_not_exists(reader) or lenient
    options = reader.options()
    reader.end()
    check_names(options, "FILE_FORMAT")
    formats = FileFormats()
    with session.storage.lock:
        if modifiers.alter and formats.exists(session, name):
            # What the statement does not say has its default again.
            _set(session, name, options, keep=False)
            return status(f"File format {name[2]} successfully altered.")
        there = claim(
            session,
            formats,
            name,
            replace=modifiers.replace,
            lenient=lenient,
            temporary=modifiers.temporary,
        )
        if there is not None:
            return there
        owner = session.owner(name[0]) if modifiers.temporary else None
        formats.add(
            session,
            name,
            {"options": dumps(options), "comment": options.get("COMMENT"), "session": owner},
        )
    return status(f"File format {name[2]} successfully created.")


@command("ALTER FILE FORMAT")
def alter_file_format(statement: Statement) -> Result:
    """``ALTER FILE FORMAT [IF EXISTS] name RENAME TO name | SET options [COMMENT = 'x']``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "FILE", "FORMAT")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER FILE FORMAT")
    with session.storage.lock:
        if not FileFormats().exists(session, name):
            if lenient:
                return status("Statement executed successfully.")
            raise errors.missing("File format", ".".join(name))
        if reader.accept("RENAME", "TO"):
            new = session.resolve(reader.name(), "ALTER FILE FORMAT")
            reader.end()
            if new[:2] != name[:2]:
                raise errors.UnsupportedError("RENAME TO another schema")
            if FileFormats().exists(session, new):
                raise errors.exists(new[2])
            session.duck.execute(
                f"UPDATE {session.catalog(name[0], 'FILE_FORMATS')} SET name = ? "
                "WHERE schema_name = ? AND name = ?",
                [new[2], *name[1:]],
            )
            grants.rename(session, "FILE FORMAT", name, new)
            return status("Statement executed successfully.")
        reader.expect("SET")
        options = reader.options()
        reader.end()
        _set(session, name, options, keep=True)
    return status("Statement executed successfully.")


def _set(session: Session, name: Name, options: Options, *, keep: bool) -> None:
    """Change the options and the comment of a file format, and keep or reset those that are not given.

    Raises:
        ProgrammingError: an option does not exist, or the type would change.
    """
    table = session.catalog(name[0], "FILE_FORMATS")
    row = session.duck.execute(
        f"SELECT options, comment FROM {table} WHERE schema_name = ? AND name = ?", list(name[1:])
    ).fetchone()
    before, comment = (json.loads(row[0] or "{}"), row[1]) if row else ({}, None)
    kind = str(before.get("TYPE") or "CSV").upper()
    if str(options.get("TYPE", kind)).upper() != kind:
        raise errors.error(
            1422, "22023", f"SQL compilation error:\nthe type of the file format {name[2]} cannot be changed"
        )
    check_names({**options, "TYPE": kind}, "FILE_FORMAT")
    changed = {**(before if keep else {}), **options, "TYPE": kind}
    changed.pop("COMMENT", None)
    session.duck.execute(
        f"UPDATE {table} SET options = ?, comment = ? WHERE schema_name = ? AND name = ?",
        [dumps(changed), options.get("COMMENT", comment if keep else None), *name[1:]],
    )


@command("DESCRIBE FILE FORMAT", "DESC FILE FORMAT", "DESCRIBE STAGE", "DESC STAGE")
def describe_file_format(statement: Statement) -> Result:
    """``DESCRIBE FILE FORMAT|STAGE name``: the given options and the defaults of the others."""
    reader, session = statement.reader, statement.session
    reader.next()
    names: tuple[str, ...] = ("property", "property_type", "property_value", "property_default")
    if reader.accept("STAGE"):
        stage = named_stage(session, reader.name())
        reader.end()
        given = stage.options.get("FILE_FORMAT")
        options: Options = given if isinstance(given, dict) else {"FORMAT_NAME": given} if given else {}
        lead: tuple[str, ...] = ("STAGE_FILE_FORMAT",)
        location = json.dumps([stage.label]) if stage.external else ""
        more = [("STAGE_LOCATION", "URL", "String", location, "")]
        names = ("parent_property", *names)
    else:
        reader.expect("FILE", "FORMAT")
        options = file_format(session, ".".join(f'"{part}"' for part in session.resolve(reader.name())), None)
        reader.end()
        lead, more = (), []
    kind = str(options.get("TYPE") or "CSV").upper()
    defaults = FORMATS[kind].defaults if kind in FORMATS else {}
    changed = FORMATS[kind].shown_defaults if kind in FORMATS else {}
    found: list[tuple[str, ...]] = []
    for key, default in {
        "TYPE": "CSV",
        **defaults,
        **dict.fromkeys(set(options), ""),
    }.items():
        # Defaults are stored in display form; a given string is shown with escapes.
        default = defaults.get(key, "CSV" if key == "TYPE" else "")
        value = options.get(key, kind if key == "TYPE" else default)
        shown = _escaped(value) if key in options and isinstance(value, str) else _property_text(value)
        default = changed.get(key, default)
        found.append((*lead, key, _property_type(value), shown, _property_text(default)))
    return rows([(name, "VARCHAR") for name in names], [*found, *more])


def _property_type(value: Option) -> str:
    return (
        "Boolean"
        if isinstance(value, bool)
        else "Integer"
        if isinstance(value, int)
        else "List"
        if isinstance(value, list)
        else "String"
    )


def _property_text(value: Option) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        "[" + ", ".join(str(item) for item in value) + "]"
        if isinstance(value, list)
        else str(value if value is not None else "NONE")
    )


def _escaped(text: str) -> str:
    r"""Escape a string as DESCRIBE shows it: a quote is shown as ``\"``."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
