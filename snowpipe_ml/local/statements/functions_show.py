"""SHOW FUNCTIONS and SHOW PROCEDURES."""

from __future__ import annotations

import json

from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.statements.shows import _STAMP, _catalog_rows


@command("SHOW FUNCTIONS", "SHOW USER FUNCTIONS", "SHOW PROCEDURES")
def show_functions(statement: Statement) -> Result:
    """``SHOW [USER] FUNCTIONS`` and ``SHOW PROCEDURES``: user-defined ones only."""
    reader = statement.reader
    reader.expect("SHOW")
    reader.accept("USER")
    kind = reader.next().upper.removesuffix("S")
    scope = Scope(statement.session, reader)
    found = []
    for created, name, database, schema, signature, text in _catalog_rows(
        statement, scope, "FUNCTIONS", "signature, definition"
    ):
        definition = json.loads(text)
        if (definition["kind"] == "PROCEDURE") == (kind == "PROCEDURE"):
            returns = definition["returns"] or "TABLE (" + ", ".join(t for _, t in definition["table"]) + ")"
            arguments = definition["arguments"]
            found.append(
                (
                    created,
                    name,
                    schema,
                    "N",
                    "Y" if definition["kind"] == "AGGREGATE" else "N",
                    "N",
                    sum(a["default"] is None for a in arguments),
                    len(arguments),
                    f"{name}{signature} RETURN {returns}",
                    definition["comment"] or f"user-defined {kind.lower()}",
                    database,
                    "N" if definition["returns"] else "Y",
                    "N",
                    definition["language"],
                )
            )
    text, number = "VARCHAR", "BIGINT"
    return rows(
        [
            ("created_on", _STAMP),
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
