"""Control characters in data, file names and messages are shown as text and never reach the terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.events import RunFinished, RunStarted, Status, StepFinished, StepProgress, StepRetried
from snowpipe_ml.ui.tables import print_table
from snowpipe_ml.ui.terminal import Checklist
from snowpipe_ml.ui.tree import LiveTree
from tests import forked

# C0 except line feed and tab, DEL, C1, line separators, and bidirectional controls.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
ESC = "\x1b[31mred\x1b[0m"
VALUE = f"start {ESC} \x1b]0;title\x07 \x1b]8;;http://x\x1b\\link \x9b31m \u202eright \u2066left \r over \x08 \x7f \u2028 [red]m[/red] :smile: end"
SPEC = """\
# a comment \u202ewith a turn
name: demo
targets:
  local: {type: local, path: warehouse, database: DEMO}
vars:
  value: %s
on_failure:
  - command: [python, -c, "import sys; sys.exit('hook ' + chr(27) + '[31m' + chr(0x202e))"]
stages: {s: {}}
steps:
  kept: {type: transform, query: "SELECT {{ vars.value | literal }} AS X", writes: t}
  failing: {type: transform, query: "SELECT CAST({{ vars.value | literal }} AS NUMBER) AS X", writes: u}
  warned: {type: expect, table: t, predicate: "X <> {{ vars.value | literal }}", severity: warn}
  staged: {type: extract, from: data, into: "@s/", layouts: {new: {columns: [a]}}}
"""


def invoke(*arguments: object, color: bool = False) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], color=color)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec that was run twice with different texts."""
    folder = tmp_path_factory.mktemp("demo")
    path = folder / "spec.yaml"
    (folder / "data").mkdir()
    (folder / "data" / f"x{ESC}\u202e.csv").write_bytes(f"b{ESC},c\n1,2\n".encode())
    (folder / "data" / "y.csv").write_text("a\n1\n")
    path.write_text(SPEC % json.dumps(VALUE))
    invoke("run", path, "--no-report")
    path.write_text((SPEC % json.dumps(VALUE)) + "# another comment \u202ewith a turn\n")
    return path


@pytest.fixture(scope="module")
def outputs(spec: Path) -> Mapping[str, str]:
    """The output of the commands for a terminal with colors."""
    found = {
        "run": invoke("run", spec, "--no-report", color=True).output,
        "run --json": invoke("run", spec, "--no-report", "--json", color=True).output,
        "status": invoke("status", spec, color=True).output,
        "logs": invoke("logs", spec, color=True).output,
        "logs --json": invoke("logs", spec, "--json", color=True).output,
        "plan --sql": invoke("plan", spec, "--offline", "--sql", color=True).output,
        "plan --json": invoke("plan", spec, "--offline", "--json", color=True).output,
        "sql": invoke("sql", spec, "SELECT * FROM T", color=True).output,
        "sql --format json": invoke("sql", spec, "SELECT * FROM T", "--format", "json", color=True).output,
        "sql of a name": invoke("sql", spec, f'SELECT 1 AS "start {ESC}"', color=True).output,
        "sql of a mistake": invoke("sql", spec, f'SELECT "start{ESC}" FROM T', color=True).output,
        "sql of a wrong value": invoke("sql", spec, f"SELECT 'start {ESC}'::INT", color=True).output,
        "lineage": invoke("lineage", spec, f'"start {ESC}"', color=True).output,
    }
    ids = [run["id"] for run in json.loads(invoke("runs", spec, "--json").output)]
    found["logs of a step"] = invoke("logs", spec, ids[0], "failing", color=True).output
    found["diff"] = invoke("diff", spec, ids[-1], ids[0], color=True).output
    return found


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "run --json",
        "status",
        "logs",
        "logs --json",
        "logs of a step",
        "plan --sql",
        "plan --json",
        "sql",
        "sql --format json",
        "sql of a name",
        "sql of a mistake",
        "sql of a wrong value",
        "lineage",
        "diff",
    ],
)
def test_no_output_steers_the_terminal(outputs: Mapping[str, str], name: str) -> None:
    text = outputs[name]
    assert "start" in text or "turn" in text  # the visible text is shown
    assert sorted({repr(found) for found in STEERING.findall(text)}) == []


def test_the_rest_of_a_value_is_shown_as_it_is(outputs: Mapping[str, str]) -> None:
    for name in ("run", "logs", "plan --sql"):
        for part in ("start", "red", "31m", "[red]m[/red]", ":smile:", "end"):
            assert part in outputs[name], name


def test_json_holds_the_exact_value(outputs: Mapping[str, str]) -> None:
    assert json.loads(outputs["sql --format json"]) == [{"X": VALUE}]
    (finished,) = [
        event
        for line in outputs["run --json"].splitlines()
        if (event := json.loads(line))["event"] == "step_finished" and event["step"] == "failing"
    ]
    assert ESC in finished["message"]


def test_csv_for_another_program_holds_the_exact_value(spec: Path) -> None:
    done = forked.command("sql", spec, "SELECT * FROM T", "--format", "csv")
    assert done.returncode == 0
    assert list(csv.reader(io.StringIO(done.stdout, newline=""))) == [["X"], [VALUE]]


