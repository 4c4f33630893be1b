"""The differences of a pipeline between two commits as a page."""

from __future__ import annotations

from snowpipe_ml.comparison.found import Comparison
from snowpipe_ml.comparison.tables import TableChange
from snowpipe_ml.text.redaction import redact
from snowpipe_ml.ui.comparison import change_said, columns_said, cost_line, headline
from snowpipe_ml.ui.pages import render_page
from snowpipe_ml.unit_tests.compare import shown


def comparison_html(found: Comparison) -> str:
    """Render a comparison as a page, with all of its differences."""
    page = render_page(
        "compare.html.j2",
        {"charts": {}},
        found=found,
        headline=headline(found),
        cost=cost_line(found),
        columns=lambda table: list(columns_said(table, 20)),
        sample=_sample,
        change=change_said,
    )
    return redact(page)


def _sample(table: TableChange) -> str:
    """Return some rows that differ: ``-`` is the base, ``+`` the head."""
    rows = table.diff.found.sample if table.diff.found is not None else []
    if not rows:
        return ""
    return "\n".join(shown(list(rows[0].expected or rows[0].actual or {}), rows, 1e-9))
