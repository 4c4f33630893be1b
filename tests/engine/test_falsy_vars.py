"""A falsy variable is false wherever it is evaluated, and its negation is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.options import read_variables
from snowpipe_ml.errors import SnowpipeMLError
from tests.conftest import write_spec

STEPS = """\
steps:
  plain: {type: transform, when: "{{ SWITCH }}", query: SELECT 1 AS X, writes: plain}
  opposite: {type: transform, when: "{{ not SWITCH }}", query: SELECT 1 AS X, writes: opposite}
"""
OFF = ["off", "Off", "OFF", "no", "No", "'off'", "'no'", "'false'", "'False'", "'0'", "n", "f"]
ON = ["on", "yes", "'on'", "'true'", "'1'", "y", "t"]


def ended(path: Path, **variables: Any) -> dict[str, str] | str:
    """The status of each step, or the error message if the spec is refused."""
    try:
        result = Pipeline.from_yaml(path, vars=variables).run()
    except SnowpipeMLError as error:
        return str(error)
    return {name: step.status.value for name, step in result.steps.items()}


def is_switched(found: dict[str, str] | str, text: str, *, on: bool) -> None:
    """Exactly the right one of two opposite conditions is met, or the variable is refused by name."""
    if isinstance(found, str):
        assert text.strip("'") in found
        return
    assert found == {"plain": "success" if on else "omitted", "opposite": "omitted" if on else "success"}


@pytest.mark.parametrize(("text", "on"), [(text, False) for text in OFF] + [(text, True) for text in ON])
def test_of_two_opposite_conditions_one_is_met(tmp_path: Path, text: str, on: bool) -> None:
    path = write_spec(tmp_path, f"vars: {{x: {text}}}\n{STEPS.replace('SWITCH', 'vars.x')}")
    is_switched(ended(path), text, on=on)


@pytest.mark.parametrize("text", ["false", "off", "0", "true"])
def test_of_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SWITCH_FOR_TESTS", text)
    path = write_spec(tmp_path, STEPS.replace("SWITCH", "env.SWITCH_FOR_TESTS"))
    is_switched(ended(path), text, on=text == "true")


@pytest.mark.parametrize("text", ["off", "no", "false", "on", "'off'"])
def test_a_variable_of_the_command_line_means_what_it_means_in_the_file(tmp_path: Path, text: str) -> None:
    steps = STEPS.replace("SWITCH", "vars.x")
    in_file = ended(write_spec(tmp_path / "file", f"vars: {{x: {text}}}\n{steps}"))
    path = write_spec(tmp_path / "line", f"vars: {{x: true}}\n{steps}")
    try:
        on_line = ended(path, **read_variables(None, None, (f"x={text}",)))
    except click.BadParameter as error:
        on_line = str(error)
    assert isinstance(in_file, str) == isinstance(on_line, str)
    if not isinstance(in_file, str):
        assert in_file == on_line


def test_a_choice_by_a_switch_that_is_off(tmp_path: Path) -> None:
    steps = (
        "steps:\n  one: {type: transform, query: \"SELECT {{ ('yes' if vars.x else 'no') | literal }} AS A, "
        "{% if vars.x %}'yes'{% else %}'no'{% endif %} AS B\", writes: one}\n"
    )
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, f"vars: {{x: off}}\n{steps}"))
    with pytest.raises(SnowpipeMLError, match="'off' can be a boolean or text"):
        pipeline.run()


@pytest.mark.parametrize("value", ["'false'", "'off'", "'no'", "'0'"])
def test_a_query_whose_value_is_the_text_false_is_not_met(tmp_path: Path, value: str) -> None:
    steps = f'steps:\n  one: {{type: transform, when: {{query: "SELECT {value} AS X"}}, query: SELECT 1 AS X, writes: one}}\n'
    found = ended(write_spec(tmp_path, steps))
    assert isinstance(found, str) or found["one"] != "success"
