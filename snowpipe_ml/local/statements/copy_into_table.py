"""COPY INTO a table: its options, the files that it loads, and its result.

https://docs.snowflake.com/en/sql-reference/sql/copy-into-table
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.load_history import (
    Loaded,
    keep_failures,
    keep_missing,
    rejected,
    remember,
    remembered,
)
from snowpipe_ml.local.catalog.stages import MissingFilesError, Stage, StagedFile, find_stage
from snowpipe_ml.local.catalog.stream_changes import INSERTED, tracked
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.parameters import input_formats
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.time_formats import is_auto
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options, list_option, number_option, text_option
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.files.formats.base import format_of
from snowpipe_ml.local.files.line_ends import with_even_lines
from snowpipe_ml.local.files.load_errors import NeedsRecordsError, NeedsSingleFilesError, abort_within
from snowpipe_ml.local.files.loading import load_files
from snowpipe_ml.local.files.selected_loading import check_selected, parsed_select
from snowpipe_ml.local.statements.base import Statement, command, describes
from snowpipe_ml.local.statements.copy_into_location import copy_files, unload
from snowpipe_ml.local.syntax.reader import Reader

OPTIONS = (
    "FILE_FORMAT",
    "FILES",
    "PATTERN",
    "ON_ERROR",
    "FORCE",
    "PURGE",
    "SIZE_LIMIT",
    "RETURN_FAILED_ONLY",
    "ENFORCE_LENGTH",
    "TRUNCATECOLUMNS",
    "LOAD_UNCERTAIN_FILES",
    "MATCH_BY_COLUMN_NAME",
    "VALIDATION_MODE",
)
# Options that Snowflake has besides these.
_KNOWN = (
    "CLUSTER_AT_INGEST_TIME",
    "CREDENTIALS",
    "ENCRYPTION",
    "FILE_PROCESSOR",
    "INCLUDE_METADATA",
    "LOAD_MODE",
    "STORAGE_INTEGRATION",
)
_RESULT = [
    ("file", "VARCHAR"),
    ("status", "VARCHAR"),
    ("rows_parsed", "BIGINT"),
    ("rows_loaded", "BIGINT"),
    ("error_limit", "BIGINT"),
    ("errors_seen", "BIGINT"),
    ("first_error", "VARCHAR"),
    ("first_error_line", "BIGINT"),
    ("first_error_character", "BIGINT"),
    ("first_error_column_name", "VARCHAR"),
]
_UNLOADED = ("rows_unloaded", "input_bytes", "output_bytes")
T = TypeVar("T")
_ERRORS_ONLY = ("RETURN_ERRORS", "RETURN_ALL_ERRORS")
_ON_ERROR = re.compile(r"ABORT_STATEMENT|CONTINUE|SKIP_FILE(_\d+%?)?")


@describes("COPY")
def _describe_copy(statement: Statement) -> list[Column]:
    """The columns of a COPY's result; nothing is loaded."""
    reader = statement.reader
    reader.expect("COPY", "INTO")
    if reader.peek().text.startswith(("@", "'")):
        return [Column(name, "BIGINT") for name in _UNLOADED]
    return [Column(name, kind) for name, kind in _RESULT]


@command("COPY")
def copy_into(statement: Statement) -> Result:
    """``COPY INTO table [(columns)] FROM @stage | (SELECT ... FROM @stage) options``, and the other COPY statements."""
    reader = statement.reader
    if reader.looking_at("COPY", "FILES"):
        return copy_files(statement)
    if reader.peek(2).kind == "stage" or reader.peek(2).text.startswith("'@"):
        return unload(statement)
    return _load(statement)


