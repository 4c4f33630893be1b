"""VARIANTs: how they are stored, parsed, compared and printed.

A VARIANT is stored as JSON text. JSON has no dates, no binary values, no distinction between FLOAT and NUMBER, and
DuckDB reads its decimals as doubles. Such values are stored as strings that begin with a mark, a Unicode
noncharacter, which no text contains: see ``docs/decisions/0032-variants-are-marked-json.md``.

https://docs.snowflake.com/en/sql-reference/data-types-semistructured
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias, cast

import pyarrow as pa

from snowpipe_ml.local.core import arrays
from snowpipe_ml.local.core.json_text import DuplicateKey, InvalidJson, parse_leniently

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"

UNDEFINED = "\ufdd0"
"""The mark of an element of an array that is missing, or SQL NULL."""
DOUBLE = "\ufdd1"
"""The mark of a FLOAT."""
NUMBER = "\ufdd2"
"""The mark of a NUMBER with more digits than a double keeps."""
UNSHOWN = "\ufdd9"
"""The mark before the fractions of seconds that the text of a time or timestamp does not show."""
_MARKS = re.compile("[\ufdd0-\ufdd8]")
_SIGNIFICANT = 15
_PRECISION = 38


def number(text: str) -> Value:
    """Convert a number of a JSON document: exact if it fits in a NUMBER, otherwise a FLOAT."""
    if "e" in text or "E" in text:
        return DOUBLE + _shortest(float(text))
    value = Decimal(text)
    digits = value.as_tuple()
    if len(digits.digits) > _PRECISION or -cast(int, digits.exponent) >= _PRECISION:
        return DOUBLE + _shortest(float(text))
    if value == value.to_integral_value():
        return integer(str(int(value)))
    shown = format(value, "f").rstrip("0")
    if len(shown.lstrip("-0.").replace(".", "")) > _SIGNIFICANT or abs(value) < Decimal("0.0001"):
        return NUMBER + shown
    return float(shown)


def integer(text: str) -> Value:
    """Convert a whole number of a JSON document."""
    value = int(text)
    if len(text.lstrip("-")) <= 18:
        return value
    return (NUMBER if len(text.lstrip("-")) <= _PRECISION else DOUBLE) + (
        text if len(text.lstrip("-")) <= _PRECISION else _shortest(float(text))
    )


def _shortest(value: float) -> str:
    """Return a double's text as a cast to VARCHAR gives it."""
    return "NaN" if value != value else repr(value).removesuffix(".0")


def _pairs(pairs: list[tuple[str, Value]]) -> Value:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise DuplicateKey
    return made


def parse(text: str, *, duplicates: bool = False) -> str | None:
    """Parse a JSON document as PARSE_JSON does, and return its stored form.

    Args:
        text: the document; keys need no quotes, and elements of arrays can be missing.
        duplicates: whether the last of several equal keys is kept.

    Raises:
        InvalidJson: the text is not a JSON document.
    """
    if not text.strip():
        return None
    try:
        value: Value = json.loads(
            text,
            object_pairs_hook=None if duplicates else _pairs,
            parse_float=number,
            parse_int=integer,
            parse_constant=_refuse,
        )
    except (ValueError, DuplicateKey, RecursionError):
        value = cast(Value, parse_leniently(text, number, integer, duplicates))
    return dump(value)


def _refuse(name: str) -> Value:
    raise ValueError(name)


def dump(value: Value) -> str:
    """Return the stored form of a value: without white space, with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load(text: str) -> Value:
    """Read a stored value; marked values are strings with their mark."""
    value: Value = json.loads(text, parse_float=number, parse_int=integer)
    return value


def canonical(text: str) -> str:
    """Return a text that is equal for equal values: numbers are compared by value, objects without order."""
    return dump(_canonical(load(text)))


def _canonical(value: Value) -> Value:
    match value:
        case dict():
            return {key: _canonical(inner) for key, inner in value.items()}
        case list():
            return [_canonical(inner) for inner in value]
        case str() if value[:1] == DOUBLE and "n" not in value.lower():
            exact = number(format(Decimal(value[1:]), "f"))
            return exact if not isinstance(exact, str) else NUMBER + exact[1:]
    return value


def json_text(text: str) -> str:
    """Return a value's JSON, as a cast to VARCHAR and TO_JSON give it."""
    return _compact(load(text))


def _compact(value: Value) -> str:
    match value:
        case dict():
            inner = ",".join(f"{_quoted(key)}:{_compact(value[key])}" for key in sorted(value))
            return "{" + inner + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
    return _scalar(value)


def standard_json(text: str) -> str:
    """Return a value as JSON that any reader accepts: numbers are numbers, and missing elements null."""
    return dump(_standard(load(text))) if _MARKS.search(text) else text


