"""Task graphs run as Snowflake documents: https://docs.snowflake.com/en/user-guide/tasks-graphs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

Query = Callable[[str], list[tuple[Any, ...]]]
HISTORY = "SELECT {} FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) WHERE QUERY_ID IS NOT NULL ORDER BY QUERY_START_TIME"


@pytest.fixture
def graph(query: Query) -> Query:
    """A root and its log; ``task`` of each test adds to it."""
    query("CREATE TABLE log (what VARCHAR, said VARCHAR)")
    query("CREATE TASK root SCHEDULE = '60 MINUTE' AS INSERT INTO log VALUES ('root', NULL)")
    return query


def task(query: Query, name: str, after: str, statement: str | None = None, clauses: str = "") -> None:
    link = f"AFTER {after}" if after else ""
    query(
        f"CREATE TASK {name} {link} {clauses} AS {statement or f'''INSERT INTO log VALUES ('{name}', NULL)'''}"
    )
    query(f"ALTER TASK {name} RESUME")


def ran(query: Query) -> list[str]:
    return [what for (what,) in query("SELECT what FROM log ORDER BY what")]


def states(query: Query) -> dict[str, str]:
    return dict(query(HISTORY.format("NAME, STATE")))


def test_a_failing_child_fails_its_dependents_and_not_its_siblings(graph: Query) -> None:
    task(graph, "bad", "root", "SELECT 1 / 0")
    task(graph, "good", "root")
    task(graph, "after_bad", "bad, good")
    task(graph, "after_good", "good")
    task(graph, "final", "", clauses="FINALIZE = root")
    assert graph("EXECUTE TASK root") == [("Task ROOT is scheduled to run immediately.",)]
    assert ran(graph) == ["after_good", "final", "good", "root"]
    assert states(graph) == {
        "ROOT": "SUCCEEDED",
        "BAD": "FAILED",
        "GOOD": "SUCCEEDED",
        "AFTER_GOOD": "SUCCEEDED",
        "FINAL": "SUCCEEDED",
    }
    found = graph(
        "SELECT ERROR_CODE, ERROR_MESSAGE, SCHEDULED_FROM, ATTEMPT_NUMBER FROM "
        "TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => 'bad', ERROR_ONLY => TRUE))"
    )
    assert found == [(100051, "Division by zero", "EXECUTE_TASK", 1)]
    assert graph(
        "SELECT ROOT_TASK_NAME, STATE, FIRST_ERROR_TASK_NAME FROM TABLE(INFORMATION_SCHEMA.COMPLETE_TASK_GRAPHS())"
    ) == [("ROOT", "FAILED", "BAD")]


def test_a_suspended_task_counts_as_one_that_succeeded(graph: Query) -> None:
    for name, after in (("a", "root"), ("b", "root"), ("after_a", "a"), ("both", "a, b"), ("second", "a, b")):
        task(graph, name, after)
    graph("ALTER TASK a SUSPEND")
    graph("EXECUTE TASK root")
    assert ran(graph) == ["after_a", "b", "both", "root", "second"]
    graph("ALTER TASK b SUSPEND")
    graph("TRUNCATE TABLE log")
    graph("EXECUTE TASK root")
    assert ran(graph) == ["after_a", "root"]  # of several predecessors, one must be resumed


def test_a_condition_that_is_false_skips_a_task_and_those_after_it(graph: Query) -> None:
    graph("CREATE TABLE t (n INT)")
    graph("CREATE STREAM s ON TABLE t")
    task(
        graph,
        "reader",
        "root",
        "INSERT INTO log SELECT 'reader', n FROM s",
        "WHEN SYSTEM$STREAM_HAS_DATA('s')",
    )
    task(graph, "after_reader", "reader")
    graph("EXECUTE TASK root")
    assert states(graph) == {"ROOT": "SUCCEEDED", "READER": "SKIPPED"}
    graph("INSERT INTO t VALUES (7)")
    graph("EXECUTE TASK root")
    assert ran(graph) == ["after_reader", "reader", "root", "root"]
    graph("EXECUTE TASK root")  # the stream was consumed
    assert len(ran(graph)) == 5


def test_no_finalizer_runs_if_the_root_is_skipped(graph: Query) -> None:
    task(graph, "final", "", clauses="FINALIZE = root")
    graph("ALTER TASK root MODIFY WHEN 1 = 0")
    graph("EXECUTE TASK root")
    assert states(graph) == {"ROOT": "SKIPPED"}


def test_values_and_configurations_are_passed_on(graph: Query) -> None:
    graph("""ALTER TASK root SET CONFIG = $${"dir": "/prod", "deep": {"a": 1, "b": 2}}$$""")
    graph("ALTER TASK root MODIFY AS CALL SYSTEM$SET_RETURN_VALUE('from the root')")
    task(
        graph,
        "child",
        "root",
        "INSERT INTO log SELECT SYSTEM$GET_PREDECESSOR_RETURN_VALUE(), SYSTEM$GET_TASK_GRAPH_CONFIG('dir')",
    )
    task(
        graph,
        "grandchild",
        "child",
        "INSERT INTO log SELECT SYSTEM$GET_PREDECESSOR_RETURN_VALUE('ROOT'), SYSTEM$GET_TASK_GRAPH_CONFIG('deep.b')",
        "WHEN SYSTEM$GET_PREDECESSOR_RETURN_VALUE('ROOT') <> 'other'",
    )
    graph("EXECUTE TASK root")
    assert graph("SELECT * FROM log ORDER BY said") == [("from the root", "/prod"), ("from the root", "2")]
    graph("""EXECUTE TASK root USING CONFIG = '{"deep": {"b": 3}}'""")
    assert graph("SELECT said FROM log WHERE said = '3'") == [("3",)]
    (config,) = graph(
        "SELECT DISTINCT CONFIG FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) WHERE CONFIG LIKE '%3%'"
    )[0]
    assert json.loads(config) == {"dir": "/prod", "deep": {"a": 1, "b": 3}}
    assert graph("SHOW TASKS LIKE 'root'")[0][18] == """{"dir": "/prod", "deep": {"a": 1, "b": 2}}"""
    with pytest.raises(SnowparkSQLException, match="must be called from within a task run"):
        graph("SELECT SYSTEM$GET_TASK_GRAPH_CONFIG('dir')")


INFO = (
    "CURRENT_TASK_NAME",
    "CURRENT_ROOT_TASK_NAME",
    "CURRENT_ROOT_TASK_UUID",
    "CURRENT_TASK_GRAPH_RUN_GROUP_ID",
)
TIMES = (
    "CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP",
    "LAST_SUCCESSFUL_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP",
)


def test_a_task_knows_its_run(graph: Query) -> None:
    calls = ", ".join(f"SYSTEM$TASK_RUNTIME_INFO('{name}')" for name in INFO)
    times = ", ".join(f"SYSTEM$TASK_RUNTIME_INFO('{name}')::TIMESTAMP_LTZ" for name in TIMES)
    graph("CREATE TABLE info (a VARCHAR, b VARCHAR, c VARCHAR, d VARCHAR, e TIMESTAMP_LTZ, f TIMESTAMP_LTZ)")
    task(graph, "child", "root", f"INSERT INTO info SELECT {calls}, {times}")
    graph("EXECUTE TASK root")
    graph("EXECUTE TASK root")
    first, second = graph("SELECT * FROM info ORDER BY e")
    root_id = graph("SHOW TASKS LIKE 'root'")[0][2]
    assert first[:3] == second[:3] == ("CHILD", "ROOT", root_id)
    groups = graph(HISTORY.format("DISTINCT GRAPH_RUN_GROUP_ID").partition(" ORDER")[0])
    assert {first[3], second[3]} == {group for (group,) in groups}
    assert first[5] is None
    assert second[5] == first[4] < second[4]


def test_retry_last_runs_what_failed_and_what_follows(graph: Query) -> None:
    task(graph, "needs_table", "root", "INSERT INTO log SELECT 'needs_table', n FROM missing")
    task(graph, "sibling", "root")
    task(graph, "after", "needs_table, sibling")
    with pytest.raises(SnowparkSQLException, match="it has no such run"):
        graph("EXECUTE TASK root RETRY LAST")
    graph("EXECUTE TASK root")
    assert ran(graph) == ["root", "sibling"]
    graph("CREATE TABLE missing AS SELECT 1 AS n")
    graph("EXECUTE TASK root RETRY LAST")
    assert ran(graph) == ["after", "needs_table", "root", "sibling"]
    runs = graph(
        "SELECT NAME, STATE, ATTEMPT_NUMBER, SCHEDULED_FROM FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) ORDER BY 3, 1"
    )
    assert runs == [
        ("NEEDS_TABLE", "FAILED", 1, "EXECUTE_TASK"),
        ("ROOT", "SUCCEEDED", 1, "EXECUTE_TASK"),
        ("SIBLING", "SUCCEEDED", 1, "EXECUTE_TASK"),
        ("AFTER", "SUCCEEDED", 2, "MANUAL RETRY"),
        ("NEEDS_TABLE", "SUCCEEDED", 2, "MANUAL RETRY"),
    ]
    assert graph(HISTORY.format("COUNT(DISTINCT GRAPH_RUN_GROUP_ID)").partition(" ORDER")[0]) == [(1,)]
    with pytest.raises(SnowparkSQLException, match="has not failed"):
        graph("EXECUTE TASK root RETRY LAST")
    graph("DROP TABLE missing")
    graph("EXECUTE TASK root")
    graph("ALTER TASK after SET COMMENT = 'changed'")
    with pytest.raises(SnowparkSQLException, match="it was modified"):
        graph("EXECUTE TASK root RETRY LAST")


def test_automatic_retries_follow_the_finalizer(graph: Query) -> None:
    graph("ALTER TASK root SET TASK_AUTO_RETRY_ATTEMPTS = 2")
    task(graph, "needs_table", "root", "INSERT INTO made VALUES (1)")
    task(graph, "final", "", "CREATE TABLE IF NOT EXISTS made (n INT)", "FINALIZE = root")
    graph("EXECUTE TASK root")
    assert graph("SELECT * FROM made") == [(1,)]
    assert ran(graph) == ["root"]
    assert graph(
        "SELECT NAME, ATTEMPT_NUMBER, SCHEDULED_FROM FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) "
        "WHERE ATTEMPT_NUMBER > 1 ORDER BY 1"
    ) == [("FINAL", 2, "AUTOMATIC RETRY"), ("NEEDS_TABLE", 2, "AUTOMATIC RETRY")]


def test_a_root_that_fails_too_often_is_suspended(graph: Query) -> None:
    graph("ALTER TASK root SET SUSPEND_TASK_AFTER_NUM_FAILURES = 2")
    graph("ALTER TASK root MODIFY AS SELECT 1 / 0")
    graph("ALTER TASK root RESUME")
    graph("EXECUTE TASK root")
    assert graph("SHOW TASKS")[0][10] == "started"
    graph("EXECUTE TASK root")
    shown = graph("DESCRIBE TASK root")[0]
    assert (shown[10], shown[20]) == ("suspended", "SUSPENDED_DUE_TO_ERRORS")
    assert [state for (state,) in graph(HISTORY.format("STATE"))] == ["FAILED", "FAILED_AND_AUTO_SUSPENDED"]


def test_a_task_runs_with_its_own_session(graph: Query) -> None:
    graph("CREATE WAREHOUSE task_wh")
    graph("ALTER TASK root SET TIMEZONE = 'Asia/Tokyo' WAREHOUSE = task_wh")
    graph(
        "ALTER TASK root MODIFY AS INSERT INTO log SELECT CURRENT_WAREHOUSE(), TO_VARCHAR(CURRENT_TIMESTAMP(), 'TZHTZM')"
    )
    graph("EXECUTE TASK root")
    assert graph("SELECT * FROM log") == [("TASK_WH", "+0900")]
    graph("ALTER TASK root UNSET WAREHOUSE, TIMEZONE")
    graph("ALTER TASK root SET USER_TASK_TIMEOUT_MS = 100")
    graph("ALTER TASK root MODIFY AS SELECT SYSTEM$WAIT(60)")
    graph("EXECUTE TASK root")
    (last,) = graph(HISTORY.format("STATE, ERROR_MESSAGE") + " DESC LIMIT 1")
    assert last[0] == "FAILED"
    assert "timeout" in last[1]


def test_the_tasks_of_a_graph_are_resumed_together(graph: Query) -> None:
    for name, link in (("a", "AFTER root"), ("b", "AFTER a"), ("f", "FINALIZE = root")):
        graph(f"CREATE TASK {name} {link} AS SELECT 1")
    graph("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('root')")
    assert {row[10] for row in graph("SHOW TASKS")} == {"started"}
    found = graph("SELECT NAME, STATE FROM TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS('root'))")
    assert found == [("ROOT", "started"), ("A", "started"), ("B", "started"), ("F", "started")]
    direct = (
        "SELECT NAME FROM TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => 'root', RECURSIVE => FALSE))"
    )
    assert graph(direct) == [("ROOT",), ("A",), ("F",)]
    (scheduled,) = graph("SELECT NAME, STATE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())")
    assert scheduled == ("ROOT", "SCHEDULED")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TASK x AFTER nowhere AS SELECT 1", "Task 'LOCAL.PUBLIC.NOWHERE' does not exist"),
        ("CREATE TASK x FINALIZE = nowhere AS SELECT 1", "Task 'LOCAL.PUBLIC.NOWHERE' does not exist"),
        ("CREATE TASK x BIRTHDAY = 3 AS SELECT 1", "invalid property 'BIRTHDAY' for 'TASK'"),
        ("CREATE TASK x SCHEDULE = 'USING CRON 0 6 * * UTC' AS SELECT 1", "5 fields"),
        ("CREATE TASK x SCHEDULE = '3 SECONDS' AS SELECT 1", "10 seconds"),
        (
            "CREATE TASK x SCHEDULE = '1 MINUTE' AFTER root AS SELECT 1",
            "SCHEDULE can be set on a root task only",
        ),
        ("CREATE TASK x TASK_AUTO_RETRY_ATTEMPTS = 1 AFTER root AS SELECT 1", "root task only"),
        ("CREATE TASK x TASK_AUTO_RETRY_ATTEMPTS = 31 AS SELECT 1", "invalid value"),
        ("CREATE TASK x CONFIG = 'nothing' AS SELECT 1", "invalid value"),
        ("CREATE TASK x WAREHOUSE = nowhere AS SELECT 1", "Warehouse 'NOWHERE' does not exist"),
        (
            "CREATE TASK x OVERLAP_POLICY = ALLOW_ALL_OVERLAP AS SELECT 1",
            "does not support the option OVERLAP_POLICY",
        ),
        ("CREATE TASK x ALLOW_OVERLAPPING_EXECUTION = TRUE AS SELECT 1", "ALLOW_OVERLAPPING_EXECUTION"),
        ("CREATE TASK x ALLOW_OVERLAPPING_EXECUTION = FALSE AFTER root AS SELECT 1", "root task only"),
        ("CREATE TASK x AS BEGIN SELECT 1;", "unexpected"),
        ("EXECUTE TASK root RETRY LAST AWAIT", "unexpected"),
        (
            "CREATE TASK x AFTER root WHEN (SELECT COUNT(*) FROM log) > 0 AS SELECT 1",
            "Invalid expression for task",
        ),
        ("CREATE TASK x AFTER root WHEN RANDOM() > 0 AS SELECT 1", "Invalid expression for task"),
        ("CREATE TASK x AFTER final AS SELECT 1", "cannot have child tasks"),
        ("CREATE TASK x FINALIZE = root AS SELECT 1", "has the finalizer FINAL already"),
        ("CREATE TASK x FINALIZE = child AS SELECT 1", "is not a root task"),
        ("CREATE TASK x AFTER child, other AS SELECT 1", "a graph has one root task"),
        ("CREATE TASK x", "expected a statement|unexpected"),
        ("ALTER TASK root ADD AFTER child", "follow itself"),
        ("ALTER TASK child REMOVE AFTER other", "not a predecessor"),
        ("ALTER TASK final ADD AFTER child", "cannot have predecessors"),
        ("ALTER TASK other SET FINALIZE = root", "SCHEDULE can be set on a root task only"),
        ("ALTER TASK root SET BIRTHDAY = 3", "invalid property 'BIRTHDAY'"),
        ("ALTER TASK root UNSET BIRTHDAY", "invalid property 'BIRTHDAY'"),
        ("ALTER TASK root RENAME TO x", "unexpected"),
        ("EXECUTE TASK child", "root task of a graph"),
        ("EXECUTE TASK final", "root task of a graph"),
        ("EXECUTE TASK nowhere", "does not exist"),
    ],
)
def test_mistakes(graph: Query, statement: str, message: str) -> None:
    graph("CREATE TASK child AFTER root AS SELECT 1")
    graph("CREATE TASK final FINALIZE = root AS SELECT 1")
    graph("CREATE TASK other SCHEDULE = '1 HOUR' AS SELECT 1")
    before = graph("SHOW TASKS")
    with pytest.raises(SnowparkSQLException, match=message):
        graph(statement)
    assert graph("SHOW TASKS") == before


def test_the_root_must_be_suspended_for_changes(graph: Query) -> None:
    task(graph, "child", "root")
    graph("ALTER TASK root RESUME")
    for statement in (
        "ALTER TASK child SUSPEND",
        "ALTER TASK child MODIFY AS SELECT 2",
        "ALTER TASK root SET COMMENT = 'x'",
        "CREATE OR REPLACE TASK child AFTER root AS SELECT 2",
        "CREATE OR ALTER TASK child AFTER root AS SELECT 2",
        "CREATE TASK another AFTER root AS SELECT 2",
        "CREATE TASK final FINALIZE = root AS SELECT 2",
    ):
        with pytest.raises(
            SnowparkSQLException, match="Unable to update graph with root task LOCAL.PUBLIC.ROOT since"
        ):
            graph(statement)
    graph("ALTER TASK root SUSPEND")
    graph("ALTER TASK child MODIFY AS SELECT 2")


def test_create_or_alter_keeps_the_state_and_the_id(graph: Query) -> None:
    task(graph, "child", "root")
    (before,) = graph("SHOW TASKS LIKE 'child'")
    graph("CREATE OR ALTER TASK child COMMENT = 'new' AFTER root WHEN 1 = 1 AS SELECT 2")
    (after,) = graph("SHOW TASKS LIKE 'child'")
    assert (after[2], after[10]) == (before[2], "started")
    assert (after[6], after[11], after[12]) == ("new", "SELECT 2", "1 = 1")
    graph("CREATE OR ALTER TASK fresh AS SELECT 3")
    assert graph("SHOW TASKS LIKE 'fresh'")[0][10] == "suspended"
    graph("CREATE OR REPLACE TASK child AFTER root AS SELECT 2")
    assert graph("SHOW TASKS LIKE 'child'")[0][2] != before[2]


def test_links_are_cut_and_kept(graph: Query) -> None:
    task(graph, "a", "root")
    task(graph, "b", "a")
    graph("CREATE TASK f FINALIZE = root AS SELECT 1")
    graph("CREATE OR REPLACE TASK a AFTER root AS SELECT 1")
    assert graph("SHOW TASKS LIKE 'b'")[0][9] == '["LOCAL.PUBLIC.A"]'
    assert json.loads(graph("SHOW TASKS LIKE 'f'")[0][19]) == {
        "Predecessors": [],
        "FinalizedRootTask": "LOCAL.PUBLIC.ROOT",
    }
    graph("DROP TASK a")
    (row,) = graph("SHOW TASKS LIKE 'b'")
    assert (row[9], row[10], row[20]) == ("[]", "suspended", "CHILD_BECAME_ROOT")
    graph("DROP TASK root")
    assert graph("SHOW TASKS LIKE 'f'")[0][20] is None  # it was suspended before
    graph("CREATE TASK c CLONE b")
    graph("ALTER TASK c ADD AFTER b")
    graph("ALTER TASK f SET FINALIZE = b")
    graph("ALTER TASK f UNSET FINALIZE")
    graph("ALTER TASK c MODIFY WHEN CAST('1' AS INT) = 1")
    graph("ALTER TASK c REMOVE WHEN")
    graph("EXECUTE TASK b")
    assert ran(graph) == ["b"]


def test_the_times_of_histories_are_times(graph: Query) -> None:
    graph("EXECUTE TASK root")
    for relation, start, end in (
        ("TASK_HISTORY", "QUERY_START_TIME", "COMPLETED_TIME"),
        ("QUERY_HISTORY", "START_TIME", "END_TIME"),
    ):
        found = graph(
            f"SELECT MIN(DATEDIFF(second, {start}, {end})) >= 0, MIN(DATE_TRUNC('day', {start})) <= CURRENT_TIMESTAMP() "
            f"FROM TABLE(INFORMATION_SCHEMA.{relation}()) WHERE {end} IS NOT NULL"
        )
        assert found == [(True, True)]


def test_a_block_of_snowflake_scripting(graph: Query) -> None:
    graph("ALTER TASK root SET ALLOW_OVERLAPPING_EXECUTION = FALSE")
    graph(
        "ALTER TASK root MODIFY AS DECLARE n INT DEFAULT 2; BEGIN "
        "FOR i IN 1 TO n DO INSERT INTO log SELECT 'root', :i; END FOR; "
        "CALL SYSTEM$SET_RETURN_VALUE('done'); END;"
    )
    graph(
        "CREATE TASK child AFTER root AS BEGIN "
        "LET said VARCHAR := SYSTEM$GET_PREDECESSOR_RETURN_VALUE(); "
        "INSERT INTO log VALUES ('child', :said); EXCEPTION WHEN OTHER THEN RETURN SQLERRM; END"
    )
    graph("ALTER TASK child RESUME")
    graph("EXECUTE TASK root AWAIT")
    assert states(graph) == {"ROOT": "SUCCEEDED", "CHILD": "SUCCEEDED"}
    assert graph("SELECT * FROM log ORDER BY ALL") == [("child", "done"), ("root", "1"), ("root", "2")]
    assert graph("SHOW TASKS LIKE 'root'")[0][11].startswith("DECLARE n INT")
    graph("ALTER TASK child MODIFY AS BEGIN SELECT 1 / 0; END")
    graph("EXECUTE TASK root")
    assert states(graph)["CHILD"] == "FAILED"


def test_graphs_that_run_or_are_scheduled(graph: Query) -> None:
    current = "SELECT {} FROM TABLE(INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS({}))"
    task(graph, "bad", "root", "SELECT 1 / 0")
    told = current.format("STATE, FIRST_ERROR_TASK_NAME", "")
    task(graph, "final", "", f"INSERT INTO log {told}", "FINALIZE = root")
    graph("EXECUTE TASK root")
    assert graph("SELECT * FROM log WHERE what = 'EXECUTING'") == [("EXECUTING", "BAD")]
    assert graph(told) == []
    graph("ALTER TASK root RESUME")
    shown = graph(current.format("ROOT_TASK_NAME, STATE, SCHEDULED_FROM", "ROOT_TASK_NAME => 'root'"))
    assert shown == [("ROOT", "SCHEDULED", "SCHEDULE")]
    assert graph(current.format("1", "ROOT_TASK_NAME => 'other'")) == []
    assert [row[1] for row in graph("SHOW TASKS ROOT ONLY")] == ["FINAL", "ROOT"]
    assert [row[1] for row in graph("SHOW TASKS IN SCHEMA ROOT ONLY LIMIT 1")] == ["FINAL"]
