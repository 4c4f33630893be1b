from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError, UsageError
from tests.conftest import CITIBIKE, ROOT, write_spec

FIVE = """\
vars: {lags: [1, 7]}
stages: {load: {}}
warehouses: {wh: {auto_suspend: soon}}
steps:
  extract:
    type: extrct
    from: sample
  load_trips:
    type: copy_into
    from: "@load/trips/"
    into: trips
    filee_format: csv
  clean:
    type: transform
    query: SELECT * FROM {{ ref('holidayz') }}
    writes: clean
  days:
    type: holidays
    country: US
    first_year: 2020
    last_year: 2024
    writes: holidays
  features:
    type: features
    from: clean
    partition_by: STATION
    timestamp: STARTED_AT
    lags: "{{ vars.lagz }}"
    writes: features
"""


STEP = "steps: {a: {type: transform, query: SELECT 1 AS X, writes: t}}"
GRANT = STEP + "\nroles: {r: {}}\ngrants: %s"
FEATURES = STEP[:-1] + ", f: {type: features, from: t, partition_by: K, timestamp: A, lags: %s, writes: f}}"


def problems(path: Path) -> list[tuple[str, str, str | None]]:
    with pytest.raises(SpecError) as caught:
        Pipeline.from_yaml(path).validate()
    return [(f"{p.position.line}:{p.position.column}", p.message, p.hint) for p in caught.value.problems]


def test_five_mistakes_five_errors_each_at_its_place(tmp_path: Path) -> None:
    found = problems(write_spec(tmp_path, FIVE))
    assert [(at, hint) for at, _, hint in found] == [
        ("6:33", None),
        ("9:11", "did you mean 'extract'?"),
        ("15:5", "did you mean 'file_format'?"),
        ("18:12", "did you mean 'holidays'?"),
        ("31:11", "did you mean 'lags'?"),
    ]
    messages = [message for _, message, _ in found]
    assert "'auto_suspend' must be a whole number, not the text 'soon'" in messages[0]
    assert "unknown step type 'extrct'" in messages[1]
    assert "unknown key 'filee_format'" in messages[2]
    assert "unknown table 'holidayz'" in messages[3]
    assert "undefined: vars.lagz" in messages[4]


