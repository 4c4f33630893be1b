"""Load files of each format into a table, for COPY INTO."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import duckdb

from snowpipe_ml.local.catalog.load_history import Loaded
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.formats.base import format_of
from snowpipe_ml.local.files.load_errors import NeedsSingleFilesError, abort
from snowpipe_ml.local.files.selected_loading import implied_select, load_selected, query_of
from snowpipe_ml.local.files.text_loading import load_text


def load_files(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: list[StagedFile],
    failed: dict[str, Loaded],
    query_id: str,
    *,
    by_record: bool = False,
    one_by_one: bool = False,
) -> list[Loaded]:
    """Load files within the caller's transaction; files in ``failed`` are known to fail and are not loaded.

    Raises:
        ProgrammingError: a row cannot be loaded, and ON_ERROR is ABORT_STATEMENT.
        NeedsRecordsError: single rows have to be rejected that only reading by record rejects; the
            transaction is aborted, and the load has to be run again with ``by_record``.
        NeedsSingleFilesError: a row of several files cannot be loaded; the load has to be run again with
            ``one_by_one``, which names the file.
    """
    if copy.on_error == "ABORT_STATEMENT":
        for loaded in failed.values():
            if loaded.first is not None:
                abort(loaded.file, loaded.first)
    if copy.select is None and format_of(options).is_text:
        # A COPY that lists columns takes the fields that a record lacks for NULL, as Snowpark's tests expect.
        fmt = dataclasses.replace(CsvFormat.read(options), pads=bool(copy.columns))
        return load_text(session, copy, columns, fmt, files, failed, query_id, by_record)
    select = copy.select or implied_select(session, copy, columns, options, files)
    if len(files) > 1 and not failed and not one_by_one and not session.in_transaction:
        counts = [format_of(options).row_count(file) for file in files]
        if None not in counts:
            return _load_together(session, copy, columns, options, files, counts, select)
    return [
        failed.get(file.relative) or load_selected(session, copy, columns, options, file, select)
        for file in files
    ]


def _load_together(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
    counts: Sequence[int | None],
    select: str,
) -> list[Loaded]:
    """Load files in one statement, so that DuckDB reads several at once."""
    with query_of(session, copy, columns, options, files, select) as query:
        try:
            session.duck.execute(f"INSERT INTO {copy.into(columns)} {query}")
        except duckdb.Error as raised:
            raise NeedsSingleFilesError from raised
    return [Loaded(file, count or 0) for file, count in zip(files, counts, strict=True)]