def _load(statement: Statement) -> Result:
    session = statement.session
    copy = _read(session, statement.reader)
    for key in copy.options:
        if key in _KNOWN:
            raise errors.UnsupportedError(f"COPY INTO with {key}")
        if key not in OPTIONS:
            raise errors.syntax(f"syntax error unexpected '{key}'.")
    if copy.options.get("LOAD_UNCERTAIN_FILES"):
        raise errors.UnsupportedError("COPY INTO with LOAD_UNCERTAIN_FILES = TRUE")
    if copy.match not in ("NONE", "CASE_SENSITIVE", "CASE_INSENSITIVE"):
        raise errors.syntax(f"invalid value '{copy.match}' for MATCH_BY_COLUMN_NAME")
    if not _ON_ERROR.fullmatch(copy.on_error):
        raise errors.syntax(f"invalid value '{copy.on_error}' for ON_ERROR")
    stage, path = find_stage(session, copy.stage)
    options = _dated(session, file_format(session, copy.options.get("FILE_FORMAT"), stage))
    fmt = format_of(options)
    fmt.check(options)
    if fmt.is_text and copy.select is None:
        parsed = CsvFormat.read(options).parse_header
        if (copy.match != "NONE") != parsed:
            raise errors.UnsupportedError(
                f"{'PARSE_HEADER = TRUE' if parsed else 'MATCH_BY_COLUMN_NAME'} in COPY INTO without "
                f"{'MATCH_BY_COLUMN_NAME' if parsed else 'PARSE_HEADER = TRUE'}"
            )
    columns = _target_columns(session, copy)
    try:
        files = _files(copy, stage, path)
    except MissingFilesError as raised:
        if str(copy.options.get("VALIDATION_MODE", "")).upper() not in _ERRORS_ONLY:
            raise
        return _missing_files(statement, copy, raised)
    if copy.options.get("VALIDATION_MODE"):
        return _validate(statement, copy, columns, options, files)
    known = {} if copy.options.get("FORCE") else remembered(session, copy.target)
    if copy.select is not None:
        parsed_select(copy.select, columns)
    fresh = [file for file in files if known.get(file.label) != file.md5]
    fresh = _within(fresh, number_option(copy.options, "SIZE_LIMIT", 0))
    if not fresh:
        return rows([("status", "VARCHAR")], [("Copy executed with 0 files processed.",)])

    def load(files: list[StagedFile], unreadable: dict[str, Loaded]) -> list[Loaded]:
        readable = [file for file in files if file.relative not in unreadable]
        failed = unreadable | check_selected(session, copy, columns, options, readable)

        def once(by_record: bool = False, one_by_one: bool = False) -> list[Loaded]:
            with in_transaction(session), tracked(session, copy.target, INSERTED):
                done = load_files(
                    session,
                    copy,
                    columns,
                    options,
                    files,
                    failed,
                    statement.query_id,
                    by_record=by_record,
                    one_by_one=one_by_one,
                )
                remember(session, copy.target, done, statement.query_id)
                return done

        try:
            done: list[Loaded] = retry_conflicts(session, once)
        except NeedsRecordsError:
            done = retry_conflicts(session, lambda: once(by_record=True))
        except NeedsSingleFilesError:
            done = retry_conflicts(session, lambda: once(one_by_one=True))
        return done

    done = _loaded(session, options, fresh, load)
    if copy.options.get("PURGE"):
        for item in done:
            if item.status == "LOADED":
                item.file.source.unlink(missing_ok=True)
    shown = [item for item in done if item.errors or not copy.options.get("RETURN_FAILED_ONLY")]
    limits = [max(1, item.parsed) if copy.on_error == "CONTINUE" else 1 for item in shown]
    result = rows(_RESULT, [item.row(limit) for item, limit in zip(shown, limits, strict=True)])
    return Result(result.columns, result.table, sum(item.loaded for item in done))


def _dated(session: Session, options: Options) -> Options:
    """Return the options of a file format; where a format of dates or times is AUTO, it is that of the session.

    https://docs.snowflake.com/en/sql-reference/sql/create-file-format
    """
    found = {name.replace("_INPUT", ""): text for name, text in input_formats(session.parameters).items()}
    return {
        **options,
        **{name: text for name, text in found.items() if is_auto(str(options.get(name) or ""))},
    }


def _loaded(
    session: Session,
    options: Options,
    files: list[StagedFile],
    load: Callable[[list[StagedFile], dict[str, Loaded]], T],
) -> T:
    if format_of(options).is_text:
        return with_even_lines(session, CsvFormat.read(options), files, load)
    return load(files, {})


def _files(copy: Copy, stage: Stage, path: str) -> list[StagedFile]:
    """Return the files that a COPY selects by prefix, pattern or list.

    Raises:
        MissingFilesError: a listed file does not exist.
    """
    pattern, listed = text_option(copy.options, "PATTERN"), list_option(copy.options, "FILES")
    return stage.listed(path, listed, pattern) if listed else stage.files(path, pattern)


