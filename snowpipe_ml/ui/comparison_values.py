"""A comparison of two commits as plain values, for JSON."""

from __future__ import annotations

from snowpipe_ml.comparison.forecasts import ForecastChange
from snowpipe_ml.comparison.found import Comparison
from snowpipe_ml.comparison.tables import TableChange
from snowpipe_ml.ui.comparison import headline
from snowpipe_ml.ui.table_diffs import diff_dict


def comparison_dict(found: Comparison) -> dict[str, object]:
    """Convert a comparison to texts, numbers, lists and dicts."""
    cost = found.cost
    return {
        "pipeline": found.pipeline,
        "spec": found.spec,
        "target": found.target,
        "base": {"ref": found.base.ref, "commit": found.base.id, "forked": found.base.forked},
        "head": {"ref": found.head.ref, "commit": found.head.id},
        "summary": headline(found),
        "ran": found.ran,
        "series": found.series,
        "steps": [
            {
                "name": step.name,
                "type": step.type,
                "declared": step.declared,
                "change": step.kind.value,
                "reason": step.reason,
                "sql": list(step.sql),
            }
            for step in found.steps
        ],
        "failures": [
            {
                "step": each.step,
                "error": each.error,
                "at_base": each.at_base,
                "skipped": list(each.skipped),
            }
            for each in found.failures
        ],
        "failed_at_base_only": found.fixed,
        "warnings": [{"step": step, "text": text} for step, text in found.warnings],
        "tables": [_table(table) for table in found.tables],
        "forecasts": [_forecast(each) for each in found.forecasts],
        "cost": cost
        and {
            "seconds": {"base": cost.seconds[0], "head": cost.seconds[1]},
            "credits": cost.credits and {"base": cost.credits[0], "head": cost.credits[1]},
        },
        "left_out": found.left_out,
    }


def _table(table: TableChange) -> dict[str, object]:
    return {
        "step": table.step,
        **diff_dict(table.diff),
        "differing_at_least_by_column": dict(table.columns),
    }


def _forecast(each: ForecastChange) -> dict[str, object]:
    return {
        "step": each.step,
        "models": {"base": list(each.models[0]), "head": list(each.models[1])},
        "error": each.total and {"base": each.total[0], "head": each.total[1]},
        "p": each.p,
        "note": each.note,
        "better": len(each.better),
        "worse": len(each.worse),
        "only_base": list(each.only_base),
        "only_head": list(each.only_head),
        "series": [
            {
                "key": one.key,
                "base": one.base,
                "head": one.head,
                "change": one.change,
                "origins": one.origins,
                "p": one.p,
                "significant": one.significant,
            }
            for one in each.series
        ],
    }
