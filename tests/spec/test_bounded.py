"""Reading and rendering a spec is bounded: no file or template takes unlimited time or memory."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.errors import SpecError, TemplateError
from snowpipe_ml.spec import bounds, limits
from snowpipe_ml.spec.templates import Namespace, render_scalar
from tests.conftest import write_spec

ONE = "  one: {type: transform, query: SELECT 1 AS X, writes: one}\n"
SECONDS = 30  # of CPU time for a validation, of which a slow machine spends several on imports
FOREVER = 300  # seconds, only for what waits for ever
MEMORY = 3 * 2**30


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``snowpipe-ml`` in a process with limits on time and memory."""
    words = [sys.executable, "-m", "snowpipe_ml", *map(str, arguments)]
    # Use one thread per library, because each thread reserves memory, which is limited.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=FOREVER,
            check=False,
            preexec_fn=_bound,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        pytest.fail("it did not end")


def is_refused(path: Path, *words: str, alone: bool = False) -> None:
    """Check that ``validate`` refuses the spec; ``alone``: in a separate process with limits."""
    if alone:
        process = command("validate", path)
        status, said = process.returncode, process.stdout[-2000:] + process.stderr[-2000:]
    else:
        done = CliRunner().invoke(main, ["validate", str(path)])
        status, said = done.exit_code, done.output[-2000:]
    assert status == 2, f"{status}: {said}"
    assert "Traceback" not in said
    assert "MemoryError" not in said
    for word in words:
        assert word in said, said


WAYS = {
    "sql": "steps:\n  one: {type: transform, sql: FILE, writes: one}\n",
    "query": "sources:\n  seen: {columns: {X: number}, from: {local: {query: FILE}}}\nsteps:\n" + ONE,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["/dev/zero", "/dev/stdin", "fifo", "link"])
def test_what_is_no_regular_file_is_refused_by_name(tmp_path: Path, file: str, way: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    is_refused(
        write_spec(tmp_path, WAYS[way].replace("FILE", file)),
        file,
        "spec.yaml:",
        alone=way == "sql" and file == "fifo",
    )


def test_a_file_of_ones_own_class_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.py")
    text = (
        "stages: {s: {}}\npackages: {p: [numpy, pandas]}\nsteps:\n"
        + ONE
        + "  features: {type: features, from: one, "
        "partition_by: K, timestamp: AT, lags: [1], writes: features}\n  deploy: {type: deploy_forecaster, function: f, "
        'features: features, model: {type: python, class: "own:Mine"}, stage: s, packages: p}\n'
    )
    is_refused(write_spec(tmp_path, text), "own.py")


def test_a_file_that_is_far_too_long_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "long.sql").open("wb") as out:
        out.truncate(4 * 2**30)
    is_refused(write_spec(tmp_path, WAYS["sql"].replace("FILE", "long.sql")), "long.sql")


@pytest.mark.parametrize("file", ["/dev/zero", "fifo", "long.yaml"])
def test_a_spec_that_does_not_end_is_refused(tmp_path: Path, file: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "long.yaml").open("wb") as out:
        out.truncate(4 * 2**30)
    is_refused(tmp_path / file, file)


ENDLESS = {
    "a long loop": "{% for i in range(10**12) %}x{% endfor %}",
    "a long loop without output": "{% for i in range(10**12) %}{% endfor %}x",
    "loops in loops": "{% for i in range(5000) %}{% for j in range(5000) %}{% for k in range(5000) %}{% endfor %}{% endfor %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
}
HUGE = {
    "a text times a number": "{{ 'x' * 10**10 }}",
    "a number times a text": "{{ 10**10 * 'x' }}",
    "a list times a number": "{{ ([0] * 10**10) | length }}",
    "a power": "{{ 10**(10**10) }}",
    "a power of a power": "{{ (7**(7**(7**7))) % 10 }}",
    "a list of a range": "{{ range(10**10) | list | length }}",
    "a sum": "{{ range(10**12) | sum }}",
    "a filter that fills": "{{ 'x' | center(10**10) }}",
    "a method that fills": "{{ 'x'.ljust(10**10) }}",
    "a format": "{{ '%10000000000d' % 1 }}",
    "a method that formats": "{{ '{:10000000000}'.format(1) }}",
    "a replacement of a replacement": "{{ ('x' * 99999).replace('x', 'y' * 99999) }}",
    "doubling": "".join(f"{{% set a{n + 1} = a{n} ~ a{n} %}}" for n in range(40)).replace("a0", "'x'", 2)
    + "{{ a40 }}",
}


