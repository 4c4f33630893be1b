"""Dynamic tables: CREATE, ALTER and DESCRIBE.

https://docs.snowflake.com/en/sql-reference/sql/create-dynamic-table
https://docs.snowflake.com/en/sql-reference/sql/alter-dynamic-table
"""

from __future__ import annotations

import datetime as dt
import re

from sqlglot import exp

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.dynamic_tables import DynamicTables, changing, keep_options, options_of
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, if_not_exists
from snowpipe_ml.local.statements.table_properties import Properties, clustering_key
from snowpipe_ml.local.statements.tables import make_from
from snowpipe_ml.local.statements.tags import read_tags, set_tags, unset_tags
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader

_DONE = "Statement executed successfully."
_LAG = re.compile(r"\s*(\d+)\s*(second|minute|hour|day)s?\s*", re.I)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_CHANGEABLE = frozenset({"TARGET_LAG", "WAREHOUSE", "COMMENT"})
_IGNORED = frozenset({"DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS"})


@command("CREATE DYNAMIC TABLE")
def create_dynamic_table(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TRANSIENT] DYNAMIC TABLE name TARGET_LAG = ... WAREHOUSE = ... AS query``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    if modifiers.alter:
        raise errors.UnsupportedError("CREATE OR ALTER DYNAMIC TABLE")
    reader.expect("DYNAMIC", "TABLE")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE DYNAMIC TABLE")
    if reader.looking_at("(") or reader.looking_at("CLONE"):
        raise errors.UnsupportedError("CREATE DYNAMIC TABLE with a list of columns, or CLONE")
    there = existing_kind(session, name)
    if there and lenient:
        return status(f"{name[2]} already exists, statement succeeded.")
    if there and not modifiers.replace:
        raise errors.exists(name[2])
    if there and not DynamicTables().exists(session, name):
        raise errors.compilation(
            f"Object '{name[2]}' is a {there} and cannot be replaced by a DYNAMIC TABLE."
        )
    given, options = _clauses(session, reader)
    for needed in ("target_lag", "warehouse"):
        if needed not in options:
            raise errors.compilation(f"Missing option(s): {needed.upper()}")
    given.comment = options.get("comment")
    query = reader.rest()
    options |= {
        "query": query,
        "text": statement.text.strip().rstrip(";"),
        "in_database": session.database,
        "in_schema": session.schema,
        "state": "RUNNING",
        "refreshed": _now(),
        "owner": session.role or "",
    }
    with session.storage.naming(name):
        make_from(session, name, query, [], modifiers, given, lambda: keep_options(session, name, options))
    copied = "GRANTS" in given.copied
    grants.created(session, "DYNAMIC TABLE", name, replaced=bool(there), copy_grants=copied)
    return status(f"Dynamic table {name[2]} successfully created.")


