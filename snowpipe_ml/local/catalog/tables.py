"""Tables and views, and their metadata in the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from snowpipe_ml.local.catalog.columns import (
    Keys,
    StoredColumn,
    copy_comments,
    copy_declared,
    keys_of,
    rename_in_keys,
    stored_columns,
)
from snowpipe_ml.local.catalog.dropped import keep_dropped
from snowpipe_ml.local.catalog.kind import Kind, Schema
from snowpipe_ml.local.catalog.load_history import forget_rejects
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import CLUSTER_BY, TEXT, properties_of, set_property
from snowpipe_ml.local.catalog.streams import make_stale, rename_base
from snowpipe_ml.local.catalog.tags import copy_tags
from snowpipe_ml.local.catalog.temporary import uncover
from snowpipe_ml.local.catalog.versions import NOTES, note_change, rename_versions
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.ddl import after_name
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.sql import Identifier, Literal

# The catalog tables with notes about tables and views, and the column with the name of the table or view.
_NOTES = {"TEMPORARY": "name", **NOTES}


def forget(session: Session, name: Name, *, kept: bool = False) -> None:
    """Delete the notes about a table or view that is dropped or replaced, and record the change.

    Args:
        session: the session.
        name: the table or view.
        kept: whether the notes are those of the kept table: see dropped.py.
    """
    session.storage.owners.pop(name, None)
    uncover(session, name)
    make_stale(session, name)
    if session.storage.retentions.get(name[0]):
        session.storage.retentions.pop(name[0])
    if not kept:
        _delete_notes(session, name)
    note_change(session, name)


def _delete_notes(session: Session, name: Name) -> None:
    # Most tables have few notes: to look for them takes less time than to delete what is not there.
    noted = session.duck.execute(
        " UNION ALL ".join(
            f"SELECT '{table}' FROM {session.catalog(name[0], table)} WHERE schema_name = $1 AND {column} = $2"
            for table, column in _NOTES.items()
        ),
        list(name[1:]),
    ).fetchall()
    for table in {table for (table,) in noted}:
        session.duck.execute(
            f"DELETE FROM {session.catalog(name[0], table)} WHERE schema_name = ? AND {_NOTES[table]} = ?",
            list(name[1:]),
        )
    if ("COPY_FAILURES",) in noted:
        forget_rejects(session, name[0])


def rename_notes(session: Session, old: Name, new: Name) -> None:
    """Rename a table or view, of the same schema, in what is noted about it."""
    owner = session.storage.owners.pop(old, None)
    if owner is not None:
        session.storage.owners[new] = owner
    for table, column in _NOTES.items():
        session.duck.execute(
            f"UPDATE {session.catalog(old[0], table)} SET {column} = ? WHERE schema_name = ? AND {column} = ?",
            [new[2], *old[1:]],
        )
    rename_base(session, old, new)
    rename_versions(session, old, new)
    session.storage.retentions.pop(old[0], None)


def rename_column(session: Session, table: Name, old: str, new: str) -> None:
    """Rename a column in what is noted about it."""
    for notes in ("TAG_VALUES", "COLUMNS"):
        session.duck.execute(
            f"UPDATE {session.catalog(table[0], notes)} SET column_name = ? "
            f"WHERE schema_name = ? AND {_NOTES[notes]} = ? AND column_name = ?",
            [new, *table[1:], old],
        )
    rename_in_keys(session, table, old, new)


def forget_column(session: Session, table: Name, column: str) -> None:
    """Delete the notes about a column."""
    for notes in ("TAG_VALUES", "COLUMNS"):
        session.duck.execute(
            f"DELETE FROM {session.catalog(table[0], notes)} "
            f"WHERE schema_name = ? AND {_NOTES[notes]} = ? AND column_name = ?",
            [*table[1:], column],
        )


class _Stored(Kind):
    """Tables or views. DuckDB drops them together with their schema."""

    def exists(self, session: Session, name: Name) -> bool:
        """Return whether the session sees such a table or view."""
        return existing_kind(session, name) == self.word and not session.hidden(name)

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Drop a table or view; return False if it does not exist."""
        if not self.exists(session, name):
            return False

        def run() -> None:
            with in_transaction(session):
                kept = self.word == "TABLE" and keep_dropped(session, name)
                session.duck.execute(f"DROP {self.word} {quoted(*name)}")
                forget(session, name, kept=kept)

        retry_conflicts(session, run)
        return True

    def drop_temporary(self, session: Session, database: str) -> None:
        """Drop the temporary tables or views of a session."""
        found = session.duck.execute(
            f"SELECT schema_name, name FROM {session.catalog(database, 'TEMPORARY')} WHERE session = ? AND kind = ?",
            [str(session.session_id), self.word],
        ).fetchall()
        for name in found:
            self.drop(session, (database, *name))


