"""The comparison of a table as plain values, for JSON."""

from __future__ import annotations

from snowpipe_ml.data_diff.diff import TableDiff
from snowpipe_ml.ui.tables import plain


def diff_dict(table: TableDiff) -> dict[str, object]:
    """Convert the comparison of a table to texts, numbers, lists and dicts."""
    found = table.found
    base: dict[str, object] = {
        "table": str(table.name),
        "differs": table.differs,
        "exists_on": table.presence.value,
        "schema": [{"column": name, "a": first, "b": second} for name, first, second in table.schema],
    }
    if found is None:
        return base
    return {
        **base,
        "key": None if table.key is None else [column.name for column in table.key],
        "note": table.note,
        "rows": {"a": found.here, "b": found.there},
        "repeated": {"a": found.repeated_here, "b": found.repeated_there},
        "only": {"a": found.only_here, "b": found.only_there},
        "changed": found.changed,
        "changed_by_column": found.columns,
        "unread": found.unread,
        "sample": [{"a": _row(each.expected), "b": _row(each.actual)} for each in found.sample],
    }


def _row(row: object) -> object:
    return {name: plain(value) for name, value in row.items()} if isinstance(row, dict) else row
