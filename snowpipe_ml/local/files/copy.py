"""A parsed COPY INTO table statement: target, files, format and options."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.local.catalog.load_history import Loaded
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options


@dataclass
class Copy:
    """A parsed COPY INTO table statement."""

    target: Name
    columns: list[str]
    stage: str
    select: str | None
    options: Options

    @property
    def on_error(self) -> str:
        """The ON_ERROR option; the default is ABORT_STATEMENT, as on Snowflake."""
        return str(self.options.get("ON_ERROR") or "ABORT_STATEMENT").upper().strip("'")

    @property
    def truncates(self) -> bool:
        """Return whether strings that are too long are truncated."""
        return bool(self.options.get("TRUNCATECOLUMNS")) or self.options.get("ENFORCE_LENGTH") is False

    @property
    def match(self) -> str:
        """The MATCH_BY_COLUMN_NAME option."""
        return str(self.options.get("MATCH_BY_COLUMN_NAME") or "NONE").upper()

    def into(self, columns: list[Column]) -> str:
        """Return the table and column list of the INSERT."""
        return f"{quoted(*self.target)} ({', '.join(quoted(column.name) for column in columns)})"

    def skips(self, loaded: Loaded) -> bool:
        """Return whether ON_ERROR = SKIP_FILE, SKIP_FILE_n or SKIP_FILE_n% skips a file."""
        limit = self.on_error.removeprefix("SKIP_FILE").lstrip("_")
        if limit.endswith("%"):
            return 100 * loaded.errors >= int(limit[:-1]) * loaded.parsed
        return loaded.errors >= int(limit or 1)
