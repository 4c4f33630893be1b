"""Read delimited files in Snowflake's file formats with DuckDB's CSV reader."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, path_literal
from snowpipe_ml.local.core.time_formats import InputFormat, format_option
from snowpipe_ml.local.core.values import Option, number_option
from snowpipe_ml.local.files.compression import compression_of, open_bytes
from snowpipe_ml.local.files.csv_options import characters, codec
from snowpipe_ml.text.files import read_record

# The maximum size of a record in bytes, as on Snowflake.
MAX_LINE = 16_777_216
# In bytes, of DuckDB's reader.
_LONGEST_DELIMITER = 4


@dataclass(frozen=True)
class CsvFormat:
    """A CSV file format; see https://docs.snowflake.com/en/sql-reference/sql/create-file-format."""

    delimiter: str = ","
    skip: int = 0
    quote: str = ""
    null_if: tuple[str, ...] = ("\\N",)
    empty_as_null: bool = True
    trim: bool = False
    strict_width: bool = True
    pads: bool = False  # whether records with too few fields are valid although the width is strict
    compression: str = "AUTO"
    date_format: InputFormat | None = None
    time_format: InputFormat | None = None
    timestamp_format: InputFormat | None = None
    record_delimiter: str | None = "\n"
    escape: str = ""
    escape_unenclosed: str = "\\"
    skip_blank: bool = False
    parse_header: bool = False
    encoding: str = "utf-8"
    replaces: bool = False
    multi_line: bool = True
    binary_format: str = "HEX"

    @classmethod
    def read(cls, options: Mapping[str, Option]) -> CsvFormat:
        """Parse the options of a FILE_FORMAT.

        Raises:
            UnsupportedError: the format, an option or its value is not supported.
        """
        kind = str(options.get("TYPE") or "CSV").upper()
        if kind != "CSV":
            raise errors.UnsupportedError(f"file formats of type {kind}", "CSV is supported")
        nulls = options.get("NULL_IF", ["\\N"])
        nulls = nulls if isinstance(nulls, list) else [] if nulls is None else [nulls]
        binary = str(options.get("BINARY_FORMAT") or "HEX").upper().replace("-", "")
        if binary not in ("HEX", "BASE64", "UTF8"):
            raise errors.syntax(f"invalid value {binary!r} for BINARY_FORMAT")
        found = cls(
            delimiter=characters("FIELD_DELIMITER", options.get("FIELD_DELIMITER", ","), ","),
            skip=number_option(options, "SKIP_HEADER", 0),
            quote=characters(
                "FIELD_OPTIONALLY_ENCLOSED_BY", options.get("FIELD_OPTIONALLY_ENCLOSED_BY"), "", single=True
            ),
            null_if=tuple(str(n) for n in nulls),
            empty_as_null=bool(options.get("EMPTY_FIELD_AS_NULL", True)),
            trim=bool(options.get("TRIM_SPACE", False)),
            strict_width=bool(options.get("ERROR_ON_COLUMN_COUNT_MISMATCH", True)),
            compression=str(options.get("COMPRESSION", "AUTO") or "NONE").upper(),
            date_format=format_option(options.get("DATE_FORMAT")),
            time_format=format_option(options.get("TIME_FORMAT")),
            timestamp_format=format_option(options.get("TIMESTAMP_FORMAT")),
            record_delimiter=characters("RECORD_DELIMITER", options.get("RECORD_DELIMITER", "\n"), "\n")
            or None,
            escape=characters("ESCAPE", options.get("ESCAPE"), "", single=True),
            escape_unenclosed=characters(
                "ESCAPE_UNENCLOSED_FIELD", options.get("ESCAPE_UNENCLOSED_FIELD", "\\"), "", single=True
            ),
            skip_blank=bool(options.get("SKIP_BLANK_LINES", False)),
            parse_header=bool(options.get("PARSE_HEADER", False)),
            encoding=codec(options.get("ENCODING")),
            replaces=bool(options.get("REPLACE_INVALID_CHARACTERS", False)),
            multi_line=bool(options.get("MULTI_LINE", True)),
            binary_format=binary,
        )
        if found.parse_header and found.skip:
            raise errors.syntax("SKIP_HEADER is not supported with PARSE_HEADER = TRUE")
        # A new line is logical: CR LF ends a line too.
        return (
            dataclasses.replace(found, record_delimiter="\n") if found.record_delimiter == "\r\n" else found
        )

    @property
    def is_plain(self) -> bool:
        """Whether DuckDB's reader splits files into records and fields as Snowflake does.

        What it would read differently in some files is found by :mod:`snowpipe_ml.local.files.irregular`.
        """
        return (
            0 < len(self.delimiter.encode()) <= _LONGEST_DELIMITER
            and self.record_delimiter == "\n"
            and not self.escape
            and self.escape_unenclosed in ("", "\\")
            and self.encoding == "utf-8"
            and not self.replaces
            and not (self.trim and self.quote)
            and self.multi_line
            and self.binary_format == "HEX"
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
        return dataclasses.replace(self, skip=self.skip + 1, parse_header=False)

    def open(self, path: Path) -> IO[str]:
        """Open a file as text; bytes that are not of its encoding become lone surrogates, unless replaced."""
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        handling = "replace" if self.replaces else "surrogateescape"
        return io.TextIOWrapper(self.open_bytes(path), encoding=encoding, errors=handling, newline="")

    def open_bytes(self, path: Path) -> IO[bytes]:
        """Open a file as bytes, decompressed."""
        return open_bytes(path, self.compression_of(path))

    def compression_of(self, path: Path) -> str:
        """Return the compression of a file: the declared one, or the one that its first bytes show."""
        return compression_of(path, self.compression)

    @property
    def nulls(self) -> list[str]:
        """The texts of a field that DuckDB's reader takes for NULL."""
        return [*self.null_if, *([""] if self.empty_as_null and "" not in self.null_if else [])]

    @property
    def has_quoted_nulls(self) -> bool:
        """Whether these are NULL in quotes too: an empty field in quotes is a text, unless NULL_IF contains ''."""
        return "" in self.null_if or not self.empty_as_null

    @property
    def padded(self) -> bool:
        """Whether the fields that a record lacks are NULL."""
        return self.pads or not self.strict_width

    def is_gzip(self, path: Path) -> bool:
        """Return whether a file is compressed with gzip."""
        return self.compression_of(path) == "GZIP"

    def text_value(self, value: str) -> str:
        """Return the expression of a text that DuckDB's reader has read, given the expression of its field.

        The reader does not remove spaces, and takes no field in quotes for NULL.
        """
        if self.trim:
            value = f"trim({value})"
        nulls = [null for null in self.null_if if null] if self.quote else []
        if self.trim:
            nulls = [*self.null_if, *([""] if self.empty_as_null else [])]
        listed = ", ".join(literal(null) for null in nulls)
        return f"CASE WHEN {value} NOT IN ({listed}) THEN {value} END" if nulls else value

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
        described = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
        packed = self.is_gzip(paths[0])
        # One thread decompresses a file anyway; and a parallel scan may stop after many rejected rows, see
        # Rejects.hide_rows.
        parallel = parallel and not self.padded and not packed
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
            "nullstr = [" + ", ".join(map(literal, self.nulls)) + "]",
            f"allow_quoted_nulls = {str(self.has_quoted_nulls).lower()}",
            f"compression = {literal('gzip' if packed else 'none')}",
            f"null_padding = {str(self.padded).lower()}",
            f"max_line_size = {MAX_LINE}",
            f"parallel = {str(parallel).lower()}",
            *more,
        ]
        return f"read_csv({', '.join(arguments)})"
