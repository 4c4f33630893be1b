"""Row access and other policies on outputs are there after the output was replaced.

The embedded warehouse has no policies. Here it tells of them in GET_DDL and POLICY_REFERENCES, and takes the statements
that name them without that part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from snowflake.snowpark import Row
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml import Pipeline
from snowpipe_ml.plugins.running import Running
from snowpipe_ml.sql import Sql
from tests.conftest import ask, write_spec

SPEC = """\
steps:
  sales: {type: transform, query: "SELECT 'eu' AS REGION, 5 AS N, 'x@y' AS MAIL", writes: sales}
  seen: {type: transform, materialized: view, query: "SELECT REGION, N FROM {{ ref('sales') }}", writes: seen}
  copy: {type: snapshot, needs: [seen], table: sales, into: copied}
"""
WIDER = SPEC.replace("5 AS N,", "5 AS N, 6 AS M,").replace(
    "SELECT REGION, N FROM", "SELECT REGION, N, 1 AS ONE FROM"
)


@dataclass
class Policed:
    """The account: what it shows of its policies, and the statements that named one.

    Attributes:
        ddl: what GET_DDL adds to the DDL of each table and view.
        references: kind, column and arguments of each policy, by the object's name.
        refused: whether POLICY_REFERENCES is refused.
    """

    ddl: str = ""
    references: dict[str, list[tuple[str, str | None, str | None]]] = field(default_factory=dict)
    masked: dict[str, str] = field(default_factory=dict)
    refused: bool = False
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Policed:
    execute, account = Running.execute, Policed()

    def policed(self: Running, statement: Sql) -> list[Row]:
        text = statement.text
        if "POLICY_REFERENCES" in text:
            account.asked.append(text)
            if account.refused:
                raise SnowparkSQLException(
                    "Insufficient privileges to operate on account", sql_error_code=3001
                )
            name = re.search(r"REF_ENTITY_NAME => '[\w.]+\.(\w+)'", text)
            assert name
            return [_reference(*found) for found in account.references.get(name[1], [])]
        if "SAFE.RULES" in text:
            account.sent.append(text.partition(" AS SELECT")[0])
            if text.startswith("ALTER"):
                return []
            text = re.sub(
                r" WITH [A-Z ]+ POLICY SAFE\.RULES\.\w+( (?:ON|USING|ENTITY KEY) \([^)]*\))?", "", text
            )
            text = re.sub(r"TABLE SALES \(.*?\) (COPY|TARGET)", r"TABLE SALES \1", text)
        rows = execute(self, Sql(text))
        if "GET_DDL(" in text:
            return [Row(re.sub(r"( as |\Z)", rf" {account.ddl}\1", rows[0][0], count=1, flags=re.I))]
        if text.startswith("DESCRIBE"):
            rows = [Row(**{**row.as_dict(), "policy name": account.masked.get(row["name"])}) for row in rows]
        return rows

    monkeypatch.setattr(Running, "execute", policed)
    return account


def _reference(kind: str, column: str | None, arguments: str | None) -> Row:
    values: dict[str, Any] = {"POLICY_DB": "SAFE", "POLICY_SCHEMA": "RULES", "POLICY_NAME": f"THE_{kind[:3]}"}
    return Row(**values, POLICY_KIND=f"{kind}_POLICY", REF_COLUMN_NAME=column, REF_ARG_COLUMN_NAMES=arguments)


ROWS = ("ROW_ACCESS", None, '[ "REGION" ]')
WITH_ROWS = "WITH ROW ACCESS POLICY SAFE.RULES.THE_ROW ON (REGION)"


def first(folder: Path) -> None:
    assert Pipeline.from_yaml(write_spec(folder, SPEC)).run(threads=1).ok


def test_policies_of_the_whole_object_are_kept(tmp_path: Path, account: Policed) -> None:
    first(tmp_path)
    assert (account.sent, account.asked) == ([], [])
    account.ddl = f"{WITH_ROWS}\n with aggregation policy SAFE.RULES.THE_AGG ENTITY KEY (N)"
    found = [ROWS, ("AGGREGATION", None, '["N"]')]
    account.references = {"SALES": found, "SEEN": found, "COPIED": found}
    result = Pipeline.from_yaml(write_spec(tmp_path, WIDER)).run(threads=1)
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    both = f"COPY GRANTS COPY TAGS {WITH_ROWS} WITH AGGREGATION POLICY SAFE.RULES.THE_AGG ENTITY KEY (N)"
    # The clone has the same policies from its source.
    assert account.sent == [
        f"CREATE OR REPLACE TABLE SALES {both}",
        f"CREATE OR REPLACE VIEW SEEN (REGION, N, ONE) {both}",
    ]
    assert (
        "DEMO.INFORMATION_SCHEMA.POLICY_REFERENCES(REF_ENTITY_NAME => 'DEMO.PUBLIC.SALES', "
        in account.asked[0]
    )


def test_a_clone_has_the_policies_of_the_replaced_table(tmp_path: Path, account: Policed) -> None:
    first(tmp_path)
    account.ddl = WITH_ROWS
    account.references = {
        "SALES": [ROWS],
        "SEEN": [ROWS],
        "COPIED": [("ROW_ACCESS", None, '["REGION", "N"]')],
    }
    execute = Running.execute

    def cloning(self: Running, statement: Sql) -> list[Row]:
        rows = execute(self, statement)
        if "COPIED CLONE" in statement.text:
            account.references["COPIED"] = [ROWS]
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Running, "execute", cloning)
        assert Pipeline.from_yaml(write_spec(tmp_path, WIDER)).run(threads=1).ok
    assert [text for text in account.sent if "COPIED" in text] == [
        "ALTER TABLE COPIED DROP ROW ACCESS POLICY SAFE.RULES.THE_ROW, "
        "ADD ROW ACCESS POLICY SAFE.RULES.THE_ROW ON (REGION, N)"
    ]


@pytest.mark.parametrize("listed", [True, False], ids=["in POLICY_REFERENCES", "in GET_DDL only"])
def test_conditional_masking_and_projection(tmp_path: Path, account: Policed, listed: bool) -> None:
    first(tmp_path)
    account.masked = {"MAIL": "SAFE.RULES.THE_MAS"}
    account.ddl = (
        "MAIL VARCHAR WITH MASKING POLICY SAFE.RULES.THE_MAS USING (MAIL, REGION) WITH PROJECTION POLICY P"
    )
    arguments = '["REGION"]' if listed else None
    found = [("MASKING", "MAIL", arguments), ("PROJECTION", "MAIL", None)]
    account.references = {"SALES": found, "COPIED": found, "SEEN": found}
    assert Pipeline.from_yaml(write_spec(tmp_path, WIDER)).run(threads=1).ok
    masking = "MASKING POLICY SAFE.RULES.THE_MAS USING (MAIL, REGION)"
    assert account.sent == [
        f"CREATE OR REPLACE TABLE SALES (REGION, N, M, MAIL VARCHAR(3) WITH {masking} "
        "WITH PROJECTION POLICY SAFE.RULES.THE_PRO) COPY GRANTS COPY TAGS",
        f"ALTER TABLE COPIED MODIFY COLUMN MAIL SET {masking} FORCE",
        "ALTER TABLE COPIED MODIFY COLUMN MAIL SET PROJECTION POLICY SAFE.RULES.THE_PRO FORCE",
    ]


@pytest.mark.parametrize("refused", [True, False])
def test_a_policy_that_the_role_may_not_see_stops_the_step(
    tmp_path: Path, account: Policed, refused: bool
) -> None:
    first(tmp_path)
    account.ddl, account.refused = "WITH ROW ACCESS POLICY #unknown_policy", refused
    result = Pipeline.from_yaml(write_spec(tmp_path, WIDER)).run(threads=1)
    assert result.steps["sales"].message == (
        "SALES has a row access policy that this role may not see, and replacing it would remove the policy: grant the "
        "role APPLY ROW ACCESS POLICY on the account, or have the policy removed before the run"
    )
    assert account.sent == []


def test_a_column_that_a_policy_needs_is_not_dropped(tmp_path: Path, account: Policed) -> None:
    first(tmp_path)
    account.ddl, account.references = WITH_ROWS, {"SALES": [ROWS]}
    changed = SPEC.replace("'eu' AS REGION, ", "").replace("SELECT REGION, N", "SELECT N")
    result = Pipeline.from_yaml(write_spec(tmp_path, changed)).run(threads=1)
    assert result.steps["sales"].message == (
        "SALES would lose the column REGION, which the row access policy SAFE.RULES.THE_ROW needs: keep the column, or "
        "have the policy removed before the run"
    )


def test_a_query_of_a_view_has_no_policies(tmp_path: Path, account: Policed) -> None:
    query = "SELECT S.N FROM {{ ref('sales') }} S JOIN {{ ref('policy') }} P ON P.N = S.N"
    policy = "  policy: {type: transform, query: SELECT 5 AS N, writes: policy}\n"
    spec = SPEC.replace("SELECT REGION, N FROM {{ ref('sales') }}", query).replace(
        "  copy:", policy + "  copy:"
    )
    assert Pipeline.from_yaml(write_spec(tmp_path, spec)).run(threads=1).ok
    account.refused = True
    assert (
        Pipeline.from_yaml(write_spec(tmp_path, spec.replace("S.N FROM", "S.N, 1 AS ONE FROM")))
        .run(threads=1)
        .ok
    )
    assert account.asked == []


def test_a_dynamic_table_keeps_its_policies(tmp_path: Path, account: Policed) -> None:
    spec = (
        "warehouses: {w: {}}\nsteps:\n  sales: {type: transform, writes: sales, materialized: dynamic_table, "
        "target_lag: 1 hour, warehouse: w, query: \"SELECT 'eu' AS REGION, 5 AS N FROM BASE\"}\n"
    )
    made = Pipeline.from_yaml(write_spec(tmp_path, spec))
    ask(made, "CREATE TABLE BASE AS SELECT 1 AS A")
    assert made.run(threads=1).ok
    ask(made, "CREATE TAG T")
    ask(made, "ALTER DYNAMIC TABLE SALES SET TAG T = 'x'")
    account.ddl, account.references = WITH_ROWS, {"SALES": [ROWS]}
    account.masked = {"REGION": "SAFE.RULES.THE_MAS"}
    changed = Pipeline.from_yaml(write_spec(tmp_path, spec.replace("FROM BASE", "FROM BASE WHERE A > 0")))
    result = changed.run(threads=1)
    assert result.steps["sales"].message == "replaced"
    assert account.sent == [
        "CREATE OR REPLACE DYNAMIC TABLE SALES (REGION VARCHAR(2) WITH MASKING POLICY SAFE.RULES.THE_MAS, N NUMBER(38, 0)) "
        f"TARGET_LAG = '1 hour' WAREHOUSE = W COPY GRANTS COPY TAGS {WITH_ROWS}"
    ]
    assert ask(changed, "SELECT SYSTEM$GET_TAG('T', 'SALES', 'TABLE')") == [("x",)]


@pytest.mark.parametrize(
    "ddl", ["COMMENT = 'WITH ROW ACCESS POLICY x ON (y)'", "-- MASKING POLICY p USING (a)", "POLICY_ID"]
)
def test_words_that_are_no_policies(tmp_path: Path, account: Policed, ddl: str) -> None:
    first(tmp_path)
    account.ddl, account.refused = ddl, True
    assert Pipeline.from_yaml(write_spec(tmp_path, WIDER)).run(threads=1).ok
    assert account.asked == []
