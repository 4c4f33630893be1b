"""SHOW FUNCTIONS and SHOW PROCEDURES."""

from __future__ import annotations

from snowpipe_ml.local.catalog.functions import Definition, Functions, Procedures
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import STAMP
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.sql import DataType

_KINDS: dict[str, Functions] = {kind.word: kind for kind in (Functions(), Procedures())}


def complete_type(text: str) -> str:
    """Return a type as DESCRIBE FUNCTION shows it: ``INT`` is ``NUMBER(38,0)``."""
    try:
        return str(DataType.parse(text).complete).replace(", ", ",") if text.upper() != "VARCHAR" else text
    except ValueError:  # TABLE (...), VECTOR and others
        return text


def _bare(text: str) -> str:
    """Return a type as SHOW FUNCTIONS shows it: ``INT`` is ``NUMBER``."""
    return text if text.upper().startswith("TABLE") else complete_type(text).partition("(")[0]


@command("SHOW FUNCTIONS", "SHOW USER FUNCTIONS", "SHOW PROCEDURES")
def show_functions(statement: Statement) -> Result:
    """``SHOW [USER] FUNCTIONS`` and ``SHOW PROCEDURES``: user-defined ones only."""
    reader = statement.reader
    reader.expect("SHOW")
    reader.accept("USER")
    kind = reader.next().upper.removesuffix("S")
    scope = Scope(statement.session, reader)
    found = []
    for database in statement.session.storage.databases():
        for created, text in statement.session.duck.execute(
            f"SELECT created_on, definition FROM {_KINDS[kind].relation(statement.session, database)} "
            "ORDER BY schema_name, name"
        ).fetchall():
            definition = Definition.from_json(text)
            if not scope.keep(database, definition.schema, definition.name):
                continue
            returns = definition.returns or "TABLE (" + ", ".join(t for _, t in definition.table) + ")"
            listed = ", ".join(
                f"DEFAULT {_bare(a.type)}" if a.default is not None else _bare(a.type)
                for a in definition.arguments
            )
            found.append(
                (
                    created,
                    definition.name,
                    definition.schema,
                    "N",
                    "Y" if definition.kind == "AGGREGATE" else "N",
                    "N",
                    sum(a.default is None for a in definition.arguments),
                    len(definition.arguments),
                    f"{definition.name}({listed}) RETURN {_bare(returns)}",
                    definition.comment or f"user-defined {kind.lower()}",
                    database,
                    "Y" if definition.returns_table else "N",
                    "N",
                    definition.language,
                )
            )
    text, number = "VARCHAR", "BIGINT"
    return rows(
        [
            ("created_on", STAMP),
            ("name", text),
            ("schema_name", text),
            ("is_builtin", text),
            ("is_aggregate", text),
            ("is_ansi", text),
            ("min_num_arguments", number),
            ("max_num_arguments", number),
            ("arguments", text),
            ("description", text),
            ("catalog_name", text),
            ("is_table_function", text),
            ("is_secure", text),
            ("language", text),
        ],
        found,
    )
