"""The second reference pipeline: a function with AutoGluon from staged wheels."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import REAL, ROOT
from tests.recorder import Counted, is_dml

FEATURES = ["AGE", "SEX", "BMI", "CHILDREN", "SMOKER", "REGION"]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the pipeline, with its own warehouse."""
    folder = tmp_path_factory.mktemp("insurance")
    shutil.copytree(ROOT / "pipelines" / "insurance", folder / "insurance")
    for name in ("insurance_autogluon.yaml", "insurance_autogluon.lock.yaml"):
        shutil.copy(ROOT / "pipelines" / name, folder / name)
    return folder / "insurance_autogluon.yaml"


def counting(spec: Path) -> tuple[Pipeline, Counted]:
    """The pipeline, with the real table if it is available, and what counts the statements of its runs."""
    real = REAL / "insurance" / "insurance.csv"
    pipeline = Pipeline.from_yaml(spec, vars={"charges": str(real)} if real.is_file() else {})
    target = pipeline.load()[0].target
    return pipeline, Counted(spec.parent / target.path, target.database.name, target.schema_.name)


@pytest.fixture(scope="module")
def first(spec: Path) -> list[str]:
    """The statements of a first run."""
    pipeline, counted = counting(spec)
    result = pipeline.run(session_factory=counted.open)
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    return counted.taken()


@pytest.fixture(scope="module")
def session(spec: Path, first: list[str]) -> Iterator[Any]:
    """A Session on the warehouse after the first run."""
    session = Pipeline.from_yaml(spec).session()
    yield session
    session.close()


