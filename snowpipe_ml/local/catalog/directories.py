"""Directory tables: the files of a stage as they were when it was last refreshed.

https://docs.snowflake.com/en/user-guide/data-load-dirtables
"""

from __future__ import annotations

import datetime as dt
import uuid
from urllib.parse import quote as url_quote

from snowpipe_ml.local.catalog.stages import Stage
from snowpipe_ml.local.catalog.stream_changes import tracked
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import Row

COLUMNS = (
    ("RELATIVE_PATH", "VARCHAR"),
    ("SIZE", "BIGINT"),
    ("LAST_MODIFIED", "TIMESTAMP WITH TIME ZONE"),
    ("MD5", "VARCHAR"),
    ("ETAG", "VARCHAR"),
    ("FILE_URL", "VARCHAR"),
)
STATUSES = (("file", "VARCHAR"), ("status", "VARCHAR"), ("description", "VARCHAR"))
"""The columns of the result of REFRESH."""


def directory_table(session: Session, stage: Stage) -> Name:
    """Return the table with the files of a stage, and make one that an earlier version has not made.

    Raises:
        ProgrammingError: the stage was created without DIRECTORY = (ENABLE = TRUE).
    """
    options = stage.options.get("DIRECTORY")
    if not (isinstance(options, dict) and options.get("ENABLE")):
        raise errors.error(
            2003,
            "02000",
            f"SQL compilation error:\nThe stage '{stage.name}' has no directory table: DIRECTORY = (ENABLE = TRUE)",
        )
    name = stage.directory
    there = session.duck.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(name),
    ).fetchone()
    if there is None:
        make_directory(session, name)
        refresh(session, stage)
    return name


def make_directory(session: Session, name: Name) -> None:
    """Make the directory table of a stage, without files."""
    columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in COLUMNS)
    session.duck.execute(f"CREATE TABLE IF NOT EXISTS {quoted(*name)} ({columns})")


def refresh(session: Session, stage: Stage, path: str = "") -> list[Row]:
    """Bring the directory table of a stage up to date with its files.

    Args:
        session: the session.
        stage: the stage.
        path: only files whose paths begin so.

    Returns:
        The changes: the file, its status and a description.
    """
    table = directory_table(session, stage)
    found = []
    for file in stage.files(path):
        about = file.stat()
        modified = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC)
        url = f"file://{url_quote(str(file.source))}"
        found.append((file.relative, about.st_size, modified, file.md5, file.md5, url))
    now, target = f"_sf_{uuid.uuid4().hex}", quoted(*table)
    within = 'starts_with(d."RELATIVE_PATH", ?)'
    same = 'd."RELATIVE_PATH" = n."RELATIVE_PATH"'
    differs = 'd."MD5" IS DISTINCT FROM n."MD5" OR d."SIZE" IS DISTINCT FROM n."SIZE"'
    duck = session.duck

    def run() -> list[Row]:
        with in_transaction(session), tracked(session, table):
            changes = duck.execute(
                f"SELECT d.\"RELATIVE_PATH\", 'UNREGISTERED', 'File unregistered successfully.' FROM {target} d "
                f"WHERE {within} AND NOT EXISTS (SELECT 1 FROM {now} n WHERE {same}) UNION ALL "
                f"SELECT n.\"RELATIVE_PATH\", CASE WHEN d.\"MD5\" IS NULL THEN 'REGISTERED_NEW' ELSE 'REGISTERED_UPDATE' "
                f"END, 'File registered successfully.' FROM {now} n LEFT JOIN {target} d ON {same} "
                f'WHERE d."MD5" IS NULL OR {differs} ORDER BY 1',
                [path],
            ).fetchall()
            duck.execute(
                f"DELETE FROM {target} d WHERE {within} AND NOT EXISTS (SELECT 1 FROM {now} n WHERE {same})",
                [path],
            )
            columns = ", ".join(f"{quoted(column)} = n.{quoted(column)}" for column, _ in COLUMNS[1:])
            duck.execute(f"UPDATE {target} d SET {columns} FROM {now} n WHERE {same} AND ({differs})")
            duck.execute(
                f"INSERT INTO {target} SELECT * FROM {now} n WHERE NOT EXISTS (SELECT 1 FROM {target} d WHERE {same})"
            )
        return changes

    duck.register(now, rows(list(COLUMNS), found).table.rename_columns([name for name, _ in COLUMNS]))
    try:
        made: list[Row] = retry_conflicts(session, run)
    finally:
        duck.unregister(now)
    return made