class Tables(_Stored):
    """Tables."""

    word = "TABLE"

    def drop_schema(self, session: Session, database: str, schema: str) -> None:
        """Delete the notes about the tables and views of a schema."""
        for table in (*_NOTES, "CHANGES"):
            session.duck.execute(
                f"DELETE FROM {session.catalog(database, table)} WHERE schema_name = ?", [schema]
            )
        forget_rejects(session, database)

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone tables with their rows and tags, without temporary ones."""
        for (name,) in session.duck.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2 AND table_name "
            f"NOT IN (SELECT name FROM {session.catalog(source[0], 'TEMPORARY')} WHERE schema_name = $2)",
            list(source),
        ).fetchall():
            # The clone reads the clones of the sequences.
            columns = ", ".join(
                stored.sql.replace(quoted(*source), quoted(*target))
                for stored in stored_columns(session, (*source, name))
            )
            session.duck.execute(f"CREATE TABLE {quoted(*target, name)} ({columns})")
            session.duck.execute(f"INSERT INTO {quoted(*target, name)} SELECT * FROM {quoted(*source, name)}")
            copy_declared(session, (*source, name), (*target, name))
            copy_comments(session, (*source, name), (*target, name))
            copy_tags(session, (*source, name), (*target, name))

    def ddl(self, session: Session, name: Name, arguments: str) -> str:
        """Return the CREATE TABLE statement of a table, or the CREATE VIEW statement of a view."""
        if existing_kind(session, name) == "VIEW":
            return Views().ddl(session, name, arguments)
        found = stored_columns(session, name)
        if not found:
            raise errors.missing(self.title, ".".join(name))
        kind = session.table_kind(name)
        word = "" if kind == "TABLE" else f"{kind} "
        parts = [*map(_column, found), *_keys(keys_of(session, name))]
        body = ",\n".join(f"\t{part}" for part in parts)
        row = session.duck.execute(
            "SELECT comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            list(name),
        ).fetchone()
        comment = f"COMMENT={Literal(str(row[0])).sql}\n" if row and row[0] else ""
        key = properties_of(session, name).get(CLUSTER_BY)
        cluster = f"cluster by ({key})" if key else ""
        return f"create or replace {word}TABLE {Identifier(name[2]).sql} {cluster}(\n{body}\n){comment};"


def _column(stored: StoredColumn) -> str:
    text = f"{Identifier(stored.name).sql} {stored.type}"
    if not stored.column.nullable:
        text += " NOT NULL"
    if stored.identity is not None:
        text += " autoincrement start {} increment {} noorder".format(*stored.identity)
    elif stored.default:
        text += f" DEFAULT {stored.default}"
    return text if stored.comment is None else f"{text} COMMENT {Literal(stored.comment).sql}"


def _keys(keys: Keys) -> Iterator[str]:
    def listed(columns: Sequence[str]) -> str:
        return ", ".join(Identifier(column).sql for column in columns)

    for columns in keys.unique:
        yield f"unique ({listed(columns)})"
    if keys.primary:
        yield f"primary key ({listed(keys.primary)})"
    for columns, table, others in keys.foreign:
        target = f"{table}({listed(others)})" if others else table
        yield f"foreign key ({listed(columns)}) references {target}"


class Views(_Stored):
    """Views."""

    word = "VIEW"

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone views with their text unchanged, as on Snowflake: they still read the original tables."""
        for name, text, comment in session.duck.execute(
            "SELECT view_name, sql, comment FROM duckdb_views() "
            "WHERE database_name = ? AND schema_name = ? AND NOT internal",
            list(source),
        ).fetchall():
            session.duck.execute(f"CREATE VIEW {quoted(*target, name)} {after_name(str(text))}")
            if comment is not None:
                session.duck.execute(
                    f"COMMENT ON VIEW {quoted(*target, name)} IS {Literal(str(comment)).sql}"
                )
            copy_comments(session, (*source, name), (*target, name))
            copy_tags(session, (*source, name), (*target, name))
            written = properties_of(session, (*source, name)).get(TEXT)
            if written is not None:
                set_property(session, (*target, name), TEXT, str(written))

    def ddl(self, session: Session, name: Name, arguments: str) -> str:
        """Return the statement that created a view, with its columns as GET_DDL lists them."""
        if existing_kind(session, name) != "VIEW":
            raise errors.missing(self.title, ".".join(name))
        text = properties_of(session, name).get(TEXT)
        if text is None:
            raise errors.UnsupportedError("GET_DDL of a view that an earlier version has created")
        reader = Reader(text)
        while not reader.accept("VIEW"):
            reader.next()
        reader.accept("IF", "NOT", "EXISTS")
        reader.name()
        depth = 0
        while reader.looking_at("(") or depth:  # a column can have a comment, a tag or a policy
            depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
        start = reader.peek().start
        columns = ",\n".join(
            f"\t{Identifier(stored.name).sql}"
            + (f" COMMENT {Literal(stored.comment).sql}" if stored.comment is not None else "")
            for stored in stored_columns(session, name)
        )
        return f"create or replace view {Identifier(name[2]).sql}(\n{columns}\n) {text[start:]};"
