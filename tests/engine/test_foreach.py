"""The setting ``foreach``, which makes one node per item."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.ui.terminal import Checklist
from tests.conftest import write_spec

SPEC = """\
vars: {regions: [north, south, "o'hara"]}
tables:
  places: {columns: {NAME: varchar, N: number}}
steps:
  load:
    type: transform
    foreach: "{{ vars.regions }}"
    query: SELECT {{ item | literal }} AS REGION
    writes: trips_{{ item | replace("'", "") }}
  rows:
    type: transform
    foreach: {query: "SELECT NAME, N FROM {{ ref('places') }} ORDER BY N"}
    query: SELECT {{ item.N | literal }} AS N
    writes: place_{{ item.NAME }}
  all:
    type: transform
    needs: [load]
    query: SELECT * FROM {{ ref('trips_north') }} UNION ALL SELECT * FROM {{ ref('trips_ohara') }}
    writes: all_trips
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    session = pipeline.session()
    session.sql("CREATE TABLE PLACES (NAME VARCHAR, N NUMBER)").collect()
    session.sql("INSERT INTO PLACES VALUES ('a', 1), ('b', 2)").collect()
    session.close()
    return pipeline


def test_each_item_is_a_node_with_its_own_state(pipeline: Pipeline) -> None:
    first = pipeline.run()
    names = list(first.steps)
    assert first.ok
    assert {"load[north]", "load[south]", "load[o_hara-0c57eb]", "rows[a-1]", "rows[b-2]"} < set(names)
    assert names.index("load[south]") < names.index("all")
    pipeline.variables["regions"] = ["north", "south", "o'hara", "west"]
    again = pipeline.run()
    assert {name for name, step in again.steps.items() if step.status.value == "success"} == {
        "load[west]",
        "all",
    }
    session = pipeline.session()
    assert session.sql("SELECT * FROM ALL_TRIPS ORDER BY 1").collect() == [("north",), ("o'hara",)]
    assert session.sql("SELECT * FROM PLACE_B").collect() == [(2,)]
    session.close()


def test_a_step_is_selected_whole_or_by_the_item(pipeline: Pipeline) -> None:
    def steps(*select: str) -> set[str]:
        return {name for name in pipeline.run(select=select, full_refresh=True).steps if "." not in name}

    assert steps("load") == {"load[north]", "load[south]", "load[o_hara-0c57eb]"}
    assert steps("load[south]") == {"load[south]"}
    assert steps("load[so*]+") == {"load[south]", "all"}


def test_without_a_connection_a_node_stands_for_the_rows(pipeline: Pipeline) -> None:
    assert [step.name for step in pipeline.plan() if step.name.startswith("rows")] == ["rows[...]"]


def test_the_nodes_of_a_step_have_one_line(pipeline: Pipeline) -> None:
    console = Console(width=120, record=True)
    with Checklist(console) as checklist:
        assert pipeline.run(listeners=[checklist]).ok
    lines = [line.split() for line in console.export_text().splitlines()]
    (line,) = [line for line in lines if "load" in line]
    assert line[-4:] == ["3", "rows", "3", "items"]
    assert not any("load[" in word for line in lines for word in line)


def test_what_a_query_reads_must_be_there(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC.replace("FROM {{ ref('places') }}", "FROM {{ ref('nowhere') }}"))
    with pytest.raises(
        UsageError,
        match=r"(?s)\.yaml:\d+:\d+: the items of rows could not be read: .*NOWHERE.*must exist already",
    ):
        Pipeline.from_yaml(path).run()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"{{ vars.regions }}"', "[a, a]", "foreach has 'a' twice"),
        ('"{{ vars.regions }}"', "north", "'foreach' must be a list"),
        ("{{ item | literal }}", "{{ itm | literal }}", "undefined: itm"),
        ('trips_{{ item | replace("\'", "") }}', "trips", "is written by 'load[north]' already"),
        ("needs: [load]", "needs: [lod]", "needs an unknown step 'lod'"),
    ],
)
def test_mistakes_are_told_where_they_are(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as caught:
        Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace(old, new))).validate()
    assert message in str(caught.value)


def test_a_list_may_be_empty(tmp_path: Path) -> None:
    text = "steps:\n  load: {type: transform, foreach: [], query: SELECT 1 AS X, writes: t}\n"
    text += "  after: {type: transform, needs: [load], query: SELECT 1 AS X, writes: u}\n"
    assert list(Pipeline.from_yaml(write_spec(tmp_path, text)).run().steps) == ["after"]
