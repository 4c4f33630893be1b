"""Tables and messages that are wider than the terminal stay readable."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.events import Event, RunFinished, RunStarted, Status, StepFinished, StepRetried
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.spec.loader import NO_RUN
from snowpipe_ml.ui.tables import print_table
from snowpipe_ml.ui.terminal import Checklist
from tests.conftest import write_spec

NAMES = [f"COLUMN_WITH_A_LONG_NAME_{number}" for number in range(24)]


def printed(width: int, names: list[str], rows: list[list[Any]], **options: Any) -> list[str]:
    console = Console(
        width=width, file=io.StringIO(), highlight=False, force_terminal=True, color_system=None
    )
    print_table(console, names, rows, **options)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_name_and_value_of_a_wide_table_is_whole(width: int) -> None:
    rows: list[list[Any]] = [[f"value-{row}-{column}" for column in range(len(NAMES))] for row in range(3)]
    rows[1][4], rows[2][5] = None, 123456.5
    lines = printed(width, NAMES, rows)
    text = "\n".join(lines)
    for name in NAMES:
        assert re.search(rf"\b{name}\b", text), f"{name} is not to be read"
    for value in (value for row in rows for value in row if isinstance(value, str)):
        assert re.search(rf"\b{value}\b", text), f"{value} is not to be read"
    assert text.count("NULL") == 1
    assert "123456" in text.replace(",", "")
    assert max(map(len, lines)) <= width


def test_values_stay_with_their_names() -> None:
    """The cells are in the order of the columns, row by row."""
    rows = [[f"value-{row}-{column}" for column in range(len(NAMES))] for row in range(2)]
    text = "\n".join(printed(100, NAMES, rows))
    places = [text.index(f"value-0-{column}") for column in range(len(NAMES))]
    assert places == sorted(places)
    for row in rows:
        assert all(text.count(value) == 1 for value in row if not value.endswith(("1", "2")))


def test_ids_and_times_are_not_broken() -> None:
    names = [
        "RUN_ID",
        "PIPELINE",
        "TARGET",
        "EVENT",
        "AT",
        "STEP",
        "STATUS",
        "ROW_COUNT",
        "SECONDS",
        "MESSAGE",
        "WRITTEN_BY",
    ]
    row = [
        "20261126T173126189-f4428b",
        "citibike",
        "local",
        "step_finished",
        "2026-11-26 17:31:29.025683",
        "train_stations",
        "success",
        1234567,
        12.5,
        "48 models",
        "snowpipe-ml 0.1.0",
    ]
    text = "\n".join(printed(100, names, [row]))
    for value in (*names, *(str(value) for value in row if isinstance(value, str))):
        assert value in text


def test_a_long_text_in_one_column_breaks_between_words() -> None:
    words = [f"word{number:03}" for number in range(80)]
    lines = printed(80, ["A", "TEXT"], [[1, " ".join(words)]])
    assert [word for word in words if not any(word in line for line in lines)] == []
    assert max(map(len, lines)) <= 80


def test_a_narrow_table_is_one_table() -> None:
    lines = printed(80, ["N", "NAME"], [[1, "one"], [22, "two"]])
    assert sum("NAME" in line for line in lines) == 1
    assert any(re.search(r"1\b.*\bone\b", line) for line in lines)


def test_no_rows_of_a_wide_table() -> None:
    text = "\n".join(printed(80, NAMES, []))
    assert all(name in text for name in NAMES)


def test_the_sql_command_prints_wide_rows_that_can_be_read(tmp_path: Path) -> None:
    """This also holds if the output is not a terminal."""
    spec = write_spec(tmp_path, "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: one}\n")
    columns = ", ".join(f"'value-{number}' AS {name}" for number, name in enumerate(NAMES))
    done = CliRunner().invoke(main, ["sql", str(spec), f"SELECT {columns}"])
    assert done.exit_code == 0, done.output
    for number, name in enumerate(NAMES):
        assert re.search(rf"\b{name}\b", done.output), done.output[:300]
        assert re.search(rf"\bvalue-{number}\b", done.output)


RUN = RunInfo("20260101T000000000-abcdef", NO_RUN.started_at, "MODEL", NO_RUN.date)
WORDS = [f"reason{number:02}" for number in range(30)]
LONG = " ".join(WORDS)


def shown(event: Event, *, terminal: bool = True, width: int = 120) -> list[str]:
    """The checklist's output for an event, without colors, and with the summary if the event ended a step."""
    stream = io.StringIO()
    console = Console(width=width, file=stream, force_terminal=terminal, color_system=None)
    checklist = Checklist(console)
    checklist(RunStarted(RUN.id, "demo", "local", RUN.started_at, ("train", "a_step_with_a_longer_name")))
    before = len(stream.getvalue())
    checklist(event)
    checklist(RunFinished(RUN.id, Status.FAILED, 1.0))
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in stream.getvalue()[before:].splitlines()][
        :-1
    ]


EVENTS = {
    "success": StepFinished("train", Status.SUCCESS, 1000, 2.5, LONG),
    "without rows": StepFinished("train", Status.SUCCESS, None, 2.5, LONG),
    "reused": StepFinished("train", Status.REUSED, None, 0.0, LONG),
    "omitted": StepFinished("train", Status.OMITTED, None, 0.0, LONG),
    "skipped": StepFinished("train", Status.SKIPPED, None, 0.0, LONG),
    "failed": StepFinished("train", Status.FAILED, None, 2.5, LONG, error=ValueError(LONG)),
    "warning": StepFinished("train", Status.SUCCESS, 1000, 2.5, "", (LONG,)),
    "retried": StepRetried("train", 1, 2.0, LONG),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", EVENTS)
def test_a_long_message_is_wrapped_in_its_column(name: str, width: int) -> None:
    lines = shown(EVENTS[name], width=width)
    assert max(map(len, lines)) <= width
    for word in WORDS:
        assert any(re.search(rf"\b{word}\b", line) for line in lines), f"{word} is broken"
    # A continuation line is indented to the start of the message.
    begins = next(number for number, line in enumerate(lines) if WORDS[0] in line)
    column = lines[begins].index(WORDS[0])
    further = [line for line in lines[begins + 1 :] if any(word in line for word in WORDS)]
    assert further
    for line in further:
        assert len(line) - len(line.lstrip()) == column


def test_the_lines_of_a_message_are_in_its_column_too() -> None:
    event = StepFinished(
        "train", Status.FAILED, None, 1.0, "compilation error:\ninvalid identifier 'X'", error=ValueError()
    )
    lines = shown(event)
    (first,) = [line for line in lines if "compilation error:" in line]
    (second,) = [line for line in lines if "invalid identifier" in line]
    assert second.index("invalid identifier") == first.index("compilation error:")


def test_a_name_longer_than_the_line_is_not_lost() -> None:
    path = "/" + "/".join(f"folder{number}" for number in range(30)) + "/file.csv"
    text = "".join(
        line.strip()
        for line in shown(StepFinished("train", Status.FAILED, None, 1.0, f"{path}:1: no such column"))
    )
    assert path in text.replace(" ", "")


def test_elsewhere_than_on_a_terminal_a_message_is_one_line() -> None:
    """One line suits grep and the logs of schedulers."""
    lines = shown(EVENTS["success"], terminal=False)
    assert [line for line in lines if LONG in line]
