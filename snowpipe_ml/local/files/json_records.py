"""Read JSON files record by record, by Snowflake's rules.

DuckDB reads a file faster, but accepts objects with two fields of one name, cannot remove nulls, and does not
read documents that commas separate. https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import Option
from snowpipe_ml.local.files.compression import compression_of, open_bytes

_Json: TypeAlias = "str | bool | _Number | list[_Json] | dict[str, _Json] | None"
_BETWEEN = re.compile(r"[\s,]*")


class _Number(str):
    """A number, kept as its text because a conversion could change its digits."""


@dataclass(frozen=True)
class JsonOptions:
    """The options of a JSON file format that decide what its records are."""

    compression: str
    strip_array: bool
    strip_nulls: bool
    allow_duplicates: bool
    replaces: bool
    multi_line: bool

    @classmethod
    def read(cls, options: Mapping[str, Option]) -> JsonOptions:
        """Parse the options of a FILE_FORMAT."""
        return cls(
            str(options.get("COMPRESSION", "AUTO") or "NONE").upper(),
            bool(options.get("STRIP_OUTER_ARRAY")),
            bool(options.get("STRIP_NULL_VALUES")),
            bool(options.get("ALLOW_DUPLICATE")),
            bool(options.get("REPLACE_INVALID_CHARACTERS") or options.get("IGNORE_UTF8_ERRORS")),
            bool(options.get("MULTI_LINE", True)),
        )


def json_records(options: JsonOptions, file: StagedFile) -> Iterator[str]:
    """Yield the records of a file as JSON.

    Raises:
        ProgrammingError: the file is not valid JSON.
    """
    for value, _ in _values(options, file.path, file.relative):
        for record in value if options.strip_array and isinstance(value, list) else [value]:
            yield _text(_without_nulls(record) if options.strip_nulls else record)


def _values(options: JsonOptions, path: Path, name: str) -> Iterator[tuple[_Json, bool]]:
    """Yield the values at the top of a file, and whether only white space separates each from the one before."""
    with open_bytes(path, compression_of(path, options.compression)) as content:
        data = content.read()
    try:
        text = data.decode("utf-8-sig", "replace" if options.replaces else "strict")
    except UnicodeDecodeError as error:
        raise errors.error(
            100144, "22000", f"Invalid UTF8 detected in string\n  File '{name}', byte {error.start}"
        ) from error
    decoder = json.JSONDecoder(
        object_pairs_hook=dict if options.allow_duplicates else _unique,
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_refuse_constant,
    )
    place, before = _after(text, 0), 0
    while place < len(text):
        try:
            value, end = decoder.raw_decode(text, place)
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise errors.error(100069, "22P02", f"Error parsing JSON: {reason}\n  File '{name}'") from error
        if not options.multi_line and "\n" in text[place:end]:
            raise errors.error(
                100069, "22P02", f"Error parsing JSON: a record has several lines\n  File '{name}'"
            )
        yield value, "," not in text[before:place]
        place, before = _after(text, end), end


def is_plain(options: JsonOptions, file: StagedFile) -> bool:
    """Return whether DuckDB reads the same records from a file.

    Raises:
        ProgrammingError: the file is not valid JSON.
    """
    if options.strip_nulls or options.allow_duplicates or options.replaces or not options.multi_line:
        return False
    about = file.stat()
    return _is_plain(options, file.path, file.relative, about.st_mtime_ns, about.st_size)


@lru_cache(1024)
def _is_plain(options: JsonOptions, path: Path, name: str, modified: int, size: int) -> bool:
    """Parse the whole file, because any object may have two fields of one name."""
    kinds = []
    for value, spaced in _values(options, path, name):
        kinds.append(type(value))
        if not spaced:
            return False
    return not options.strip_array or kinds == [list]


def _after(text: str, place: int) -> int:
    match = _BETWEEN.match(text, place)
    return match.end() if match else place


def _unique(pairs: list[tuple[str, _Json]]) -> dict[str, _Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'duplicate object attribute "{double}"')
    return found


def _refuse_constant(text: str) -> _Json:
    raise ValueError(f"unknown keyword {text}")


def _without_nulls(value: _Json) -> _Json:
    """Remove the fields of objects that are null.

    Raises:
        UnsupportedError: an array has a null beside other elements; Snowflake makes it undefined.
    """
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if value == [None]:
            return []
        if None in value:
            raise errors.UnsupportedError("STRIP_NULL_VALUES = TRUE for an array with null elements")
        return [_without_nulls(item) for item in value]
    return value


def _text(value: _Json) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_text(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
