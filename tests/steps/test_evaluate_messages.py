"""Messages of evaluate_forecasts and leaderboard say what they measure, and never contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from tests.conftest import write_spec

# Noise around a level that rises once. One day ahead, ridge is near the level, and the value of a week ago is
# twice as far off; over two weeks, ridge drifts to the mean of both levels.
SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas]}
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 6) AS K, DATEADD(day, FLOOR(SEQ4() / 6), '2023-01-01'::DATE) AS AT,
      IFF(SEQ4() < 360, 100, 160) + 40 * (SIN(SEQ4()) * 43758.5453 - FLOOR(SIN(SEQ4()) * 43758.5453)) AS N
      FROM TABLE(GENERATOR(ROWCOUNT => 720))
    writes: events
  features: {type: features, from: events, partition_by: K, timestamp: AT, value: N, target: TOTAL, lags: [1],
             min_history: 30, writes: features}
  future: {type: future_features, features: features, horizon: 14, writes: future}
  deploy: {type: deploy_forecaster, function: f, features: features, model: {type: ridge}, BACKTEST stage: s, packages: p}
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts}
  evaluate: {type: evaluate_forecasts, forecasts: forecasts, season: 7, writes: metrics}
"""
BOARD = "  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}\n"
BACKTEST = "backtest: {origins: 3, horizon: 14},"


@pytest.fixture(scope="module")
def backtested(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    text = SPEC.replace("BACKTEST", BACKTEST) + BOARD
    result = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("backtested"), text)).run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    return result


def said(result: RunResult) -> Iterator[str]:
    """The messages and warnings of the two steps, one by one."""
    for name in ("evaluate", "board"):
        if name in result.steps:
            yield result.steps[name].message
            yield from result.steps[name].warnings


def claims(texts: Iterator[str], word: str) -> list[tuple[int, int, str]]:
    """The (series, total, text) of each claim that something is better or worse."""
    found = []
    for text in texts:
        for part in re.split(r"[;.]\s", text):
            if match := re.search(rf"\b{word}\b.*?\b(\d+) of (\d+)\b", part):
                found.append((int(match[1]), int(match[2]), text))
    return found


def test_no_series_is_said_to_be_better_and_worse(backtested: RunResult) -> None:
    better, worse = claims(said(backtested), "better"), claims(said(backtested), "worse")
    assert better or worse
    for series, total, text in better:
        for others, _, other_text in worse:
            assert series + others <= total, (text, other_text)


def test_a_claim_says_how_far_ahead_and_against_what(backtested: RunResult) -> None:
    found = claims(said(backtested), "better") + claims(said(backtested), "worse")
    assert found
    for _, _, text in found:
        assert re.search(r"ahead|horizon", text), text
        assert re.search(r"naive|moving.average", text), text


@pytest.mark.slow
def test_without_a_backtest_the_comparison_names_what_each_side_knew(tmp_path: Path) -> None:
    result = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace("BACKTEST", ""))).run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    for _, _, text in claims(said(result), "better") + claims(said(result), "worse"):
        assert re.search(r"\b(one|a|1) day ahead\b", text), text
        assert re.search(r"\b7 days|seven days|a week\b", text), text  # the definition of the baseline
        assert re.search(r"\b(true|actual|observed|known)\b", text), text  # the source of the model's lags
