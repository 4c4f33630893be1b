"""The tools of the server for editors and agents; and the server, with the client of the protocol's own package."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from snowpipe_ml.cli.scaffold import init
from snowpipe_ml.errors import StatementError, UsageError
from snowpipe_ml.integrations.mcp.reading import check_reading
from snowpipe_ml.integrations.mcp.server import Tools
from tests.conftest import ROOT
from tests.integrations.environments import python_of

COUNT = "SELECT COUNT(*) AS N FROM DAILY_SALES"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template ``minimal``, which has run."""
    folder = tmp_path_factory.mktemp("mcp")
    init(folder, "minimal")
    done = Tools(folder).run("minimal.yaml")
    assert done["status"] == "success"
    return folder


def test_a_spec_is_checked(folder: Path) -> None:
    found = Tools(folder).validate("minimal.yaml")
    assert (found["valid"], found["problems"]) == (True, [])
    assert found["steps"] == ["daily_sales", "check_daily_sales"]
    (folder / "wrong.yaml").write_text((folder / "minimal.yaml").read_text().replace("query:", "qurey:"))
    found = Tools(folder).validate("wrong.yaml")
    assert not found["valid"]
    assert "did you mean 'query'" in str(found["problems"])


def test_what_has_run_is_skipped_by_the_plan_and_in_the_logs(folder: Path) -> None:
    assert {step["action"] for step in Tools(folder).plan("minimal.yaml")} <= {"skip", None}
    (log,) = Tools(folder).logs("minimal.yaml", step="daily_sales")
    assert log["status"] == "success"


def test_statements_only_read(folder: Path) -> None:
    tools = Tools(folder)
    assert tools.sql("minimal.yaml", COUNT) == {"rows": [{"N": 3}], "more": False}
    found = tools.sql("minimal.yaml", "SELECT DAY FROM DAILY_SALES", limit=1)
    assert len(list(found["rows"])) == 1  # type: ignore[call-overload]
    assert found["more"] is True
    with pytest.raises(UsageError, match="this server only reads"):
        tools.sql("minimal.yaml", "DELETE FROM DAILY_SALES")
    with pytest.raises(StatementError, match="002003"):
        tools.sql("minimal.yaml", "SELECT * FROM ABSENT")
    allowed = Tools(folder, allow_writes=True)
    allowed.sql("minimal.yaml", "CREATE TABLE WRITTEN (N INT)")
    assert tools.sql("minimal.yaml", "SELECT * FROM WRITTEN") == {"rows": [], "more": False}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "WITH a AS (SELECT 1 AS n) SELECT n FROM a UNION ALL SELECT 2",
        "SHOW TABLES LIKE 'A%'",
        "DESCRIBE TABLE t",
        "SELECT SYSTEM$TYPEOF(1), 'DROP TABLE t'",
        "SELECT t.v:a.b::int FROM t, LATERAL FLATTEN(t.v) f QUALIFY ROW_NUMBER() OVER (ORDER BY 1) = 1",
    ],
)
def test_reading_is_allowed(statement: str) -> None:
    check_reading(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "INSERT INTO t SELECT 1",
        "SELECT 1; DROP TABLE t",
        "CALL p()",
        "WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS 'BEGIN RETURN 1; END' CALL p()",
        "SHOW TABLES ->> DELETE FROM t",
        "SELECT SYSTEM$CANCEL_ALL_QUERIES(1)",
        'SELECT "SYSTEM$ABORT_SESSION"(1)',
        "SELECT s.NEXTVAL",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "BEGIN DROP TABLE t; END",
        "CREATE TABLE t AS SELECT 1",
        "COPY INTO @s FROM t",
        "TRUNCATE t",
        "ALTER SESSION SET A = 1",
        "USE ROLE r",
        "UNDROP TABLE t",
        "SELECT 1 FROM WHERE",
    ],
)
def test_all_else_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="the statement is refused"):
        check_reading(statement)


def test_accounts_are_only_read(folder: Path) -> None:
    spec = (folder / "minimal.yaml").read_text()
    assert "type: snowflake" in spec
    with pytest.raises(UsageError, match="only reads accounts"):
        Tools(folder).run("minimal.yaml", target="prod")


def test_specs_elsewhere_are_not_opened(folder: Path) -> None:
    with pytest.raises(UsageError, match="outside of"):
        Tools(folder).validate("../other/spec.yaml")


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("run a pipeline every month", "how-to/monthly.md"),
        ("privileges grant role", "privileges.md"),
        ("pytest snowpark_session fixture", "testing.md"),
        ("glossary MASE", "glossary.md"),
    ],
)
def test_the_documentation_is_searched(folder: Path, query: str, page: str) -> None:
    assert page in [section["page"] for section in Tools(folder).search_docs(query)]
    assert Tools(folder).search_docs("zzzz") == []


CLIENT = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters

async def main():
    server = StdioServerParameters(command=sys.executable, args=["-m", "snowpipe_ml.cli.main", "mcp", "--directory", sys.argv[1]])
    found = {}
    async with Client(server) as client:
        found["tools"] = sorted(tool.name for tool in (await client.list_tools()).tools)
        for name, arguments in json.loads(sys.argv[2]):
            result = await client.call_tool(name, arguments)
            found[name] = [result.is_error, "".join(part.text for part in result.content)]
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.mark.integrations
def test_the_client_of_the_protocol_calls_the_tools(folder: Path) -> None:
    calls = [
        ("validate", {"spec": "minimal.yaml"}),
        ("plan", {"spec": "minimal.yaml"}),
        ("run", {"spec": "minimal.yaml"}),
        ("logs", {"spec": "minimal.yaml"}),
        ("explain", {"code": "2003"}),
        ("search_docs", {"query": "dashboard"}),
        ("sql", {"spec": "minimal.yaml", "statement": "DROP TABLE DAILY_SALES"}),
    ]
    done = subprocess.run(
        [python_of("mcp"), "-c", CLIENT, folder, json.dumps(calls)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("tools") == ["explain", "logs", "plan", "run", "search_docs", "sql", "validate"]
    refused, text = found.pop("sql")
    assert refused
    assert "this server only reads" in text
    assert [name for name, (failed, _) in found.items() if failed] == []
    assert '"valid": true' in found["validate"][1]
    assert "002003" in found["explain"][1]
    assert "unchanged since" in found["run"][1]
