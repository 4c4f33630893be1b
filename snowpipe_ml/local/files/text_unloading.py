"""Write rows as the records of a delimited file, with Snowflake's enclosing and escaping.

A field that is enclosed has its quotes doubled, or escaped by ESCAPE. In a field that is not, the delimiters and
the escape character itself are escaped by ESCAPE or else by ESCAPE_UNENCLOSED_FIELD, which is a backslash by
default.

https://docs.snowflake.com/en/sql-reference/sql/copy-into-location
"""

from __future__ import annotations

from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.csv_options import characters


class TextWriter:
    """Makes the DuckDB query of a delimited file's records, each a BLOB.

    Args:
        options: the options of the file format.

    Raises:
        ProgrammingError: the value of an option is invalid.
    """

    def __init__(self, options: Options) -> None:
        fmt = CsvFormat.read(options)
        self._delimiter, self._quote = fmt.delimiter, fmt.quote
        # CsvFormat takes CR LF for a new line, which it is in a file that is read.
        self._end = characters("RECORD_DELIMITER", options.get("RECORD_DELIMITER", "\n"), "\n")
        self._escape = fmt.escape or ("" if fmt.quote else fmt.escape_unenclosed)
        self._null = fmt.null_if[0] if fmt.null_if else ""

    def query(self, texts: list[str], relation: str, header: list[str] | None) -> str:
        """Return the query of the records.

        Args:
            texts: the SQL of each field as a text, over the relation.
            relation: a relation of DuckDB, in parentheses and with an alias.
            header: the names of the columns if the first record has them.
        """
        fields = [f"coalesce({self._field(text)}, {literal(self._null)})" for text in texts]
        records = f"SELECT {self._record(fields)} AS record FROM {relation}"
        if header is None:
            return records
        names = [self._field(literal(name)) for name in header]
        return f"SELECT {self._record(names)} AS record UNION ALL ({records})"

    def _record(self, fields: list[str]) -> str:
        between = f" || {literal(self._delimiter)} || " if self._delimiter else " || "
        return f"encode({between.join(fields)} || {_text(self._end)})"

    def _field(self, text: str) -> str:
        if self._quote:
            escape = self._escape or self._quote
            for character in dict.fromkeys((escape, self._quote)):
                text = f"replace({text}, {literal(character)}, {literal(escape + character)})"
            return f"({literal(self._quote)} || {text} || {literal(self._quote)})"
        if self._escape:
            for part in dict.fromkeys((self._escape, self._delimiter, self._end, "\n", "\r")):
                if part:
                    text = f"replace({text}, {_text(part)}, {_text(self._escape + part)})"
        return text


def _text(value: str) -> str:
    """Write a text with control characters as DuckDB's literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"E'{escaped}'"