@pytest.mark.parametrize("format_", ["csv", "table", "json"])
def test_a_terminal_gets_no_control_characters_of_data(spec: Path, format_: str) -> None:
    text = on_a_terminal("sql", spec, "SELECT * FROM T", "--format", format_)
    assert "start" in text
    # The table itself has styles; those of the data (title, red, text direction) are removed.
    for piece in ("\x1b[31m", "\x1b]", "\x07", "\x08", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028"):
        assert piece not in text, repr(piece)


def on_a_terminal(*arguments: object) -> str:
    """The bytes that a command writes to a terminal."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    process = forked.start_command(*arguments, env=environment, output=its)
    os.close(its)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    process.communicate()
    os.close(ours)
    return b"".join(pieces).decode()


def test_a_value_forges_no_line(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    value = "x\n23:59:59  success  forged  0.0 s\n ✓ forged\nsuccess in 0.0 s"
    path.write_text(SPEC % json.dumps(value))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "y.csv").write_text("a\n1\n")
    for text in (invoke("run", path, "--no-report").output, invoke("logs", path).output):
        assert "forged" in text
        assert [
            line for line in text.splitlines() if line.startswith(("23:59:59", " ✓ forged", "success in"))
        ] == []


def test_the_line_of_a_mistake_is_shown_in_its_direction(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: demo\ntargets:\n  local: {type: local, path: warehouse}\nsteps:\n"
        '  a: {type: transform, qeury: "start \u202e\u2066 end", writes: t}\n'
    )
    text = invoke("validate", path).output
    assert "start" in text
    assert STEERING.findall(text) == []


@pytest.mark.parametrize(
    "name", ["[red]x[/red]", "[/nope]", "x [bold]", ":smile:", "[link=http://x]y[/link]"]
)
def test_the_name_of_a_column_is_no_markup(spec: Path, name: str) -> None:
    done = invoke("sql", spec, f'SELECT 1 AS "{name}"')
    assert done.exception is None
    assert name in done.output


@pytest.mark.parametrize("title", ["autogluon.tabular[lightgbm]==1.0", "run [/nope]", ":smile:"])
def test_the_title_of_a_table_is_no_markup(title: str) -> None:
    out = io.StringIO()
    print_table(Console(file=out, width=100), ("A",), [["x" * 60]], title=title)
    assert title in out.getvalue()


STARTED = RunStarted("r", "pipe[red]", "tar[/nope]", datetime(2024, 1, 1, tzinfo=UTC), ("a",))


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (STARTED, "pipe[red]"),
        (STARTED, "tar[/nope]"),
        (StepRetried("a", 1, 1.0, f"start {ESC} [red]"), "[red]"),
        (StepFinished("a", Status.SUCCESS, 1, 1.0, f"start {ESC} \u202e [red]"), "[red]"),
        (StepFinished("a", Status.SKIPPED, message=f"start {ESC} [red]"), "[red]"),
        (StepFinished("a", Status.SUCCESS, warnings=(f"start {ESC} \x07 [red]",)), "success"),
    ],
)
def test_the_checklist_shows_text_as_text(event: Any, shown: str) -> None:
    out = io.StringIO()
    checklist = Checklist(Console(file=out, width=120, highlight=False))
    checklist(event)
    checklist(RunFinished("r", Status.SUCCESS, 1.0))
    assert shown in out.getvalue()
    assert STEERING.findall(out.getvalue()) == []


def test_the_progress_shows_the_name_of_a_file_as_text() -> None:
    tree = LiveTree(("a",), {})
    tree.started("a")
    tree.progressed(StepProgress("a", 1, 2, f"x{ESC}\u202e[red].csv"))
    out = io.StringIO()
    Console(file=out, width=120).print(tree)
    assert "[red].csv" in out.getvalue()
    assert STEERING.findall(out.getvalue()) == []


@pytest.mark.parametrize("format_", ["csv", "table", "json"])
def test_an_output_in_ascii_is_not_written_past_the_redaction(spec: Path, format_: str) -> None:
    """Click writes to the bytes below a stream in ASCII."""
    command = ["sql", spec, "SELECT 'the-secret' AS A, '\u017e' AS B", "--format", format_]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "SOME_TOKEN": "the-secret"}
    done = forked.command(*command, env=environment)
    assert done.returncode == 0
    text = done.stdout
    assert "the-secret" not in text
    assert "******" in text
    assert "\u017e" in text or "\\u017e" in text


def test_an_error_forges_no_line(spec: Path) -> None:
    done = invoke("sql", spec, "SELECT 'x\nsuccess in 0.0 s'::INT")
    assert done.exit_code == 1
    assert "success in 0.0 s" in done.output
    assert not any(line.startswith("success") for line in done.output.splitlines())


def test_a_file_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    """A lone surrogate represents a byte that is not UTF-8, and cannot be written to a terminal."""
    out = io.StringIO()
    Checklist(Console(file=out, width=120))(StepFinished("a", Status.SUCCESS, 1, 1.0, "x\udcff.csv"))
    assert "x\\udcff.csv" in out.getvalue()
