"""Reading and rendering a spec ends: no file and no template makes it wait or grow without bound."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec

ONE = "  one: {type: transform, query: SELECT 1 AS X, writes: one}\n"
SECONDS = 8  # of CPU time that a validation may take; one that only waits has twice as long
MEMORY = 3 * 2**30


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def command(*arguments: object, seconds: int = 2 * SECONDS) -> subprocess.CompletedProcess[str]:
    """``snowpipe-ml`` in a process that is ended when it takes too much."""
    words = [sys.executable, "-m", "snowpipe_ml.cli", *map(str, arguments)]
    # One thread a library: each reserves memory, and that is bounded.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=seconds, check=False, preexec_fn=_bound, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.fail("it did not end")


def is_refused(path: Path, *words: str) -> None:
    done = command("validate", path)
    said = done.stdout[-2000:] + done.stderr[-2000:]
    assert done.returncode == 2, f"{done.returncode}: {said}"
    assert "Traceback" not in said
    assert "MemoryError" not in said
    for word in words:
        assert word in said, said


# --------------------------------------------------------------------------- files

WAYS = {
    "sql": "steps:\n  one: {type: transform, sql: FILE, writes: one}\n",
    "query": "sources:\n  seen: {columns: {X: number}, from: {local: {query: FILE}}}\nsteps:\n" + ONE,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["/dev/zero", "/dev/stdin", "fifo", "link"])
def test_what_is_no_regular_file_is_refused_by_name(tmp_path: Path, file: str, way: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    is_refused(write_spec(tmp_path, WAYS[way].replace("FILE", file)), file, "spec.yaml:")


def test_a_file_of_ones_own_class_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.py")
    text = (
        "stages: {s: {}}\npackages: {p: [numpy, pandas]}\nsteps:\n" + ONE + "  features: {type: features, from: one, "
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


# --------------------------------------------------------------------------- templates

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
    "doubling": "".join(f"{{% set a{n + 1} = a{n} ~ a{n} %}}" for n in range(40)).replace("a0", "'x'", 2) + "{{ a40 }}",
}


@pytest.mark.parametrize("name", [*ENDLESS, *HUGE])
def test_a_template_that_does_not_end_is_refused_at_its_line(tmp_path: Path, name: str) -> None:
    text = {**ENDLESS, **HUGE}[name]
    (tmp_path / "one.sql").write_text(f"SELECT 1 AS X,\n{text}\n2 AS Y\n")
    path = write_spec(tmp_path, "steps:\n  one: {type: transform, sql: one.sql, writes: one}\n")
    is_refused(path, "one.sql:2")


@pytest.mark.parametrize("name", [*ENDLESS, *HUGE])
def test_and_in_a_setting_of_the_spec(tmp_path: Path, name: str) -> None:
    text = {**ENDLESS, **HUGE}[name]
    path = write_spec(
        tmp_path, f'steps:\n  one:\n    type: transform\n    query: SELECT 1 AS X\n    writes: "{text}"\n'
    )
    is_refused(path, "spec.yaml:8")


@pytest.mark.parametrize(
    "text",
    ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
     "{{ " + "-" * 5000 + "1 }}"],
    ids=["a macro of itself", "brackets", "signs"],
)  # fmt: skip
def test_a_template_that_is_nested_too_deeply_is_a_mistake_of_the_spec(tmp_path: Path, text: str) -> None:
    path = write_spec(
        tmp_path, f'steps:\n  one:\n    type: transform\n    query: SELECT 1 AS X\n    writes: "{text}"\n'
    )
    is_refused(path, "spec.yaml:8")


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