def edited(spec: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy of the spec in a new folder, with some sections replaced."""
    shutil.copytree(spec.parent / "insurance", tmp_path / "insurance")
    shutil.copy(spec.with_name("insurance_autogluon.lock.yaml"), tmp_path / "insurance_autogluon.lock.yaml")
    document = yaml.safe_load(spec.read_text())
    for path, value in changes.items():
        *sections, last = path.split("__")
        place = document
        for section in sections:
            place = place[section]
        if value is None:
            del place[last]
        else:
            place[last] = value
    (tmp_path / spec.name).write_text(yaml.safe_dump(document, sort_keys=False))
    return tmp_path / spec.name


def test_predictions_in_the_function_are_those_of_the_client(session: Any, tmp_path: Path) -> None:
    from autogluon.tabular import TabularPredictor

    from snowpipe_ml.models.tabular.archive import unpack

    session.file.get("@model_stage/models/charges/manifest.json", str(tmp_path))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    session.file.get(f"@model_stage/models/charges/{manifest['archive']}", str(tmp_path))
    folder, _ = unpack(tmp_path / manifest["archive"], manifest["sha256"], tmp_path / "model")
    rows = session.sql(f"SELECT {', '.join(FEATURES)}, PREDICTION FROM INSURANCE_PREDICTIONS").to_pandas()
    frame = rows[FEATURES].astype({"AGE": "int64", "CHILDREN": "int64"})
    expected = TabularPredictor.load(str(folder), verbosity=0).predict(frame)
    assert len(rows) == pytest.approx(268, abs=2)
    pd.testing.assert_series_equal(
        rows["PREDICTION"], expected, check_names=False, check_dtype=False, rtol=0, atol=1e-6
    )


def test_a_first_run_sends_at_most_200_statements(first: list[str]) -> None:
    assert len(first) <= 200


def test_an_unchanged_run_sends_few_statements_and_writes_nothing(session: Any, spec: Path) -> None:
    pipeline, counted = counting(spec)
    result = pipeline.run(session_factory=counted.open)
    assert {step.status for step in result.steps.values()} == {"reused"}
    sent = counted.taken()
    assert len(sent) <= 12, sent
    assert not [statement for statement in sent if is_dml(statement)]


def test_the_model_is_worth_having(session: Any) -> None:
    ((ratio,),) = session.sql("SELECT RMSE / ACTUAL_STDDEV FROM INSURANCE_METRICS").collect()
    assert ratio <= 0.42
    models = {row[0] for row in session.sql("SELECT MODEL FROM INSURANCE_LEADERBOARD").collect()}
    assert {"RandomForest", "ExtraTrees"} <= models
    assert session.sql("SELECT COUNT(*) FROM INSURANCE_METRICS_BY_SMOKER").collect()[0][0] == 2
    train, test, both = session.sql(
        "SELECT (SELECT COUNT(*) FROM INSURANCE_TRAIN), (SELECT COUNT(*) FROM INSURANCE_TEST), "
        "(SELECT COUNT(*) FROM (SELECT * FROM INSURANCE_TRAIN INTERSECT SELECT * FROM INSURANCE_TEST))"
    ).collect()[0]
    assert (train + test, both) == (session.table("INSURANCE").count(), 0)


def test_one_row_through_sql_and_through_a_dataframe(session: Any) -> None:
    from snowflake.snowpark.functions import call_udf, lit

    row = (19, "female", 27.9, 0, "yes", "southwest")
    ((typed, array),) = session.sql(
        "SELECT PREDICT_CHARGES(19, 'female', 27.9, 0, 'yes', 'southwest'), "
        "PREDICT_CHARGES(ARRAY_CONSTRUCT(19, 'female', 27.9, 0, 'yes', 'southwest'))"
    ).collect()
    frame = session.create_dataframe([[1]], schema=["ID"])
    ((called,),) = frame.select(call_udf("PREDICT_CHARGES", *map(lit, row))).collect()
    assert isinstance(typed, float)
    assert typed == array == called


def test_the_worker_has_what_is_declared_and_staged_and_no_more(session: Any) -> None:
    described = dict(
        tuple(row)[:2] for row in session.sql("DESCRIBE FUNCTION PREDICT_CHARGES(ARRAY)").collect()
    )
    assert "autogluon" not in described["packages"]
    assert "autogluon_tabular" in described["imports"]
    body = "$$\ndef h(name):\n    import importlib\n    return importlib.import_module(name).__name__\n$$"
    session.sql(
        "CREATE OR REPLACE FUNCTION IMPORTS(N VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        f"PACKAGES = ('pandas') HANDLER = 'h' AS {body}"
    ).collect()
    for name in ("autogluon.tabular", "sklearn"):
        with pytest.raises(Exception, match="ModuleNotFoundError"):
            session.sql(f"SELECT IMPORTS('{name}')").collect()


def test_a_model_of_other_versions_is_refused_at_deploy(session: Any, spec: Path, tmp_path: Path) -> None:
    from snowpipe_ml.engine.pipeline import Pipeline as Engine

    session.file.get("@model_stage/models/charges/manifest.json", str(tmp_path))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["versions"] = {**manifest["versions"], "numpy": "1.26.4", "autogluon.tabular": "1.4.0"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    _, graph, ctx = Engine.from_yaml(spec).load()
    from snowpipe_ml.errors import StepError
    from snowpipe_ml.plugins import RunContext, RunInfo

    step = graph.nodes["deploy_charges"].step
    run = RunContext(
        **{f: getattr(ctx, f) for f in ctx.__dataclass_fields__},
        opened=session,
        run=RunInfo("R", pd.Timestamp("2024-01-01"), "M", date(2024, 1, 1)),
    )
    session.file.put(str(tmp_path / "manifest.json"), "@model_stage/other/charges/", auto_compress=False)
    step.settings = step.settings.model_copy(
        update={"model": type(step.settings.model).parse("@model_stage/other/charges/")}
    )
    with pytest.raises(StepError, match=r"numpy 1\.26\.4 and 2\.") as raised:
        step._check_versions(run, manifest)
    assert "autogluon.tabular 1.4.0 and 1.6.3" in str(raised.value)


def test_a_package_that_is_no_longer_declared(spec: Path, tmp_path: Path) -> None:
    packages = [p for p in yaml.safe_load(spec.read_text())["packages"]["automl"] if p != "boto3"]
    with pytest.raises(SpecError) as raised:
        Pipeline.from_yaml(edited(spec, tmp_path, packages__automl=packages)).validate()
    assert "boto3 is not declared under `packages.automl`" in str(raised.value)
    assert "autogluon-tabular -> autogluon-core -> boto3" in str(raised.value)
    assert re.search(r"insurance_autogluon.yaml:\d+:3: autogluon:", str(raised.value))


def test_a_distribution_that_is_no_longer_locked(spec: Path, tmp_path: Path) -> None:
    path = edited(spec, tmp_path)
    lock = path.with_name("insurance_autogluon.lock.yaml")
    document = yaml.safe_load(lock.read_text())
    del document["imports"]["autogluon"]["distributions"]["autogluon-features"]
    lock.write_text(yaml.safe_dump(document))
    with pytest.raises(
        SpecError,
        match=r"autogluon-features is neither locked nor declared.*autogluon-tabular -> autogluon-features",
    ):
        Pipeline.from_yaml(path).plan()
    lock.unlink()
    with pytest.raises(SpecError, match="not locked: run 'snowpipe-ml packages SPEC --lock'"):
        Pipeline.from_yaml(path).plan()


def test_a_module_that_nothing_provides(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.py").write_text(
        "import numpy\nimport shapely.geometry\n\nclass Mine:\n    pass\n"
    )
    package = {
        "type": "package_model",
        "from": "model",
        "framework": "python",
        "class": "mine:Mine",
        "target": "CHARGES",
        "features": {"AGE": "number"},
        "writes": "@model_stage/models/charges/",
    }
    path = edited(spec, tmp_path, steps__package_charges=package)
    with pytest.raises(
        SpecError, match=r"mine.py:2 imports shapely.geometry, which nothing provides: declare shapely"
    ):
        Pipeline.from_yaml(path).plan()


def prod_plan(spec: Path) -> str:
    """The statements that would be sent to Snowflake, one per line."""
    lines = []
    for step in Pipeline.from_yaml(spec).plan("prod"):
        lines.append(f"-- {step.name}: {step.plan.summary}")
        lines += [f"{statement};" for statement in step.plan.statements]
    text = "\n".join(lines) + "\n"
    text = re.sub(r"MODEL_\d{8}T\d{9}", "MODEL_ID", text)
    return re.sub(r"(?<=functions/)([a-z_]+)/[0-9a-f]{16}(?=/)", r"\1/DIGEST", text)


def test_the_plan_for_snowflake(spec: Path, golden: Callable[[str, str], None]) -> None:
    golden("insurance_prod.sql", prod_plan(spec))


def artifact_form(spec: Path, tmp_path: Path) -> Path:
    """The same pipeline, with packages from an artifact repository instead of wheels."""
    packages = {
        "artifact_repository": "snowflake.snowpark.pypi_shared_repository",
        "packages": ["autogluon.tabular==1.6.3", "pandas==2.*"],
    }
    return edited(
        spec,
        tmp_path,
        packages__automl=packages,
        imports=None,
        steps__train_charges__imports=None,
        steps__deploy_charges__imports=None,
    )


def test_the_plan_with_an_artifact_repository(
    spec: Path, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    text = prod_plan(artifact_form(spec, tmp_path))
    golden("insurance_prod_artifact_repository.sql", text)
    assert "ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.PYPI_SHARED_REPOSITORY" in text


def test_the_channel_and_an_artifact_repository_do_not_mix(spec: Path, tmp_path: Path) -> None:
    packages = {"artifact_repository": "snowflake.snowpark.pypi_shared_repository", "packages": ["numpy"]}
    path = edited(spec, tmp_path, packages__repository=packages, steps__deploy_charges__packages="repository")
    with pytest.raises(SpecError, match="a function can use only one of them"):
        Pipeline.from_yaml(path).validate()