def _within(files: list[StagedFile], limit: int) -> list[StagedFile]:
    """Return the files up to the one with which their size exceeds SIZE_LIMIT; all of them without a limit."""
    total = 0
    for count, file in enumerate(files):
        if limit and total > limit:
            return files[:count]
        total += file.stat().st_size
    return files


def _validate(
    statement: Statement, copy: Copy, columns: list[Column], options: Options, files: list[StagedFile]
) -> Result:
    """``VALIDATION_MODE = RETURN_ERRORS | RETURN_n_ROWS``: validate files without loading them.

    Raises:
        UnsupportedError: a transaction is open; validation would have to roll it back.
    """
    session = statement.session
    mode = str(copy.options["VALIDATION_MODE"]).upper()
    if session.in_transaction:
        raise errors.UnsupportedError("VALIDATION_MODE in a transaction")
    if copy.select is not None:
        raise errors.syntax(
            "VALIDATION_MODE does not support COPY statements that transform data during a load"
        )
    counted = re.fullmatch(r"RETURN_(\d+)_ROWS", mode)
    if not counted and mode not in _ERRORS_ONLY:
        raise errors.syntax(f"invalid value '{mode}' for VALIDATION_MODE")
    text = copy.select is None and format_of(options).is_text
    copy.options["ON_ERROR"] = "ABORT_STATEMENT" if counted and not text else "CONTINUE"

    def check(files: list[StagedFile], unreadable: dict[str, Loaded]) -> Result:
        with _undone(session):
            before = session.duck.execute(
                f"SELECT coalesce(max(rowid), -1) FROM {quoted(*copy.target)}"
            ).fetchone()
            done = load_files(session, copy, columns, options, files, unreadable, statement.query_id)
            if not counted:
                keep_failures(session, copy.target, done, statement.query_id)
                return Result(*rejected(session, copy.target, statement.query_id))
            if text:
                abort_within(done, int(counted.group(1)), CsvFormat.read(options).skip)
            listed = ", ".join(quoted(column.name) for column in columns)
            return Result(
                *select(
                    session,
                    f"SELECT {listed} FROM {quoted(*copy.target)} WHERE rowid > {before[0] if before else -1} "
                    f"ORDER BY rowid LIMIT {counted.group(1)}",
                )
            )

    return _loaded(session, options, files, check)


def _missing_files(statement: Statement, copy: Copy, raised: MissingFilesError) -> Result:
    """The errors of a validation whose listed files do not exist."""
    with _undone(statement.session):
        keep_missing(statement.session, copy.target, raised, statement.query_id)
        return Result(*rejected(statement.session, copy.target, statement.query_id))


@contextmanager
def _undone(session: Session) -> Iterator[None]:
    """Run a block in a transaction and roll it back."""
    session.duck.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        session.duck.execute("ROLLBACK")


def _read(session: Session, reader: Reader) -> Copy:
    reader.expect("COPY", "INTO")
    target = session.resolve(reader.name(), "COPY")
    refuse_dynamic(session, target)
    columns: list[str] = []
    if reader.accept("("):
        columns.append(reader.identifier())
        while reader.accept(","):
            columns.append(reader.identifier())
        reader.expect(")")
    reader.expect("FROM")
    select = None
    if reader.accept("("):
        start, depth = reader.peek().start, 1
        stage = ""
        while depth:
            token = reader.next()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.kind == "stage" or (token.kind == "string" and token.text.startswith("'@")):
                stage = token.text.strip("'")
                location = (token.start, token.end)
        text = reader.text[start : token.start]
        if not stage:
            raise errors.syntax("the SELECT of a COPY INTO must read from a stage")
        select = text[: location[0] - start] + "_COPY_SOURCE" + text[location[1] - start :]
    else:
        stage = reader.stage()
    options = reader.options()
    reader.end()
    return Copy(target, columns, stage, select, options)


def _target_columns(session: Session, copy: Copy) -> list[Column]:
    found = stored_columns(session, copy.target)
    if not found:
        raise errors.missing_target(".".join(copy.target))
    by_name = {stored.name: stored.column for stored in found}
    for name in copy.columns:
        if name not in by_name:
            raise errors.error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'")
    return [by_name[name] for name in copy.columns] if copy.columns else list(by_name.values())
