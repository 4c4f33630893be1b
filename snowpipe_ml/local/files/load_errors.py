"""Load failures: the errors after which a load is restarted in another way, and the limits of ON_ERROR."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.local.catalog.load_history import Loaded, Rejected
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors


class NeedsRecordsError(Exception):
    """DuckDB has aborted a load because of rows that Snowflake only rejects."""


class NeedsSingleFilesError(Exception):
    """A row of several files that were loaded in one statement cannot be loaded."""


def abort_within(done: Sequence[Loaded], count: int, skipped: int) -> None:
    """Raise the first error of the first ``count`` rows.

    Args:
        done: the files in order.
        count: the number of rows.
        skipped: the lines of the header of each file.
    """
    before = 0
    for loaded in done:
        if loaded.first is not None and before + loaded.first.line - 1 - skipped < count:
            abort(loaded.file, loaded.first)
        before += loaded.loaded
        if before >= count:
            return


def abort(file: StagedFile, first: Rejected) -> None:
    """Raise the error of the first row that cannot be loaded.

    Raises:
        ProgrammingError: always.
    """
    raise errors.error(
        first.code,
        "22018",
        f"{first.message}\n  File '{file.relative}', line {first.line}, character {first.character}\n"
        f"  Row {first.line}, column {first.column}\n  If you would like to continue loading when an error is "
        "encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option.",
    )
