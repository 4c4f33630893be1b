"""Models of other frameworks, which are packaged, deployed, called and evaluated in the same way."""

from __future__ import annotations

import pickle
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError

SPEC = """
name: models
targets:
  local: {{type: local, path: .snowpipe}}
stages: {{model_stage: {{}}}}
packages:
  ml: [numpy, pandas, scikit-learn, scipy{more}]
steps:
  given:
    type: transform
    query: >-
      SELECT SEQ4() AS ID, SEQ4() / 10::FLOAT AS X, IFF(MOD(SEQ4(), 2) = 0, 'even', 'odd') AS KIND, MOD(SEQ4(), 7) AS N
      FROM TABLE(GENERATOR(ROWCOUNT => 60))
    writes: given
  package:
    type: package_model
    from: {source}
    framework: {framework}
    features: {{X: float, N: number}}
    target: Y
    problem_type: {problem}
    writes: "@model_stage/models/m/"
{extra}
  deploy: {{type: deploy_model, model: "@model_stage/models/m/", function: score, stage: model_stage, packages: ml}}
  predicted: {{type: predict, from: given, function: score, writes: predicted}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Run a pipeline with a model, and query its warehouse."""

    def go(source: str, framework: str, problem: str = "regression", extra: str = "", more: str = "") -> Any:
        text = SPEC.format(
            source=source,
            framework=framework,
            problem=problem,
            more=more,
            extra=textwrap.indent(extra, "    "),
        )
        (tmp_path / "spec.yaml").write_text(text)
        pipeline = Pipeline.from_yaml(tmp_path / "spec.yaml")
        result = pipeline.run()
        assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
        session = pipeline.session()
        try:
            return session.sql("SELECT X, N, PREDICTION FROM PREDICTED ORDER BY ID").to_pandas()
        finally:
            session.close()

    return go


def _training() -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.DataFrame({"X": np.arange(200) / 10, "N": np.arange(200) % 7})
    return frame, np.asarray(3 * frame["X"] - frame["N"])