SLOW = {
    "a recursive loop": "{% for i in range(100000) recursive %}{{ loop(range(100000)) if loop.depth0 == 0 else '' }}{% endfor %}",
    "a filter of a long list": "{% set b = range(9000)|list * 10 %}{% for i in range(9000) %}{% if b|sort %}{% endif %}{% endfor %}",
    "a comparison of long lists": "{% set b = [0] * 9999 %}{% set c = [0] * 9999 %}{% for i in range(9000) %}{% if b == c %}{% endif %}{% endfor %}",
    "a search in a long list": "{% set b = [0] * 9999 %}{% for i in range(9000) %}{% if 1 in b %}{% endif %}{% endfor %}",
    "a part of a long list": "{% set b = [0] * 9999 %}{% for i in range(9000) %}{% if b[1:] %}{% endif %}{% endfor %}",
    "a method of a long list": "{% set b = [0] * 9999 %}{% for i in range(9000) %}{% if b.count(1) %}{% endif %}{% endfor %}",
    "a sum of lists": "{{ ([[0] * 10] * 9000) | sum(start=[]) }}",
}
MADE = {
    "a list of one text": "a{{ ['x' * 999999] * 500 }}",
    "one text many times in another": "{{ 'a' ~ ['x' * 999999] * 500 }}",
    "tabs": "{{ ('\\t' * 999999).expandtabs(500) }}",
    "a format with many fields": "{{ ('{0}' * 500).format('x' * 999999) }}",
    "a mapping in a format": "{{ ('{a}' * 500).format_map({'a': 'x' * 999999}) }}",
    "a percent format with many fields": "{{ ('%(a)s' * 500) % {'a': 'x' * 999999} }}",
    "a filter's format": "{{ ('%(a)s' * 500) | format(a='x' * 999999) }}",
    "a width behind brackets": "{{ '%((a)b)99999999999d' % {'(a)b': 1} }}",
    "a width behind a flag": "{{ '%-*d' % (99999999999, 1) }}",
    "a precision": "{{ '%.99999999999f' % 1.5 }}",
    "a width from an argument": "{{ '{:{}}'.format(1, '99999999999') }}",
    "a translation": "{{ ('x' * 999999).translate({120: 'y' * 999999}) }}",
    "a replacement by name": "{{ ('x' * 999999) | replace(new='y' * 999999, old='x') }}",
    "a replacement of a number": "{{ ('1' * 999999) | replace(1, 'y' * 999999) }}",
    "joined by a long text": "{{ ('y' * 999999).join(range(90000) | map('string')) }}",
    "joined what is counted": "{{ ('y' * 999999).join(('x' * 999999) | _counted(-10**12)) }}",
    "indentation": "{{ ('\\n' * 999999) | indent(90000) }}",
    "indented JSON": "{{ ([1] * 99999) | tojson(indent=90000) }}",
    "a rounded number": "{{ 5 | round(-1000000000) }}",
}


@pytest.mark.parametrize("name", [*ENDLESS, *HUGE, *SLOW, *MADE])
def test_a_template_that_does_not_end_is_refused_at_its_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in SLOW:
        monkeypatch.setattr(limits, "STEPS", 9000)  # to be faster; the command below uses the real bound
    text = {**ENDLESS, **HUGE, **SLOW, **MADE}[name]
    with pytest.raises(TemplateError) as caught:
        render_scalar(f"SELECT 1 AS X,\n{text}\n2 AS Y\n", {})
    assert caught.value.line == 2
    assert re.search(r"too large|at most|more than|not allowed|cannot|numbers only", str(caught.value)), (
        caught.value
    )


@pytest.mark.parametrize("name", ["macros", "doubling"])
def test_and_by_the_command(tmp_path: Path, name: str) -> None:
    text = {**ENDLESS, **HUGE}[name]
    (tmp_path / "one.sql").write_text(f"SELECT 1 AS X,\n{text}\n2 AS Y\n")
    is_refused(
        write_spec(tmp_path, "steps:\n  one: {type: transform, sql: one.sql, writes: one}\n"),
        "one.sql:2",
        alone=True,
    )


@pytest.mark.parametrize("name", ["a recursive loop", "a filter of a long list"])
def test_and_in_a_setting_of_the_spec(tmp_path: Path, name: str) -> None:
    path = write_spec(
        tmp_path,
        f'steps:\n  one:\n    type: transform\n    query: SELECT 1 AS X\n    writes: "{SLOW[name]}"\n',
    )
    is_refused(path, "spec.yaml:8", alone=True)


