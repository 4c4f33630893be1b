"""Hostile names and values are refused, or reach SQL only as identifiers or literals."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.tokens import TokenType

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.spec.document import parse_document
from tests.spec.mutations import dump

SPEC = """\
name: hostile
targets: {prod: {type: snowflake, connection: nobody, database: D, schema: S}}
vars: {text: x, name: x}
warehouses: {wh: {comment: x}}
roles: {reader: {comment: x}}
grants: {reader: {table t1: [select], warehouse wh: [usage]}}
stages: {st: {comment: x}}
file_formats: {ff: {field_delimiter: ",", null_if: [x]}}
packages: {p: [numpy, pandas]}
tags: {tg: {comment: x, value: x}}
tables: {t0: {comment: x, columns: {A: varchar}}}
steps:
  load: {type: copy_into, from: "@st/in/", into: t0, file_format: ff}
  one: {type: transform, query: "SELECT {{ vars.text | literal }} AS X, 1 AS {{ vars.name | identifier }}", writes: t1}
  copy: {type: snapshot, table: t1, into: t2}
  parts: {type: split, from: t1, by: [X], train: t3, test: t4}
  seen:
    type: expect
    table: t1
    not_null: [X]
    unique: [X]
    accepted_values: {X: [x]}
    relations: {X: {table: t2, column: X}}
    predicate: X <> {{ vars.text | literal }}
    failures: bad
  fan: {type: transform, foreach: [x], query: "SELECT {{ item | literal }} AS X", writes: "fan_{{ vars.name }}"}
  feats:
    type: features
    from: t1
    partition_by: X
    timestamp: AT
    value: N
    target: TOTAL
    rolling: {mean: [7]}
    holidays: {table: days, on: D1, days_after: 1}
    exogenous: [{table: t2, columns: [DEGREES], on: D1, future: {table: t3}}]
    writes: feats
    left_out: rest
  coming: {type: future_features, features: feats, writes: coming}
  deploy: {type: deploy_forecaster, function: f, features: feats, model: {type: ridge}, backtest: {}, stage: st, packages: p}
  train: {type: train_forecasters, function: f, features: feats, future: coming, writes: forecasts}
  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: by_series}
  drawn: {type: plot, forecasts: forecasts, leaderboard: board, series: [x], into: "@st/plots/"}
  scored: {type: evaluate, predictions: t1, actual: X, prediction: X, by: [X], writes: scores}
  days: {type: holidays, country: US, first_year: 2020, last_year: 2021, writes: days}
"""

MARKS = (
    "'",
    '"',
    ";",
    "--",
    "/*",
    "*/",
    "$$",
    "\\",
    "`",
    "\n",
    "\t",
    "{{ 1 }}",
    "#",
    "@",
    "%",
    "\u2019",
    "\uff07",
    "\u02bc",
    "\u201d",
    "\uff1b",
    "\u037e",
    "\u2013\u2013",
    "\u00a0",
    "\u200b",
    "\u202e",
    "\u0430",
    "É",
    "😀",
    "\x7f",
    "?",
    ":1",
    "..",
)
PHRASES = (
    "x{}y",
    "{}",
    "x{} DROP TABLE T{}",
    "x'{}; SELECT 1 --",
    'x"{} UNION SELECT 1',
    "x) {}",
    '"x{}y"',
    "'x{}y'",
)
HOSTILE = [phrase.format(*[mark] * phrase.count("{}")) for mark, phrase in itertools.product(MARKS, PHRASES)]
_ALIKE = {
    TokenType.VAR: "name",
    TokenType.IDENTIFIER: "name",
    TokenType.STRING: "literal",
    TokenType.NUMBER: "literal",
}


def skeleton(text: str) -> list[str]:
    """The kinds of a statement's tokens; a qualified name is one token."""
    kinds: list[str] = []
    for token in Snowflake().tokenize(text):
        kind = _ALIKE.get(token.token_type, token.token_type.name)
        if kind == "name" and kinds[-2:] == ["name", "DOT"]:
            kinds.pop()
            continue
        kinds.append(kind)
    return kinds


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """(path, whether the key is meant) of all texts that the author of a spec chooses."""
    if path[:1] in (("name",), ("targets",)) or path[-1:] in (
        ("type",),
        ("query",),
        ("predicate",),
        ("country",),
    ):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if (len(path) in (1, 3) and path[:1] != ("steps",)) or path[-1:] in (
                ("columns",),
                ("accepted_values",),
                ("relations",),
            ):
                yield (*path, key), True
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, str):
        yield path, False


def with_text(value: Any, path: tuple[Any, ...], text: str, *, key: bool) -> Any:
    """The spec with a text put at a path."""
    changed = copy.deepcopy(value)
    parent = changed
    for part in path[:-1]:
        parent = parent[part]
    if key:
        items = [(text if k == path[-1] else k, item) for k, item in parent.items()]
        parent.clear()
        parent.update(items)
    else:
        parent[path[-1]] = text
    return changed


def planned(value: Any, folder: Path) -> list[str] | None:
    """The statements of a spec's plan; None if the spec is refused."""
    path = folder / "spec.yaml"
    path.write_text(dump(value), encoding="utf-8")
    try:
        return [
            str(statement) for step in Pipeline.from_yaml(path).plan() for statement in step.plan.statements
        ]
    except SnowpipeMLError:
        return None


BASE = parse_document(SPEC).value
PLACES = list(places(BASE))


def test_there_are_two_hundred_and_many_places() -> None:
    assert len(set(HOSTILE)) >= 200
    assert len(PLACES) >= 75


@pytest.fixture(scope="module")
def bones(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The kinds of the tokens of each statement of the plan as it is without hostile texts."""
    expected = planned(BASE, tmp_path_factory.mktemp("base"))
    assert expected
    return [skeleton(text) for text in expected]


@pytest.mark.parametrize(
    ("path", "key"), PLACES, ids=[".".join(map(str, path)) + ("#" if key else "") for path, key in PLACES]
)
@pytest.mark.parametrize("share", [29, pytest.param(1, marks=pytest.mark.stress)])
def test_nothing_but_names_and_literals_reaches_sql(
    tmp_path: Path, bones: list[list[str]], path: tuple[Any, ...], key: bool, share: int
) -> None:
    # A text that is a valid name in one place may be invalid in another, so each place gets a share of all
    # texts. The share has no factor in common with the number of phrases, and is at most that of all texts
    # to the phrases, so each place gets every phrase. Each text gets two or three places.
    offset = PLACES.index((path, key))
    texts = HOSTILE[offset % share :: share]
    assert len(texts) >= len(PHRASES)
    for text in texts:
        found = planned(with_text(BASE, path, text, key=key), tmp_path)
        if found is not None:
            assert [skeleton(statement) for statement in found] == bones, text
