from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowpipe_ml.errors import SpecError
from snowpipe_ml.spec.document import parse_document

TEXT = """\
name: demo          # a comment
steps:
  load:
    type: copy_into
    files: [a, b]
    when: no
    day: 2024-01-01
    ratio: 1e-3
"""


def test_positions_of_values_and_keys() -> None:
    document = parse_document(TEXT, "demo.yaml")
    assert str(document.position(("steps", "load", "type"))) == "demo.yaml:4:11"
    assert str(document.position(("steps", "load", "type"), key=True)) == "demo.yaml:4:5"
    assert str(document.position(("steps", "load", "files", 1))) == "demo.yaml:5:16"
    # A value that is missing from the text has the position of its parent.
    assert str(document.position(("steps", "load", "nope", "deeper"))) == "demo.yaml:4:5"


def test_yaml_1_1_surprises_are_text() -> None:
    value = parse_document(TEXT).value["steps"]["load"]
    assert value["when"] == "no"
    assert value["day"] == "2024-01-01"
    assert value["ratio"] == 0.001


def test_duplicate_keys_are_all_reported() -> None:
    with pytest.raises(SpecError) as caught:
        parse_document("a: 1\nb: {x: 1, x: 2}\na: 2\n", "f.yaml")
    assert [str(p.position) for p in caught.value.problems] == ["f.yaml:2:11", "f.yaml:3:1"]
    assert "already on line 1" in str(caught.value)


def test_merge_conflict_markers_are_named() -> None:
    with pytest.raises(SpecError, match=r"f.yaml:2:1: a merge conflict"):
        parse_document("a: 1\n<<<<<<< HEAD\nb: 2\n", "f.yaml")


def test_syntax_error_points_at_the_place() -> None:
    with pytest.raises(SpecError) as caught:
        parse_document("a: [1, 2\nb: 3\n", "f.yaml")
    (problem,) = caught.value.problems
    assert problem.position.line == 2
    assert "^" in str(problem)


def test_merge_keys_and_anchors() -> None:
    value = parse_document("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n").value
    assert value["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("text", ["", "!!python/object:os.system {}", "? [a]\n: b\n", "a: !!binary x"])
def test_refuses(text: str) -> None:
    with pytest.raises(SpecError):
        parse_document(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=" \n\t:-[]{}&*!|>'\"%@`,#?abc01<=\x85\u2028\x00", max_size=60))
def test_any_text_is_a_document_or_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        parse_document(text)
