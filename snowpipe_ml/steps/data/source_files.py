"""The CSV files of declared sources: their headers and problems."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.plugins import Finding, PlanContext
from snowpipe_ml.spec.sources import SourceFrom
from snowpipe_ml.sql import Identifier
from snowpipe_ml.steps.data.generated import SAMPLE, generator_finding
from snowpipe_ml.text.encodings import CODECS
from snowpipe_ml.text.files import read_record
from snowpipe_ml.text.problems import did_you_mean


def read_header(path: Path, delimiter: str = ",", encoding: str = "UTF8") -> list[str]:
    """Return the column titles of a CSV file; none for an empty file.

    Args:
        path: the file.
        delimiter: the characters between fields.
        encoding: Snowflake's name of the character set.

    Raises:
        SourceFileError: the file does not exist, is not a regular file, or its first record cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would block until something writes to it
            what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise SourceFileError(f"it is {what}, not a file", file=str(path))
        codec = "utf-8-sig" if encoding == "UTF8" else CODECS[encoding]
        with path.open(encoding=codec, newline="") as file:
            return read_record(file, delimiter) or []
    except FileNotFoundError as error:
        raise SourceFileError("no such file", file=str(path)) from error
    except OSError as error:
        raise SourceFileError(f"it cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise SourceFileError(
            f"the file is not text in {encoding} ({error.reason} at byte {error.start:,}): set `encoding`, such as "
            "WINDOWS1252, or unpack it",
            file=str(path),
        ) from error


def positions(source: SourceFrom, columns: Iterable[str], path: Path) -> dict[str, int]:
    """Return the number of the field, counted from 1, of each column of a source.

    Raises:
        SourceFileError: the header cannot be read, or lacks a title for a column.
    """
    header = read_header(path, source.field_delimiter, source.encoding)
    found = _found(source, header)
    for column in columns:
        if _stored(column) not in found:
            raise SourceFileError(f"{_lacking(column, header)}; see `rename`", file=str(path), line=1)
    return {column: found[_stored(column)] for column in columns}


def findings(ctx: PlanContext, source: SourceFrom, columns: Iterable[str], key: str) -> Iterator[Finding]:
    """Yield the problems of the file of a source.

    Args:
        ctx: resolves paths relative to the spec.
        source: the origin of the source on the target.
        columns: the columns of the source.
        key: the key of the target in the spec.
    """
    at = ("from", key)
    if source.file is None:
        return
    if source.file == SAMPLE:
        wrong = generator_finding(ctx, source.generator, at)
        if wrong is not None:
            yield wrong
        return
    try:
        header = read_header(ctx.path(source.file), source.field_delimiter, source.encoding)
    except SourceFileError as error:
        yield Finding(str(error), (*at, "file"))
        return
    if not header:
        yield Finding(f"{source.file} is empty: its first line must name {', '.join(columns)}", (*at, "file"))
        return
    absent = {title: new.name.upper() for title, new in source.rename.items() if title not in header}
    for title in absent:
        message = f"{source.file} has no column {title!r} in its header"
        yield Finding(message, (*at, "rename", title), key=True, hint=did_you_mean(title, header))
    found = _found(source, header)
    for column in columns:
        if _stored(column) not in found and _stored(column) not in absent.values():
            hint = "rename: {HEADER: COLUMN} assigns a header to a column"
            yield Finding(
                f"{source.file}: {_lacking(column, header)}", ("columns", column), key=True, hint=hint
            )


def _found(source: SourceFrom, header: list[str]) -> dict[str, int]:
    renamed = {title: new.name for title, new in source.rename.items()}
    return {renamed.get(title, title).upper(): number for number, title in enumerate(header, 1)}


def _lacking(column: str, header: list[str]) -> str:
    return f"the header has no column for {column} (it has {', '.join(header)})"


def _stored(column: str) -> str:
    return Identifier.parse(column).name.upper()
