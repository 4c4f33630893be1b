"""Tables: CREATE and CLONE."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.sequences import make
from snowpipe_ml.local.catalog.tables import forget
from snowpipe_ml.local.catalog.tags import copy_tags
from snowpipe_ml.local.catalog.temporary import remember_temporary
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.ddl import after_name
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, if_not_exists
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.casts import data_type
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler

# Table properties that do not affect the content of a table.
_PROPERTIES = {
    "COMMENT",
    "DATA_RETENTION_TIME_IN_DAYS",
    "MAX_DATA_EXTENSION_TIME_IN_DAYS",
    "CHANGE_TRACKING",
    "ENABLE_SCHEMA_EVOLUTION",
    "DEFAULT_DDL_COLLATION",
    "STAGE_FILE_FORMAT",
}


def _check_name(session: Session, name: Name, temporary: bool, there: str | None) -> None:
    """Refuse names that cannot coexist in DuckDB.

    Raises:
        UnsupportedError: the name differs from an existing one only in case; or a temporary object would
            exist together with a permanent one, or one of another session, with the same name.
    """
    twin = session.duck.execute(
        "SELECT table_name FROM (SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL "
        "SELECT database_name, schema_name, view_name FROM duckdb_views()) "
        "WHERE database_name = ? AND schema_name = ? AND lower(table_name) = lower(?) AND table_name <> ?",
        [*name, name[2]],
    ).fetchone()
    if twin:
        raise errors.UnsupportedError(f"names that differ only in case ({name[2]!r} and {twin[0]!r})")
    if there is None:
        return
    owner = session.duck.execute(
        f"SELECT session FROM {session.catalog(name[0], 'TEMPORARY')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    if (owner[0] if owner else None) != (str(session.session_id) if temporary else None):
        raise errors.UnsupportedError(
            f"a temporary object with the same name as another object ({name[2]})",
            "Drop the existing object or use another name",
        )


@command("CREATE TABLE")
def create_table(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY|TRANSIENT] TABLE name (columns) | AS query | CLONE t | LIKE t``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TABLE")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE TABLE")
    lenient = if_not_exists(reader) or lenient
    with session.storage.naming(name):
        return _create_table(session, reader, modifiers, name, lenient)


def _create_table(
    session: Session, reader: Reader, modifiers: Modifiers, name: Name, lenient: bool
) -> Result:
    there = existing_kind(session, name)
    if there and lenient:
        return status(f"{name[2]} already exists, statement succeeded.")
    if modifiers.temporary or modifiers.replace or not there:
        _check_name(session, name, modifiers.temporary, there)
    if there and not modifiers.replace:
        raise errors.exists(name[2])
    if there == "VIEW":
        raise errors.error(
            2203,
            "42601",
            f"SQL compilation error:\nObject '{name[2]}' is a VIEW and cannot be replaced by a TABLE.",
        )
    if reader.accept("CLONE"):
        source = session.resolve(reader.name(), "CLONE")
        reader.accept("COPY", "GRANTS")
        if not reader.done:
            raise errors.UnsupportedError("CLONE ... AT or BEFORE (time travel)")
        return _clone(session, name, source, modifiers)
    if reader.accept("LIKE"):
        source = session.resolve(reader.name(), "LIKE")
        _make(session, name, [_like(session, name, source)], modifiers)
        return status(f"Table {name[2]} successfully created.")
    columns = _column_text(reader)
    comment = _properties(reader)
    query = reader.rest() if reader.accept("AS") else None
    if columns is None and query is None:
        raise reader.unexpected("expected columns, AS, CLONE or LIKE")
    if query is None:
        statements = [f"CREATE OR REPLACE TABLE {quoted(*name)} ({_columns_ddl(columns or '', session)})"]
        _make(session, name, statements, modifiers)
    else:
        compiler = new_compiler(session)
        try:
            body = to_sql(compiler.compile(parse(query)))
            _make(session, name, _as_select(session, name, columns, body), modifiers)
        finally:
            compiler.release()
    if comment:
        text = comment.replace("'", "''")
        retry_conflicts(lambda: session.duck.execute(f"COMMENT ON TABLE {quoted(*name)} IS '{text}'"))
    return status(f"Table {name[2]} successfully created.")


def _column_text(reader: Reader) -> str | None:
    """Return the text between the parentheses of the column list; None if there is no list."""
    if not reader.looking_at("("):
        return None
    reader.expect("(")
    start, depth = reader.peek().start, 1
    while True:
        token = reader.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return reader.text[start : token.start]


def _properties(reader: Reader) -> str | None:
    comment = None
    while not reader.done and not reader.looking_at("AS"):
        if reader.accept("COPY", "GRANTS") or reader.accept("COPY", "TAGS"):
            continue
        if reader.accept("CLUSTER", "BY"):
            reader.value()
            continue
        found = reader.options()
        for key in set(found) - _PROPERTIES:
            raise errors.UnsupportedError(f"{key} of a table")
        if not found:
            raise reader.unexpected()
        comment = text_option(found, "COMMENT") if "COMMENT" in found else comment
    return comment


def column_definitions(
    columns: str, session: Session
) -> list[tuple[str, exp.DataType | None, bool, str | None]]:
    """Parse a column list; return (name, type, NOT NULL, default) of each column.

    Primary, unique and foreign keys are parsed but not stored: Snowflake does not enforce them.
    """
    tree = parse(f"CREATE TABLE _T ({columns})")
    found: list[tuple[str, exp.DataType | None, bool, str | None]] = []
    for definition in tree.this.expressions:
        if isinstance(definition, exp.Identifier | exp.Column):
            found.append((_stored(definition), None, False, None))
            continue
        if not isinstance(definition, exp.ColumnDef):
            continue
        not_null, default = False, None
        for constraint in definition.args.get("constraints") or []:
            match constraint.kind:
                case exp.NotNullColumnConstraint():
                    not_null = not constraint.kind.args.get("allow_null")
                case exp.DefaultColumnConstraint():
                    compiler = new_compiler(session)
                    default = to_sql(
                        compiler.compile(exp.select(constraint.kind.this.copy())).expressions[0].unalias()
                    )
                case exp.AutoIncrementColumnConstraint() | exp.GeneratedAsIdentityColumnConstraint():
                    start, step = (constraint.kind.args.get(key) for key in ("start", "increment"))
                    default = _identity(session, _number(start), _number(step))
                case exp.ComputedColumnConstraint():
                    raise errors.UnsupportedError("computed columns")
                case _:
                    pass
        kind = definition.args.get("kind")
        length = (
            kind.expressions[0].name
            if kind is not None and kind.this in exp.DataType.TEXT_TYPES and kind.expressions
            else None
        )
        mapped = data_type(kind, session) if kind is not None else None
        if mapped is not None and length is not None and int(length) < 16_777_216:
            mapped.meta["length"] = int(length)
        found.append((_stored(definition.this), mapped, not_null, default))
    _check_columns([name for name, *_ in found])
    return found


def _check_columns(names: list[str]) -> None:
    """Refuse duplicate column names, including names that only DuckDB treats as duplicates."""
    seen: dict[str, str] = {}
    for name in names:
        folded = name.rstrip(errors.TWIN).lower()
        if seen.get(folded) == name:
            raise errors.error(2025, "42S21", f"SQL compilation error:\nduplicate column name '{name}'")
        if folded in seen or name.endswith(errors.TWIN):
            plain = name.rstrip(errors.TWIN)
            raise errors.UnsupportedError(f"a table with column names that differ only in case ({plain})")
        seen[folded] = name


def _check_query(session: Session, body: str) -> None:
    """Refuse duplicate names in the query of a new table or view: DuckDB would rename the second column."""
    _check_columns([row[0] for row in session.duck.execute(f"DESCRIBE {body}").fetchall()])


def _number(node: exp.Expr | None) -> int:
    return int(node.sql()) if node is not None else 1


def _identity(session: Session, start: int, step: int) -> str:
    """Return the default of an AUTOINCREMENT column: the next value of a sequence created for it."""
    database, schema, _ = session.resolve(("_",), "CREATE TABLE")
    name = (database, schema, f"_IDENTITY_{uuid.uuid4().hex.upper()}")
    make(session, name, start, step)
    text = quoted(*name).replace("'", "''")
    return f"nextval('{text}')"


def _stored(node: exp.Expr) -> str:
    identifier = node if isinstance(node, exp.Identifier) else node.find(exp.Identifier)
    assert identifier is not None
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()


def _columns_ddl(columns: str, session: Session) -> str:
    pieces = []
    for name, kind, not_null, default in column_definitions(columns, session):
        assert kind is not None
        text = f"{quoted(name)} {kind.sql(dialect='duckdb')}"
        if not_null:
            text += " NOT NULL"
        if default is not None:
            text += f" DEFAULT {default}"
        if "length" in kind.meta:
            text += f" CHECK (length({quoted(name)}) <= {kind.meta['length']})"
        pieces.append(text)
    return ", ".join(pieces)


def _as_select(session: Session, name: Name, columns: str | None, body: str) -> list[str]:
    target = quoted(*name)
    if columns is None:
        _check_query(session, body)
        return [f"CREATE OR REPLACE TABLE {target} AS {body}"]
    definitions = column_definitions(columns, session)
    inner = ", ".join(f'"_{i}"' for i in range(len(definitions)))
    outer = ", ".join(
        (f'CAST("_{i}" AS {kind.sql(dialect="duckdb")})' if kind is not None else f'"_{i}"')
        + f" AS {quoted(column)}"
        for i, (column, kind, _, _) in enumerate(definitions)
    )
    made = [f"CREATE OR REPLACE TABLE {target} AS SELECT {outer} FROM ({body}) AS _q({inner})"]
    made += [
        f"ALTER TABLE {target} ALTER COLUMN {quoted(c)} SET NOT NULL"
        for c, _, required, _ in definitions
        if required
    ]
    return made


def _make(
    session: Session,
    name: Name,
    statements: list[str],
    modifiers: Modifiers,
    after: Callable[[], None] | None = None,
) -> None:
    """Create or replace a table in one transaction; delete its tags and load history."""

    def make() -> None:
        with in_transaction(session):
            for text in statements:
                session.duck.execute(text)
            forget(session, name)
            if modifiers.temporary:
                remember_temporary(session, "TABLE", name)
            if modifiers.transient:
                transient = session.catalog(name[0], "TRANSIENT")
                session.duck.execute(f"INSERT INTO {transient} VALUES (?, ?)", list(name[1:]))
            if after is not None:
                after()

    retry_conflicts(make)


def _like(session: Session, name: Name, source: Name) -> str:
    """Return the statement that creates an empty table with another's columns, defaults and constraints."""
    row = session.duck.execute(
        "SELECT sql FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(source),
    ).fetchone()
    if row is None:
        raise errors.missing("Table", ".".join(source))
    return f"CREATE OR REPLACE TABLE {quoted(*name)}{after_name(str(row[0]))}"


def _clone(session: Session, name: Name, source: Name, modifiers: Modifiers) -> Result:
    """``CREATE TABLE x CLONE y``: clone the current rows and the tags, but not the load history."""
    if name == source:
        raise errors.UnsupportedError("CLONE of a table onto itself")
    make = _like(session, name, source)
    fill = f"INSERT INTO {quoted(*name)} SELECT * FROM {quoted(*source)}"
    _make(session, name, [make, fill], modifiers, lambda: copy_tags(session, source, name))
    return status(f"Table {name[2]} successfully created.")