@command("ALTER DYNAMIC TABLE")
def alter_dynamic_table(statement: Statement) -> Result:
    """``ALTER DYNAMIC TABLE [IF EXISTS] name REFRESH | SUSPEND | RESUME | SET option | SET TAG | UNSET TAG``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "DYNAMIC", "TABLE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER DYNAMIC TABLE")
    if lenient and not DynamicTables().exists(session, name):
        return status(_DONE)
    options = options_of(session, name)
    if reader.accept("REFRESH"):
        if reader.looking_at("COPY", "SESSION"):
            raise errors.UnsupportedError("ALTER DYNAMIC TABLE ... REFRESH COPY SESSION")
        reader.end()
        _refresh(statement, name, options)
        return status(_DONE)
    if reader.accept("SET", "TAG"):
        return set_tags(session, "TABLE", name, reader)
    if reader.accept("UNSET", "TAG"):
        return unset_tags(session, "TABLE", name, reader)
    if reader.accept("SUSPEND"):
        options |= {"state": "SUSPENDED", "last_suspended": _now()}
        reader.end()
    elif reader.accept("RESUME"):
        options["state"] = "RUNNING"
        reader.end()
    elif reader.accept("SET"):
        while not reader.done:
            if reader.peek().upper not in _CHANGEABLE:
                raise errors.UnsupportedError(f"ALTER DYNAMIC TABLE ... SET {reader.peek().upper}")
            options |= _option(session, reader)
            reader.accept(",")
    else:
        raise errors.UnsupportedError(f"ALTER DYNAMIC TABLE ... {reader.next().upper}")
    keep_options(session, name, options)
    return status(_DONE)


@command("DESCRIBE DYNAMIC TABLE", "DESC DYNAMIC TABLE")
def describe_dynamic_table(statement: Statement) -> Result:
    """``DESCRIBE DYNAMIC TABLE name``: its columns, as those of a table."""
    session, reader = statement.session, statement.reader
    reader.next()
    reader.expect("DYNAMIC", "TABLE")
    name = session.resolve(reader.name(), "DESCRIBE DYNAMIC TABLE")
    reader.end()
    options_of(session, name)
    return statement.run(f"DESCRIBE TABLE {quoted(*name)}")


def _clauses(session: Session, reader: Reader) -> tuple[Properties, dict[str, str | None]]:
    """Read the clauses to AS: the properties that a table has too, and the options of a dynamic table."""
    given = Properties()
    options: dict[str, str | None] = {"refresh_mode": "FULL"}
    while not reader.accept("AS"):
        if reader.accept("COPY", "GRANTS"):
            given.copied.add("GRANTS")
        elif reader.accept("COPY", "TAGS"):
            given.copied.add("TAGS")
        elif reader.accept("CLUSTER", "BY"):
            given.cluster_by = clustering_key(reader)
            options["cluster_by"] = f"LINEAR({given.cluster_by})"
        elif reader.accept("WITH", "TAG", "(") or reader.accept("TAG", "("):
            given.tags += read_tags(reader)
            reader.expect(")")
        else:
            options |= _option(session, reader)
    return given, options


def _option(session: Session, reader: Reader) -> dict[str, str | None]:
    """Read one option; the names and values are those of SHOW DYNAMIC TABLES.

    Raises:
        ProgrammingError: the option does not exist, or its value is not possible.
        UnsupportedError: the embedded warehouse does not support it.
    """
    key = reader.next().upper
    reader.expect("=")
    if key == "WAREHOUSE":
        return {"warehouse": reader.name()[-1]}
    value = reader.value()
    text = str(value)
    if key == "TARGET_LAG":
        return {"target_lag": _lag(text)}
    if key == "COMMENT":
        return {"comment": text}
    if key == "REFRESH_MODE":
        if text.upper() not in ("AUTO", "FULL", "INCREMENTAL"):
            raise errors.compilation(f"invalid value '{text}' for property 'REFRESH_MODE'")
        return {"refresh_mode": "FULL" if text.upper() == "AUTO" else text.upper()}
    if key == "INITIALIZE":
        if text.upper() == "ON_SCHEDULE":
            raise errors.UnsupportedError(
                "INITIALIZE = ON_SCHEDULE", "Dynamic tables are refreshed by statements only"
            )
        if text.upper() != "ON_CREATE":
            raise errors.compilation(f"invalid value '{text}' for property 'INITIALIZE'")
        return {}
    if key in _IGNORED:
        return {}
    raise errors.UnsupportedError(f"{key} of a dynamic table")


def _lag(text: str) -> str:
    """Return a target lag as SHOW has it.

    Raises:
        ProgrammingError: the text is not a lag of at least a minute.
    """
    if text.upper() == "DOWNSTREAM":
        return "DOWNSTREAM"
    found = _LAG.fullmatch(text)
    if found is None:
        raise errors.compilation(f"invalid value '{text}' for property 'TARGET_LAG'")
    count, unit = int(found[1]), found[2].lower()
    if count * _SECONDS[unit] < 60:
        raise errors.compilation("TARGET_LAG must be at least 60 seconds")
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _refresh(statement: Statement, name: Name, options: dict[str, str | None]) -> None:
    """Compute the rows of a dynamic table again, after those of the dynamic tables that it reads.

    The names in its query are those of the schema in which it was created, and the privileges those of its owner.
    """
    session = statement.session
    before, role = (session.database, session.schema), session.role
    session.role = options["owner"] or role
    if options["in_database"] is not None:
        session.use(options["in_database"], options["in_schema"])
    try:
        query = options["query"] or ""
        for read in parse(query).find_all(exp.Table):
            parts = [part for part in read.parts if isinstance(part, exp.Identifier)]
            source = session.resolve(tuple(p.name if p.quoted else p.name.upper() for p in parts))
            if DynamicTables().exists(session, source):
                _refresh(statement, source, options_of(session, source))
        with changing(session, name):
            statement.run(f"INSERT OVERWRITE INTO {quoted(*name)} {query}")
    finally:
        session.role = role
        if before[0] is not None:
            session.use(before[0], before[1])
    keep_options(session, name, {**options, "refreshed": _now()})


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()
