"""The drift of columns as a query: the population stability index of the last periods against those before."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.periods import Periods

_BINS = 10
# Added to the count of each bin, so that an empty one has a finite logarithm.
_PRIOR = 0.5


def drift_query(features: QualifiedName, columns: Sequence[Identifier], periods: Periods, recent: int) -> Sql:
    """Return a query of FEATURE, PSI, and the numbers of values before and lately.

    The index is the sum over ten bins of (r - b) ln(r / b), where b and r are the shares of the values before and
    lately that are in the bin; the bins are tenths of the values before.

    Args:
        features: the table of features.
        columns: the columns to compare.
        periods: the periods of the table.
        recent: the number of last periods.
    """
    since = periods.plus(Sql("L.LAST_DAY"), Literal(-recent))
    values = [
        sql(
            "SELECT {name} AS FEATURE, {column}::FLOAT AS V, DATE > {since} AS LATE FROM {features} F CROSS JOIN NEWEST L "
            "WHERE {column} IS NOT NULL",
            name=Literal(column.name),
            column=column,
            since=since,
            features=features,
        )
        for column in columns
    ]
    edges = [
        Sql(f"PERCENTILE_CONT({k / _BINS:g}) WITHIN GROUP (ORDER BY V) AS E{k}") for k in range(1, _BINS)
    ]
    return sql(
        """WITH NEWEST AS (
  SELECT MAX(DATE) AS LAST_DAY FROM {features}
), FEATURE_VALUES AS (
  {values}
), EDGES AS (
  SELECT FEATURE, {edges} FROM FEATURE_VALUES WHERE NOT LATE GROUP BY FEATURE
), BINNED AS (
  SELECT V.FEATURE, {place} AS BIN, V.LATE, COUNT(*)::FLOAT AS N
  FROM FEATURE_VALUES V JOIN EDGES E ON E.FEATURE = V.FEATURE GROUP BY V.FEATURE, BIN, V.LATE
), COUNTED AS (
  SELECT FEATURE, BIN, LATE, N, SUM(IFF(LATE, 0, N)) OVER (PARTITION BY FEATURE) AS ALL_BEFORE,
    SUM(IFF(LATE, N, 0)) OVER (PARTITION BY FEATURE) AS ALL_RECENT
  FROM BINNED
), SHARES AS (
  SELECT FEATURE, BIN, MAX(ALL_BEFORE) AS ALL_BEFORE, MAX(ALL_RECENT) AS ALL_RECENT,
    (SUM(IFF(LATE, 0, N)) + {prior}) / (MAX(ALL_BEFORE) + {whole}) AS B,
    (SUM(IFF(LATE, N, 0)) + {prior}) / (MAX(ALL_RECENT) + {whole}) AS R
  FROM COUNTED GROUP BY FEATURE, BIN
)
SELECT FEATURE, SUM((R - B) * LN(R / B)) AS PSI, MAX(ALL_BEFORE) AS BEFORE, MAX(ALL_RECENT) AS RECENT
FROM SHARES GROUP BY FEATURE HAVING MAX(ALL_BEFORE) > 0 AND MAX(ALL_RECENT) > 0""",
        features=features,
        values=join("\n  UNION ALL\n  ", values),
        edges=join(", ", edges),
        place=Sql(" + ".join(f"IFF(V.V > E.E{k}, 1, 0)" for k in range(1, _BINS))),
        prior=Sql(f"{_PRIOR:g}"),
        whole=Sql(f"{_PRIOR * _BINS:g}"),
    )