ORDINARY = {
    "{{ 'SELECT * FROM %s' % vars.t }}": "SELECT * FROM sales",
    "{{ 'SELECT COUNT(*) FROM {}'.format(vars.t) }}": "SELECT COUNT(*) FROM sales",
    "{{ '%s_20240131' % vars.t }}": "sales_20240131",
    "{{ '{}_20240131'.format(vars.t) }}": "sales_20240131",
    "{{ '%(a)05d of 100%%' % {'a': 7} }}": "00007 of 100%",
    "{{ '{a:>5}|{0:.2f}'.format(1.5, a='x') }}": "    x|1.50",
    "{{ '{t}'.format_map(vars) }}": "sales",
    "{{ '%s-%s' | format(1, 2) }}": "1-2",
    "{{ env.X | default(1000000) }}": 1000000,
    "{{ vars.m.get('b', 1000000) }}": 1000000,
    "{{ 'x' | int(default=200000) }}": 200000,
    "{{ vars.columns | map('upper') | join(', ') }}": "A, B",
    "{{ ', '.join(vars.columns) }}": "a, b",
    "{{ vars.columns | reverse | list }}": ["b", "a"],
    "{{ vars.m.items() | list }}": [("a", 1)],
    "{{ 'a' in vars.columns and vars.columns[1:] == ['b'] }}": True,
    "{{ vars.t ~ '_' ~ 1 ~ (vars.t ~ 2) }}": "sales_1sales2",
}


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_template_is_rendered(text: str) -> None:
    variables = {"t": "sales", "m": {"a": 1}, "columns": ["a", "b"]}
    scope = {"vars": Namespace("vars", variables), "env": Namespace("env", {})}
    assert render_scalar(text, scope) == ORDINARY[text]


def test_loops_over_a_thousand_columns_are_rendered() -> None:
    scope = {
        "vars": Namespace("vars", {"all": [f"COLUMN_{n}" for n in range(1000)], "some": ["COLUMN_7"] * 500})
    }
    text = "{% for c in vars.all %}{% if c in vars.some %}{{ c | lower }}{% endif %}{% endfor %}"
    assert render_scalar(text, scope) == "column_7"


def test_each_joined_part_is_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = 0
    visit = bounds._Bounds.visit

    def counting(self: bounds._Bounds, *arguments: Any) -> Any:
        nonlocal visited
        visited += 1
        return visit(self, *arguments)

    monkeypatch.setattr(bounds._Bounds, "visit", counting)
    assert len(render_scalar("".join(["{{ 'a' ~ 'b' }}"] * 1000), {})) == 2000
    assert visited < 10_000


@pytest.mark.parametrize(
    "text",
    [
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
    ],
    ids=["a macro of itself", "brackets", "signs"],
)
def test_a_template_that_is_nested_too_deeply_is_a_mistake_of_the_spec(text: str) -> None:
    with pytest.raises(TemplateError, match="nested too deeply"):
        render_scalar(text, {})


@pytest.mark.parametrize("text", [" " * 200_000, "; " * 100_000], ids=["spaces", "semicolons"])
def test_a_query_with_many_spaces_is_read_in_no_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.sql").write_text(f"SELECT 1 AS X{text}, 2 AS Y")
    path = write_spec(tmp_path, "steps:\n  one: {type: transform, sql: one.sql, writes: one}\n")
    done = command("validate", path)
    assert done.returncode in (0, 2), done.stderr[-500:]


def test_a_step_for_each_of_too_many_items_is_refused(tmp_path: Path) -> None:
    step = "  many: {type: transform, foreach: \"{{ range(10**6) | list }}\", query: SELECT 1 AS X, writes: 'many_{{ item }}'}\n"
    is_refused(write_spec(tmp_path, "steps:\n" + step), "spec.yaml:")


def test_what_ends_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text(
        "SELECT {{ (2 ** 20) | literal }} AS A, {{ ('ab' * 3) | literal }} AS B, {{ ('%05d' % 7) | literal }} AS C\n"
        "{% for i in range(200) %}{% for j in range(50) %}{% if loop.last %}, {{ (i * j) | literal }} AS {{ ('X' ~ i) | identifier }}"
        "{% endif %}{% endfor %}{% endfor %}"
    )
    path = write_spec(tmp_path, "steps:\n  one: {type: transform, sql: one.sql, writes: one}\n")
    try:
        (step,) = Pipeline.from_yaml(path).plan()
    except SpecError as error:
        pytest.fail(str(error))
    text = str(step.plan.statements[0])
    assert "1048576 AS A, 'ababab' AS B, '00007' AS C" in text
    assert "9751 AS X199" in text
