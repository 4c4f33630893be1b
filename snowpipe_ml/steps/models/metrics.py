"""Metrics of regression and classification as SQL."""

from __future__ import annotations

from snowpipe_ml.sql import Identifier, Sql, sql

REGRESSION = ("RMSE", "MAE", "MAPE", "SMAPE", "MSE", "R2")
CLASSIFICATION = ("ACCURACY", "BALANCED_ACCURACY", "F1_MACRO")


def regression_metrics(prediction: Identifier, *, actual: Identifier, prefix: str = "") -> Sql:
    """Return RMSE, MAE, MAPE, sMAPE, MSE and R2 over the rows of a group, as result columns.

    MAPE excludes rows whose actual value is zero, where it is not defined; sMAPE is
    200 % * |a - p| / (|a| + |p|), or 0 where both are zero; R2 is 1 - SSE / SST, with SST about the mean
    of the group.
    """
    a, p = actual.sql, prediction.sql
    error = f"({a} - {p})"
    columns = {
        "RMSE": f"SQRT(AVG(POWER({error}, 2)))",
        "MAE": f"AVG(ABS({error}))",
        "MAPE": f"100 * AVG(IFF({a} = 0, NULL, ABS({error}) / NULLIF(ABS({a}), 0)))",
        "SMAPE": f"200 * AVG(IFF({a} = 0 AND {p} = 0, 0::FLOAT, ABS({error}) / NULLIF(ABS({a}) + ABS({p}), 0)))",
        "MSE": f"AVG(POWER({error}, 2))",
        "R2": f"1 - SUM(POWER({error}, 2)) / NULLIF(VAR_POP({a}) * COUNT({a}), 0)",
    }
    return Sql(", ".join(f"{text} AS {prefix}{name}" for name, text in columns.items()))


def classification_query(
    table: Sql, *, actual: Identifier, prediction: Identifier, keys: Sql, on: Sql
) -> Sql:
    """Return a query of accuracy, balanced accuracy and macro F1 per group.

    Only classes among the actual values count: recall is the share of correct predictions among the
    actual values of a class, precision the share among its predictions, and F1 is
    2 * correct / (actual + predicted). The macro averages are over the classes of the group.

    Args:
        table: the rows.
        actual: the column of true classes.
        prediction: the column of predicted classes.
        keys: the columns of the group, each followed by a comma; empty for a single group.
        on: further join conditions between two relations L and R, for the columns of the group.
    """
    return sql(
        'WITH "_SCORED" AS (SELECT {keys}{actual}::VARCHAR AS "_ACTUAL", {prediction}::VARCHAR AS "_SAID" FROM {table} '
        "WHERE {actual} IS NOT NULL),\n"
        '"_TRUE" AS (SELECT {keys}"_ACTUAL" AS "_CLASS", COUNT(*) AS "_N", COUNT_IF("_ACTUAL" = "_SAID") AS "_HITS" '
        'FROM "_SCORED" GROUP BY ALL),\n'
        '"_PREDICTED" AS (SELECT {keys}"_SAID" AS "_CLASS", COUNT(*) AS "_N" FROM "_SCORED" GROUP BY ALL)\n'
        'SELECT {keys}SUM("_N") AS ROW_COUNT, SUM("_HITS") / SUM("_N")::FLOAT AS ACCURACY, '
        'AVG("_HITS" / "_N"::FLOAT) AS BALANCED_ACCURACY, AVG(2 * "_HITS" / ("_N" + "_TIMES_SAID")::FLOAT) AS F1_MACRO\n'
        'FROM (SELECT L.*, COALESCE(R."_N", 0) AS "_TIMES_SAID" FROM "_TRUE" L LEFT JOIN "_PREDICTED" R '
        'ON R."_CLASS" = L."_CLASS"{on})\n'
        "GROUP BY ALL HAVING COUNT(*) > 0",
        keys=keys,
        actual=actual,
        prediction=prediction,
        table=table,
        on=on,
    )
