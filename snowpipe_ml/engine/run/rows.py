"""The rows of the queries of ``foreach``, as the run metadata keep them: all steps of a run have the same items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from snowpipe_ml.errors import UsageError
from snowpipe_ml.sql import Sql
from snowpipe_ml.text.redaction import STARS

Row = Mapping[str, object]
_READ: Mapping[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "bytes": bytes.fromhex,
}


class KeptRows:
    """Runs each query once, and gives the same rows afterwards.

    Args:
        query: runs a query on the target and returns its rows.
        kept: the rows by the text of their query, from :meth:`to_json`.
    """

    def __init__(self, query: Callable[[Sql], Sequence[Row]], kept: Mapping[str, str] | None = None) -> None:
        self._query = query
        self._kept = dict(kept or {})

    def __call__(self, statement: Sql) -> Sequence[Row]:
        """Return the rows of a query."""
        # A secret in a row is not kept: such a query runs again in each process.
        if statement.text not in self._kept or STARS in self._kept[statement.text]:
            self._kept[statement.text] = json.dumps([_packed(row) for row in self._query(statement)])
        return [_unpacked(row) for row in json.loads(self._kept[statement.text])]

    def to_json(self) -> dict[str, str]:
        """Return the rows so far as JSON, by the text of their query."""
        return dict(self._kept)


def _packed(row: Row) -> dict[str, object]:
    return {name: _pack(value) for name, value in row.items()}


def _pack(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, time):
        return {"time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value).hex()}
    raise UsageError(f"an item of foreach cannot be a {type(value).__name__}: cast the column to VARCHAR")


def _unpacked(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _unpack(value) for name, value in row.items()}


def _unpack(value: object) -> object:
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    return _READ[kind](text)