def test_the_command_line_shows_all_five_and_exits_2(tmp_path: Path) -> None:
    path = write_spec(tmp_path, FIVE)
    command = [sys.executable, "-m", "snowpipe_ml", "validate", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count(f"{path}:") == 5
    assert done.stderr.count("^") >= 5
    assert "5 problems" in done.stderr


def test_validate_imports_nothing_heavy() -> None:
    code = (
        "import sys; from snowpipe_ml import Pipeline; Pipeline.from_yaml(sys.argv[1]).validate(); "
        "heavy = {'snowflake.snowpark', 'snowflake.connector', 'torch', 'pandas', 'duckdb', 'sqlglot', 'pyarrow', 'numpy'}"
        " & set(sys.modules); "
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(CITIBIKE)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_variables_override_and_are_checked() -> None:
    pipeline = Pipeline.from_yaml(CITIBIKE, vars={"horizon_days": 14})
    _, graph, _ = pipeline.load()
    assert graph.nodes["future_features"].step.settings.horizon == 14
    with pytest.raises(UsageError, match="did you mean 'horizon_days'"):
        Pipeline.from_yaml(CITIBIKE, vars={"horizon": 14}).validate()
    with pytest.raises(UsageError, match="no target 'prd'"):
        Pipeline.from_yaml(CITIBIKE).validate("prd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: {a: {type: transform, query: SELECT 1, writes: a b}}", "not a name"),
        ("steps: {a: {type: transform, writes: a}}", "give one of sql (a file) and query"),
        ("steps: {a: {type: transform, sql: nope.sql, writes: a}}", "cannot read 'nope.sql': No such file"),
        (
            "steps: {a: {type: transform, query: SELECT 1, writes: a, warehouse: big}}",
            "not declared under `warehouses`",
        ),
        ("steps: {a: {type: copy_into, from: trips, into: x}}", "does not have the expected format"),
        (
            "steps: {a: {type: copy_into, from: '@nope/x', into: x}}\ntables: {x: {columns: {a: int}}}",
            "stage 'nope' is not declared",
        ),
        (
            "stages: {s: {}}\nsteps: {a: {type: copy_into, from: '@s/x', into: rwa}}\ntables: {raw: {columns: {a: int}}}",
            "unknown table 'rwa'",
        ),
        (GRANT % "{r: {table t: ['sel;ect']}}", "not a privilege"),
        (GRANT % "{rr: {table t: [select]}}", "the role 'rr' is not declared under `roles`"),
        ("stages: {my-stage: {}}\n" + STEP, "not a name"),
        ("tables: {order: {columns: {a: int}}}\n" + STEP, "reserved word"),
        ("tables: {x: {columns: {'a b': int}}}\n" + STEP, "not a name"),
        ("vars: [a]\n" + STEP, "'vars' must be a mapping"),
        ("vars: {a: '{{ env.HOME }}'}\n" + STEP, "a variable cannot contain a template"),
        ("warehouses: {w: {type: snowpark-optimized}}\n" + STEP, "must be at least medium"),
        (
            "sources: {s: {columns: {A: int}, from: {lcoal: {file: x}}}}\n" + STEP,
            "has no origin for the target 'local'",
        ),
        (
            "sources: {s: {columns: {A: int}, from: {local: {query: nope.sql}}}}\n" + STEP,
            "cannot read 'nope.sql'",
        ),
        (
            "steps: {a.b: {type: transform, query: SELECT 1, writes: t}}",
            "a step name may contain letters, digits",
        ),
        (FEATURES % "[0]", "'lags' must be at least 1, not 0"),
        (FEATURES % "[7, 7]", "two columns would be named LAG_7"),
        ("tables: {t: {columns: {a: int}}}\n" + STEP, "table T is written by 'tables.t' already"),
        (
            "steps: {a: {type: transform, query: SELECT 1, writes: a, needs: [b]}}",
            "needs an unknown step 'b'",
        ),
        ("steps: {a: {query: SELECT 1}}", "has no type"),
        ("steps: []", "'steps' must be a mapping"),
        (
            "steps: {a: {type: transform, query: 'SELECT {{ vars.x | literal }}', writes: a}}",
            "undefined: vars.x",
        ),
        (
            "tables: {t: {columns: {a: nubmer}}}\nsteps: {a: {type: transform, query: SELECT 1, writes: a}}",
            "not a Snowflake data type",
        ),
        (
            "steps:\n  a: {type: transform, query: SELECT 1, writes: t}\n  b: {type: transform, query: SELECT 2, writes: t}",
            "table T is written by 'a' already",
        ),
    ],
)
def test_one_mistake_one_error(tmp_path: Path, text: str, message: str) -> None:
    found = problems(write_spec(tmp_path, text + "\n"))
    assert len(found) == 1, found
    assert message in found[0][1]


def test_a_cycle_is_shown_as_a_path(tmp_path: Path) -> None:
    text = """\
steps:
  a: {type: transform, query: "SELECT * FROM {{ ref('tc') }}", writes: ta}
  b: {type: transform, query: "SELECT * FROM {{ ref('ta') }}", writes: tb}
  c: {type: transform, query: "SELECT * FROM {{ ref('tb') }}", writes: tc}
"""
    ((at, message, _),) = problems(write_spec(tmp_path, text))
    assert at == "5:3"
    assert message.endswith("a -> b -> c -> a")


def test_a_mistake_in_a_sql_file_is_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT 1 AS X\nWHERE 'x' = {{ vars.city | literal }} -- why;\n")
    ((at, message, _),) = problems(
        write_spec(tmp_path, "steps: {a: {type: transform, sql: q.sql, writes: t}}\n")
    )
    assert (at, message) == ("2:1", "undefined: vars.city")


def test_templates_in_targets_see_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSES", str(tmp_path / "there"))
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: demo\ntargets: {local: {type: local, path: '{{ env.WAREHOUSES }}/wh'}}\n" + STEP + "\n"
    )
    assert Pipeline.from_yaml(path).run().ok
    assert (tmp_path / "there" / "wh" / "databases").is_dir()


def test_names_in_full_are_the_same_names(tmp_path: Path) -> None:
    text = """\
steps:
  a: {type: transform, query: "SELECT * FROM {{ ref('public.t') }}", writes: ta}
  b: {type: transform, query: SELECT 1 AS X, writes: demo.public.t}
  c: {type: transform, query: "SELECT * FROM {{ ref('elsewhere.x.y') }}", writes: tc}
"""
    graph = Pipeline.from_yaml(write_spec(tmp_path, text)).graph()
    assert graph.needs("a") == ["b"]
    assert graph.needs("c") == []
