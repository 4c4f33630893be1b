"""The states of approximate aggregates are near the exact results, and merging them loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snowpipe_ml.local.core import sketches
from snowpipe_ml.local.core.calls import CalledError

Query = Callable[..., list[tuple[Any, ...]]]


def test_hyperloglog_counts_within_its_error(query: Query) -> None:
    rows = "TABLE(GENERATOR(ROWCOUNT => 50000))"
    ((found, merged),) = query(
        "SELECT a, b FROM "
        f"(SELECT HLL_ESTIMATE(HLL_ACCUMULATE(n)) AS a FROM (SELECT SEQ4() AS n FROM {rows})), "
        "(SELECT HLL_ESTIMATE(HLL_COMBINE(s)) AS b FROM (SELECT MOD(n, 10), HLL_ACCUMULATE(n) AS s "
        f"FROM (SELECT SEQ4() AS n FROM {rows}) GROUP BY 1))"
    )
    assert found == merged
    assert abs(found - 50_000) < 0.07 * 50_000


def test_percentiles_of_many_values_are_near_the_exact_ones() -> None:
    values = np.random.default_rng(1).exponential(size=60_000)
    whole = sketches.percentile_accumulate(values.tolist())
    parts = [sketches.percentile_accumulate(part.tolist()) for part in np.array_split(values, 7)]
    for state in (whole, sketches.percentile_combine(parts)):
        for fraction in (0, 0.001, 0.25, 0.5, 0.99, 1):
            exact = np.quantile(values, fraction)
            assert abs(sketches.percentile_estimate(state, fraction) - exact) < 0.01 * (1 + exact)


def test_similarity_is_near_the_share_of_common_values(query: Query) -> None:
    query("CREATE TABLE a AS SELECT MINHASH(1024, SEQ4()) AS m FROM TABLE(GENERATOR(ROWCOUNT => 1000))")
    query("CREATE TABLE b AS SELECT MINHASH(1024, SEQ4()) AS m FROM TABLE(GENERATOR(ROWCOUNT => 750))")
    ((found,),) = query("SELECT APPROXIMATE_SIMILARITY(m) FROM (SELECT m FROM a UNION ALL SELECT m FROM b)")
    assert abs(found - 0.75) < 0.06


def test_a_state_of_another_kind_is_refused() -> None:
    state = sketches.minhash([1, 2], 4)
    with pytest.raises(CalledError, match="is no state of a t-digest"):
        sketches.percentile_estimate(state, 0.5)
    with pytest.raises(CalledError, match="is no state of frequent values"):
        sketches.top_k_estimate(state, 1)
