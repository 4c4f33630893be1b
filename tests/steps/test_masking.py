"""Masking policies on columns of outputs are there after the output was replaced.

The embedded warehouse has no masking policies. Here it shows them in DESCRIBE, and takes the statements that name them
without that part.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from snowflake.snowpark import Row

from snowpipe_ml import Pipeline
from snowpipe_ml.plugins.running import Running
from snowpipe_ml.sql import Sql
from tests.conftest import ask, write_spec

SPEC = """\
steps:
  people: {type: transform, query: "SELECT 'ada' AS NAME, 1.5::NUMBER(9, 2) AS PAY, 3 AS N", writes: people}
  seen: {type: transform, materialized: view, query: "SELECT NAME, PAY FROM {{ ref('people') }}", writes: seen}
  copy: {type: snapshot, table: people, into: copied}
"""
POLICIES = {"NAME": "SAFE.RULES.HIDE_TEXT", "PAY": "SAFE.RULES.HIDE_NUMBER"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that name a masking policy."""
    execute, found = Running.execute, []

    def masked(self: Running, statement: Sql) -> list[Row]:
        text = statement.text
        if "MASKING POLICY" in text:
            found.append(text)
            if text.startswith("ALTER"):
                return []
            text = re.sub(r" WITH MASKING POLICY SAFE\.RULES\.\w+", "", text)
            text = re.sub(r"TABLE PEOPLE \(.*?\) COPY", "TABLE PEOPLE COPY", text)
        rows = execute(self, Sql(text))
        if text.startswith("DESCRIBE"):
            rows = [Row(**{**row.as_dict(), "policy name": POLICIES.get(row["name"])}) for row in rows]
        return rows

    monkeypatch.setattr(Running, "execute", masked)
    return found


def changed(folder: Path, changes: dict[str, str]) -> Pipeline:
    text = SPEC
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return Pipeline.from_yaml(write_spec(folder, text))


def test_masking_policies_are_kept(tmp_path: Path, sent: list[str]) -> None:
    assert Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(threads=1).ok
    assert sent == []  # nothing has one before it exists
    pipeline = changed(
        tmp_path,
        {
            "1.5::NUMBER(9, 2) AS PAY, 3 AS N": "1.5::NUMBER(12, 2) AS PAY, 4 AS M",
            "ref('people') }}": "ref('people') }} WHERE PAY > 1",  # an unchanged view is not replaced
        },
    )
    ask(pipeline, "COMMENT ON COLUMN SEEN.NAME IS 'whose'")
    assert pipeline.run(threads=1).ok
    assert [text.partition(" AS SELECT")[0] for text in sent] == [
        "CREATE OR REPLACE TABLE PEOPLE (NAME VARCHAR(3) WITH MASKING POLICY SAFE.RULES.HIDE_TEXT, "
        "PAY NUMBER(12, 2) WITH MASKING POLICY SAFE.RULES.HIDE_NUMBER, M) COPY GRANTS COPY TAGS",
        "CREATE OR REPLACE VIEW SEEN (NAME WITH MASKING POLICY SAFE.RULES.HIDE_TEXT COMMENT 'whose', "
        "PAY WITH MASKING POLICY SAFE.RULES.HIDE_NUMBER) COPY GRANTS COPY TAGS",
        "ALTER TABLE COPIED MODIFY COLUMN NAME SET MASKING POLICY SAFE.RULES.HIDE_TEXT FORCE",
        "ALTER TABLE COPIED MODIFY COLUMN PAY SET MASKING POLICY SAFE.RULES.HIDE_NUMBER FORCE",
    ]


def test_a_masked_column_does_not_change_its_type(tmp_path: Path, sent: list[str]) -> None:
    assert Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(threads=1).ok
    result = changed(tmp_path, {"1.5::NUMBER(9, 2) AS PAY": "'low' AS PAY"}).run(threads=1)
    assert result.steps["people"].message == (
        "the column PAY of PEOPLE would change its type, and the masking policy SAFE.RULES.HIDE_NUMBER is for "
        "NUMBER(9,2): cast it to that type, or run ALTER TABLE PEOPLE MODIFY COLUMN PAY UNSET MASKING POLICY, and set "
        "another one after the run"
    )
    # Without the column, there is nothing to mask.
    assert (
        changed(tmp_path, {", 1.5::NUMBER(9, 2) AS PAY, 3 AS N": ""}).run(threads=1).steps["people"].error
        is None
    )
    assert "PAY" not in sent[0]
