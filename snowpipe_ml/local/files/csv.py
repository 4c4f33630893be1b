"""Read delimited files in Snowflake's file formats with DuckDB's CSV reader."""

from __future__ import annotations

import dataclasses
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, path_literal
from snowpipe_ml.local.core.time_formats import InputFormat, format_option
from snowpipe_ml.local.core.values import Option, Options, number_option
from snowpipe_ml.local.files.metadata import metadata_columns
from snowpipe_ml.text.files import read_record

# The maximum size of a record in bytes, as on Snowflake.
MAX_LINE = 16_777_216

# The supported options; some of them only with their default value, see _ALLOWED_VALUES.
_OPTIONS = {
    "TYPE",
    "COMPRESSION",
    "FIELD_DELIMITER",
    "SKIP_HEADER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "NULL_IF",
    "EMPTY_FIELD_AS_NULL",
    "TRIM_SPACE",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
    "ENCODING",
    "COMMENT",
    "RECORD_DELIMITER",
    "ESCAPE",
    "ESCAPE_UNENCLOSED_FIELD",
    "SKIP_BLANK_LINES",
    "DATE_FORMAT",
    "TIMESTAMP_FORMAT",
    "TIME_FORMAT",
    "MULTI_LINE",
    "SKIP_BYTE_ORDER_MARK",
    "PARSE_HEADER",
    "REPLACE_INVALID_CHARACTERS",
    "BINARY_FORMAT",
}


@dataclass(frozen=True)
class CsvFormat:
    """A CSV file format; see https://docs.snowflake.com/en/sql-reference/sql/create-file-format."""

    delimiter: str
    skip: int
    quote: str
    null_if: tuple[str, ...]
    empty_as_null: bool
    trim: bool
    strict_width: bool
    compression: str
    date_format: InputFormat | None = None
    time_format: InputFormat | None = None
    timestamp_format: InputFormat | None = None

    @classmethod
    def read(cls, options: Options) -> CsvFormat:
        """Parse the options of a FILE_FORMAT.

        Raises:
            UnsupportedError: the format, an option or its value is not supported.
        """
        kind = str(options.get("TYPE") or "CSV").upper()
        if kind != "CSV":
            raise errors.UnsupportedError(f"file formats of type {kind}", "CSV is supported")
        for key, value in options.items():
            if key not in _OPTIONS:
                raise errors.UnsupportedError(f"the file format option {key}")
            fixed = _ALLOWED_VALUES.get(key)
            if fixed is not None and _plain(value) not in fixed:
                raise errors.UnsupportedError(f"{key} = {value!r} in a file format")
        nulls = options.get("NULL_IF", ["\\N"])
        nulls = nulls if isinstance(nulls, list) else [] if nulls is None else [nulls]
        return cls(
            delimiter=str(options.get("FIELD_DELIMITER") or ","),
            skip=number_option(options, "SKIP_HEADER", 0),
            quote=_quote(options.get("FIELD_OPTIONALLY_ENCLOSED_BY")),
            null_if=tuple(str(n) for n in nulls),
            empty_as_null=bool(options.get("EMPTY_FIELD_AS_NULL", True)),
            trim=bool(options.get("TRIM_SPACE", False)),
            strict_width=bool(options.get("ERROR_ON_COLUMN_COUNT_MISMATCH", True)),
            compression=str(options.get("COMPRESSION") or "AUTO").upper(),
            date_format=format_option(options.get("DATE_FORMAT")),
            time_format=format_option(options.get("TIME_FORMAT")),
            timestamp_format=format_option(options.get("TIMESTAMP_FORMAT")),
        )

    def refuse_formats(self, where: str) -> None:
        """Refuse date and time formats where values are read as text.

        Raises:
            UnsupportedError: the file format has a date or time format other than AUTO.
        """
        for name in ("date_format", "time_format", "timestamp_format"):
            found: InputFormat | None = getattr(self, name)
            if found is not None:
                raise errors.UnsupportedError(
                    f"{name.upper()} = '{found.text}' in {where}", "AUTO is supported there"
                )

    def after_header(self) -> CsvFormat:
        """Return the format of the lines after a header that PARSE_HEADER has read."""
        return dataclasses.replace(self, skip=self.skip + 1)

    def open(self, path: Path) -> IO[str]:
        """Open a file as text."""
        return io.TextIOWrapper(self.open_bytes(path), encoding="utf-8-sig", errors="replace", newline="")

    def open_bytes(self, path: Path) -> IO[bytes]:
        """Open a file as bytes, decompressed."""
        return cast(IO[bytes], gzip.open(path)) if self.is_gzip(path) else path.open("rb")

    def is_gzip(self, path: Path) -> bool:
        """Return whether a file is compressed: as declared, or else judged by its first bytes."""
        if self.compression == "GZIP":
            with path.open("rb") as file:
                if file.read(2) != b"\x1f\x8b":
                    raise errors.error(
                        100081, "22000", f"Error decompressing the file '{path.name}': it is not gzipped"
                    )
            return True
        if self.compression not in ("AUTO", "NONE"):
            raise errors.UnsupportedError(f"COMPRESSION = {self.compression}")
        with path.open("rb") as file:
            return self.compression == "AUTO" and file.read(2) == b"\x1f\x8b"

    def width(self, path: Path) -> int:
        """Return the number of fields in the first record; 0 if no line follows the header."""
        with self.open(path) as lines:
            for _ in range(self.skip):
                lines.readline()
            blank = False
            while (record := read_record(lines, self.delimiter, self.quote)) is not None:
                if record:
                    return len(record)
                blank = True
        return int(blank)

    def read_csv(
        self,
        paths: Sequence[Path],
        columns: Sequence[tuple[str, str]],
        more: Sequence[str] = (),
        *,
        parallel: bool = True,
    ) -> str:
        """Return the DuckDB call that reads files of equal width.

        Args:
            paths: the files.
            columns: (name, DuckDB type) of each column.
            more: additional arguments of the call.
            parallel: whether several threads may read one file.
        """
        nulls = [*self.null_if, *([""] if self.empty_as_null and "" not in self.null_if else [])]
        described = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
        packed = self.is_gzip(paths[0])
        # One thread decompresses a file anyway; and a parallel scan may stop after many rejected rows, see
        # Rejects.hide_rows.
        parallel = parallel and self.strict_width and not packed
        arguments = [
            "[" + ", ".join(path_literal(path) for path in paths) + "]",
            "auto_detect = false",
            "hive_partitioning = false",
            "header = false",
            f"skip = {self.skip}",
            f"delim = {literal(self.delimiter)}",
            f"quote = {literal(self.quote)}",
            f"escape = {literal(self.quote)}",
            f"columns = {{{described}}}",
            "nullstr = [" + ", ".join(literal(n) for n in nulls) + "]",
            # A quoted empty field is an empty string, unless NULL_IF contains ''.
            f"allow_quoted_nulls = {str('' in self.null_if or not self.empty_as_null).lower()}",
            f"compression = {literal('gzip' if packed else 'none')}",
            f"null_padding = {str(not self.strict_width).lower()}",
            f"max_line_size = {MAX_LINE}",
            f"parallel = {str(parallel).lower()}",
            *more,
        ]
        return f"read_csv({', '.join(arguments)})"