def test_scikit_learn(run: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    frame, y = _training()
    model = Ridge().fit(frame, y)
    (tmp_path / "ridge.pkl").write_bytes(pickle.dumps(model))
    found = run("ridge.pkl", "sklearn")
    assert found["PREDICTION"].to_numpy() == pytest.approx(
        model.predict(found[["X", "N"]].astype({"N": "int64"})), abs=1e-9
    )


def test_lightgbm_with_classes(run: Any, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    frame, y = _training()
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(
        frame, np.where(y > 20, "high", "low")
    )
    (tmp_path / "lgbm.pkl").write_bytes(pickle.dumps(model))
    found = run("lgbm.pkl", "lightgbm", "binary", more=", lightgbm")
    assert list(found["PREDICTION"]) == list(model.predict(found[["X", "N"]].astype({"N": "int64"})))


def test_a_plain_class(run: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "slope.txt").write_text("3.5")
    (tmp_path / "model" / "mine.py").write_text(
        "class Line:\n"
        "    def __init__(self, folder):\n        self.slope = float((folder / 'slope.txt').read_text())\n"
        "    def predict(self, frame):\n        return frame['X'] * self.slope + frame['N']\n"
    )
    found = run("model", "python", extra="class: mine:Line")
    assert found["PREDICTION"].to_numpy() == pytest.approx(found["X"] * 3.5 + found["N"])
    with pytest.raises(SpecError, match=r"mine.py has no class 'Lime'; it has Line"):
        run("model", "python", extra="class: mine:Lime")


def test_a_model_needs_what_its_framework_imports(run: Any, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"")
    with pytest.raises(
        SpecError, match=r"the lightgbm framework imports lightgbm, which nothing provides: declare lightgbm"
    ):
        run("m.pkl", "lightgbm")


SCORED = """
name: scored
targets:
  local: {type: local, path: .snowpipe}
steps:
  given:
    type: transform
    query: >-
      SELECT $1 AS ID, $2 AS KIND, $3 AS ACTUAL, $4 AS PREDICTION
      FROM VALUES (1, 'a', 'cat', 'cat'), (2, 'a', 'cat', 'dog'), (3, 'a', 'dog', 'dog'), (4, 'b', 'cat', 'cat'), (5, 'b', 'dog', NULL)
    writes: given
  numbers:
    type: transform
    query: SELECT SEQ4() AS ID, MOD(SEQ4(), 50) AS K FROM TABLE(GENERATOR(ROWCOUNT => 1000))
    writes: numbers
  halves: {type: split, from: numbers, by: [K], test_fraction: 0.3, seed: 4, train: learnt, test: held_out}
  score: {type: evaluate, predictions: given, actual: ACTUAL, by: [KIND], problem_type: classification, writes: scores}
"""


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., Any]:
    def go(more: str = "") -> tuple[Any, Callable[[str], list[Any]]]:
        (tmp_path / "spec.yaml").write_text(SCORED + more)
        pipeline = Pipeline.from_yaml(tmp_path / "spec.yaml")
        result = pipeline.run()

        def ask(text: str) -> list[Any]:
            session = pipeline.session()
            try:
                return [tuple(row) for row in session.sql(text).collect()]
            finally:
                session.close()

        return result, ask

    return go


def test_split_keeps_rows_with_one_key_together(scored: Any) -> None:
    result, ask = scored()
    assert result.ok
    ((test, train, shared),) = ask(
        "SELECT (SELECT COUNT(DISTINCT K) FROM HELD_OUT), (SELECT COUNT(*) FROM LEARNT), "
        "(SELECT COUNT(*) FROM LEARNT JOIN HELD_OUT USING (K))"
    )
    assert (test, train, shared) == (15, 700, 0)
    before = ask("SELECT DISTINCT K FROM HELD_OUT ORDER BY K")
    scored()
    assert ask("SELECT DISTINCT K FROM HELD_OUT ORDER BY K") == before


def test_classes_are_scored_as_scikit_learn_does(scored: Any) -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    _, ask = scored()
    found = {
        row[0]: tuple(map(float, row[1:]))
        for row in ask("SELECT KIND, ROW_COUNT, ACCURACY, BALANCED_ACCURACY, F1_MACRO FROM SCORES")
    }
    actual, said = ["cat", "cat", "dog"], ["cat", "dog", "dog"]
    assert found["a"] == pytest.approx(
        (3, 2 / 3, balanced_accuracy_score(actual, said), f1_score(actual, said, average="macro"))
    )
    assert found["b"][:2] == (2, 0.5)


def test_rows_without_a_prediction_are_counted_apart(scored: Any) -> None:
    more = (
        '  partly: {type: transform, query: "SELECT $1 AS A, $2 AS P FROM VALUES (1, 1), (2, 3), (100, NULL)", writes: partly}\n'
        "  judged: {type: evaluate, predictions: partly, actual: A, prediction: P, writes: judged}\n"
    )
    result, ask = scored(more)
    assert "PARTLY: 1 rows without a prediction not scored" in result.steps["judged"].warnings
    assert [tuple(map(float, row)) for row in ask("SELECT ROW_COUNT, UNPREDICTED, MSE, R2 FROM JUDGED")] == [
        (2, 1, 0.5, -1)
    ]
    # A table must not mix metrics of different groupings.
    changed, _ = scored(more.replace("prediction: P,", "prediction: P, by: [A],"))
    assert "write to another table" in str(changed.steps["judged"].error)


def test_two_steps_may_not_score_into_one_table(scored: Any) -> None:
    with pytest.raises(SpecError, match="table SCORES is written by 'score' already"):
        scored("  again: {type: evaluate, predictions: given, actual: ACTUAL, writes: scores}\n")


def test_what_is_expected_and_is_not_so(scored: Any) -> None:
    checks = (
        "  check:\n    type: expect\n    table: given\n    not_null: [PREDICTION]\n    unique: [KIND]\n"
        "    accepted_values: {ACTUAL: [cat]}\n    ranges: {ID: [2, 4]}\n    predicate: ID <> 3 -- TURNOVER\n    max_rows: 4\n"
        "    failures: failed\n"
        "  after: {type: transform, query: SELECT 1 AS X, writes: after, needs: [check]}\n"
    )
    result, ask = scored(checks)
    step = result.steps["check"]
    assert not result.ok
    assert str(step.error) == step.message or "5 rows, at most 4 expected" in str(step.error)
    for text in (
        "not_null PREDICTION: 1 rows",
        "unique KIND: 5 rows",
        "accepted_values ACTUAL: 2 rows",
        "ranges ID: 2 rows",
        "predicate: 1 rows",
        "the rows are in FAILED",
    ):
        assert text in str(step.error)
    assert ask(
        "SELECT \"CHECK\", ID FROM FAILED WHERE \"CHECK\" IN ('predicate', 'not_null PREDICTION') ORDER BY 2"
    ) == [
        ("predicate", 3),
        ("not_null PREDICTION", 5),
    ]
    warned, _ = scored(checks.replace("max_rows: 4", "severity: warn"))
    assert warned.ok
    assert "5 of 5 checks fail" in warned.steps["check"].message
