"""Detecting the types of columns of files, and merging those of several files."""

from __future__ import annotations

import re

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.files.formats.base import Columns

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")


def merge(found: Columns, name: str, type_: str, expression: str, file: StagedFile) -> None:
    """Add a column of a file; if files differ in its type, use the wider numeric type, or TEXT."""
    if name in found:
        before, _, where = found[name]
        type_ = _wider(before, type_)
        found[name] = (type_, expression.rpartition("::")[0] + f"::{type_}", [*where, file])
    else:
        found[name] = (type_, f"{expression}::{type_}", [file])


def _wider(left: str, right: str) -> str:
    if left == right:
        return left
    numbers = [re.match(r"NUMBER\((\d+), (\d+)\)", text) for text in (left, right)]
    if numbers[0] and numbers[1]:
        (p1, s1), (p2, s2) = ((int(m.group(1)), int(m.group(2))) for m in numbers if m)
        scale = max(s1, s2)
        return f"NUMBER({min(38, max(p1 - s1, p2 - s2) + scale)}, {scale})"
    return "REAL" if {left.split("(")[0], right.split("(")[0]} == {"NUMBER", "REAL"} else "TEXT"


def path(name: str) -> str:
    """Return a field's name as the key of a path: ``$1:name``."""
    return name if _PLAIN_NAME.match(name) else '"' + name.replace('"', '""') + '"'


def text_type(session: Session, source: str, value: str, *, booleans: bool | None = None) -> str:
    """Return the narrowest type that holds every text of a column."""
    row = session.duck.execute(f"""
        SELECT count(x),
          bool_and(regexp_full_match(x, '[+-]?\\d+(\\.\\d+)?')),
          max(length(regexp_extract(x, '[+-]?0*(\\d*)', 1))), max(length(regexp_extract(x, '\\.(\\d+)', 1))),
          bool_and(regexp_full_match(x, '[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?')),
          bool_and(lower(x) IN ('true', 'false')),
          bool_and(regexp_full_match(x, '\\d{{4}}-\\d{{2}}-\\d{{2}}') AND TRY_CAST(x AS DATE) IS NOT NULL),
          bool_and(regexp_full_match(x, '\\d{{4}}-\\d{{2}}-\\d{{2}}[ T]\\d{{2}}:\\d{{2}}(:\\d{{2}}(\\.\\d+)?)?')),
          bool_and(regexp_full_match(x, '\\d{{2}}:\\d{{2}}:\\d{{2}}(\\.\\d+)?'))
        FROM (SELECT trim({value}) AS x FROM {source})""").fetchone()
    assert row is not None
    count, exact, whole, scale, floating, truth, date, timestamp, time = row
    if not count:
        return "TEXT"
    if booleans or (booleans is None and truth):
        return "BOOLEAN"
    if exact and max(1, whole or 0) + (scale or 0) <= 38:
        return f"NUMBER({max(1, (whole or 0) + (scale or 0))}, {scale or 0})"
    if floating:
        return "REAL"
    return "DATE" if date else "TIMESTAMP_NTZ" if timestamp else "TIME" if time else "TEXT"
