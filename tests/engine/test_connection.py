"""What needs no Snowpark Session: the state store and the commands that look at an embedded warehouse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import Error, ProgrammingError

from snowpipe_ml import Pipeline
from snowpipe_ml.local import UnsupportedError
from snowpipe_ml.plugins.connection import Row, current_schema, execute
from snowpipe_ml.sql import Sql
from tests.conftest import write_spec

SPEC = """\
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
  two: {type: transform, query: "SELECT * FROM {{ ref('one') }}", writes: two}
"""
COMMANDS = """\
import json, sys
from snowpipe_ml.cli.main import main

for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code, arguments
heavy = ("snowflake.snowpark", "snowflake.connector", "pandas", "torch")
print(sorted(name for name in heavy if name in sys.modules))
"""


def test_no_command_without_a_step_imports_snowpark_or_pandas(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    assert Pipeline.from_yaml(path).run().ok
    name = str(path)
    commands = [
        ["status", name],
        ["sql", name, "SELECT X, CURRENT_TIMESTAMP() AS NOW FROM ONE"],
        ["sql", name, "SHOW TABLES", "--format", "json"],
        ["plan", name],
        ["run", name],
        ["runs", name],
        ["logs", name],
        ["lineage", name, "TWO"],
    ]
    arguments = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " = two   unchanged since" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_row_is_a_tuple_with_names(session: Any) -> None:
    (row,) = execute(session.connection, Sql("""SELECT 1 AS A, 'x' AS "b", NULL AS C"""))
    assert isinstance(row, Row)
    assert row == (1, "x", None)
    assert (row["A"], row["b"], row[0], row[-1]) == (1, "x", 1, None)
    assert row.as_dict() == {"A": 1, "b": "x", "C": None}


def test_the_current_schema_of_a_connection(session: Any) -> None:
    session.sql('CREATE SCHEMA "two words"').collect()
    assert [name.name for name in current_schema(session.connection)][1:] == ["two words"]


def test_an_error_is_the_connector_s_even_if_the_connector_was_not_imported(session: Any) -> None:
    with pytest.raises(ProgrammingError) as raised:
        session.connection.cursor().execute("SELECT * FROM NOWHERE")
    assert raised.value.errno == 2003
    for kind in (UnsupportedError, ProgrammingError, Error):
        with pytest.raises(kind) as refused:
            session.connection.cursor().execute("ALTER SESSION SET JSON_INDENT = 4")
        assert (type(refused.value).__name__, refused.value.sqlstate) == ("UnsupportedError", "0A000")