def _quote(value: Option) -> str:
    text = "" if value is None or str(value).upper() == "NONE" else str(value)
    if len(text) > 1:
        raise errors.syntax(f"FIELD_OPTIONALLY_ENCLOSED_BY takes one character: {text!r}")
    return text


_ALLOWED_VALUES: dict[str, tuple[str, ...]] = {
    "ENCODING": ("UTF8", "UTF-8"),
    "RECORD_DELIMITER": ("\n", "NONE", "\\n", "\r\n"),
    "ESCAPE": ("NONE",),
    "ESCAPE_UNENCLOSED_FIELD": ("NONE", "\\", "\\\\"),
    "PARSE_HEADER": ("FALSE",),
    "REPLACE_INVALID_CHARACTERS": ("FALSE",),
    "MULTI_LINE": ("TRUE",),
    "SKIP_BYTE_ORDER_MARK": ("TRUE",),
    "BINARY_FORMAT": ("HEX",),
}


def _plain(value: Option) -> str:
    return (
        "NONE"
        if value is None
        else str(value).upper()
        if not isinstance(value, str) or value.isalnum()
        else value
    )


def text_query(fmt: CsvFormat, files: Sequence[StagedFile], highest: int, metadata: set[str]) -> str:
    """Return a DuckDB query of staged files as text: columns ``_1``, ``_2``... and the wanted metadata."""
    parts = []
    fmt.refuse_formats("a SELECT from staged files")
    # A query accepts records of any width: a missing field is NULL.
    fmt = dataclasses.replace(fmt, strict_width=False)
    for file in files:
        width = max(highest, fmt.width(file.path))
        columns = [(f"_{i + 1}", "VARCHAR") for i in range(width)]
        listed = ", ".join(
            (f'trim("_{i + 1}")' if fmt.trim else f'"_{i + 1}"') + f' AS "_{i + 1}"' for i in range(highest)
        )
        number = "row_number() OVER ()" if "_ROW_NUMBER" in metadata else "0"
        more = metadata_columns(file, metadata, number)
        parts.append(f"SELECT {listed}{more} FROM {fmt.read_csv([file.path], columns)}")
    if not parts:
        nulls = [f'NULL::VARCHAR AS "_{i + 1}"' for i in range(highest)]
        nulls += [f'NULL::VARCHAR AS "{name}"' for name in sorted(metadata)]
        return f"SELECT {', '.join(nulls)} LIMIT 0"
    return " UNION ALL ".join(parts)