def _standard(value: Value) -> Value:
    match value:
        case dict():
            return {key: _standard(inner) for key, inner in value.items()}
        case list():
            return [_standard(inner) for inner in value]
        case str() if value[:1] == UNDEFINED:
            return None
        case str() if value[:1] in (DOUBLE, NUMBER) and value:
            plain = float(value[1:])
            return int(value[1:]) if value[0] == NUMBER and "." not in value else plain
        case str() if _MARKS.match(value):
            return value[1:].partition(UNSHOWN)[0]
    return value


def pretty(text: str) -> str:
    """Format a value as query results show it: indented by two, with sorted keys."""
    value = load(text)
    if not _MARKS.search(text):
        return json.dumps(value, indent=2 if value else None, ensure_ascii=False, sort_keys=True)
    return _indented(value, "\n")


def _indented(value: Value, line: str) -> str:
    inside = line + "  "
    match value:
        case dict() if value:
            parts = (f"{_quoted(key)}: {_indented(value[key], inside)}" for key in sorted(value))
            return "{" + inside + ("," + inside).join(parts) + line + "}"
        case list() if value:
            return "[" + inside + ("," + inside).join(_indented(v, inside) for v in value) + line + "]"
    return _compact(value)


def _scalar(value: str | int | float | bool | None) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    match value[:1]:
        case "\ufdd0":
            return "undefined"
        case "\ufdd1":
            return f"{float(value[1:]):.15e}" if "n" not in value.lower() else value[1:]
        case "\ufdd2":
            return value[1:]
    return _quoted(value[1:].partition(UNSHOWN)[0] if _MARKS.match(value) else value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")


def tree(request: str) -> str:
    """List the elements of a value and of all values in it, as FLATTEN with RECURSIVE does.

    Args:
        request: the mode (BOTH, OBJECT or ARRAY), a space, and the stored value.

    Returns:
        A stored ARRAY with an OBJECT for each element: its key or index, path, value, and what holds it.
    """
    mode, _, text = request.partition(" ")
    rows: list[Value] = []
    _walk(load(text), "", mode, rows)
    return dump(rows)


def _walk(value: Value, path: str, mode: str, rows: list[Value]) -> None:
    items: list[tuple[dict[str, Value], str, Value]] = []
    if isinstance(value, dict) and mode in ("BOTH", "OBJECT"):
        for key in sorted(value):
            step = (f".{key}" if path else key) if _PLAIN_KEY.match(key) else f"['{key}']"
            items.append(({"k": key}, path + step, value[key]))
    elif isinstance(value, list) and mode in ("BOTH", "ARRAY"):
        items = [({"i": i}, f"{path}[{i}]", inner) for i, inner in enumerate(value) if inner != UNDEFINED]
    for name, place, inner in items:
        rows.append({**name, "p": place, "v": inner, "t": value})
        _walk(inner, place, mode, rows)


def check(text: str) -> str | None:
    """Return what is wrong with a JSON document, as CHECK_JSON does; None if it is valid."""
    try:
        parse(text)
    except InvalidJson as invalid:
        return str(invalid)
    return None


def _parse_strictly(text: str) -> str | None:
    try:
        return parse(text)
    except InvalidJson as invalid:
        raise ValueError(f"sf_error 100069 22P02: Error parsing JSON: {invalid}") from None


def _parse_keeping_last(text: str) -> str | None:
    try:
        return parse(text, duplicates=True)
    except InvalidJson as invalid:
        raise ValueError(f"sf_error 100069 22P02: Error parsing JSON: {invalid}") from None


def _try_parse(text: str) -> str | None:
    try:
        return parse(text)
    except InvalidJson:
        return None


def _try_parse_keeping_last(text: str) -> str | None:
    try:
        return parse(text, duplicates=True)
    except InvalidJson:
        return None


def _by_row(function: Callable[[str], str | None]) -> Callable[[pa.ChunkedArray], pa.Array]:
    def apply(texts: pa.ChunkedArray) -> pa.Array:
        return arrays.texts([None if text is None else function(text) for text in texts.to_pylist()])

    return apply


FUNCTIONS: dict[str, Callable[[pa.ChunkedArray], pa.Array]] = {
    "sf_py_parse": _by_row(_parse_strictly),
    "sf_py_parse_last": _by_row(_parse_keeping_last),
    "sf_py_try_parse": _by_row(_try_parse),
    "sf_py_try_parse_last": _by_row(_try_parse_keeping_last),
    "sf_py_check": _by_row(check),
    "sf_py_canonical": _by_row(canonical),
    "sf_py_json_text": _by_row(json_text),
    "sf_py_standard": _by_row(standard_json),
    "sf_py_tree": _by_row(tree),
}
"""The functions of texts that the macros of VARIANTs call, by their names in DuckDB."""
