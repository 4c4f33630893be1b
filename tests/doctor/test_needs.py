"""The privileges that are derived from a spec cover the statements that a run of it sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.doctor.needs import needs
from tests.conftest import CITIBIKE, ROOT

_CREATE = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:TEMPORARY )?"
    r"(TABLE|VIEW|STAGE|FILE FORMAT|FUNCTION|PROCEDURE|TAG|WAREHOUSE|ROLE|DATABASE|SCHEMA) "
    r"(?:IF NOT EXISTS )?([\w.\"]+)",
    re.M,
)


@pytest.mark.parametrize(
    ("spec", "golden", "state"),
    [
        (CITIBIKE, "citibike_prod.sql", "CITIBIKE.SNOWPIPE_ML"),
        (ROOT / "pipelines" / "insurance_autogluon.yaml", "insurance_prod.sql", "INSURANCE.SNOWPIPE_ML"),
    ],
)
def test_every_statement_that_creates_is_covered(spec: Path, golden: str, state: str) -> None:
    loaded, graph, ctx = Pipeline.from_yaml(spec).load("prod")
    own = f"{loaded.target.database}.{loaded.target.schema_}"
    have = {(need.privilege, str(need.name or "")) for need in needs(loaded, graph, ctx)}
    sent = _CREATE.findall((ROOT / "tests" / "golden" / golden).read_text(encoding="utf-8"))
    assert len(sent) > 5
    for kind, name in sent:
        if kind == "SCHEMA":  # the administrator's script creates both
            assert name in (state, str(loaded.target.schema_))
        elif kind in ("WAREHOUSE", "ROLE", "DATABASE"):
            assert (f"CREATE {kind}", "") in have
        else:
            place = state if name.startswith(state) else own
            assert (f"CREATE {kind}", place) in have, (kind, name)


def test_grants_on_schemas_and_databases_need_the_grant_option() -> None:
    loaded, graph, ctx = Pipeline.from_yaml(CITIBIKE).load("prod")
    given = {(need.privilege, need.kind, str(need.name)) for need in needs(loaded, graph, ctx) if need.option}
    assert given == {("USAGE", "DATABASE", "CITIBIKE"), ("USAGE", "SCHEMA", "CITIBIKE.ML")}
