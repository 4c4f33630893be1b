"""Tags and their values on objects."""

from __future__ import annotations

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader


class Tags(Kept):
    """Tags; they own their values on objects."""

    word = "TAG"
    table = "TAGS"
    shown = (
        CREATED,
        *PLACE,
        ("comment", "VARCHAR", "coalesce(comment, '')"),
        ("allowed_values", "VARCHAR", "allowed::VARCHAR"),
    )

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Delete a tag and its values; return False if it does not exist."""
        session.duck.execute(
            f"DELETE FROM {session.catalog(name[0], 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ?",
            list(name[1:]),
        )
        return super().drop(session, name)

    def drop_schema(self, session: Session, database: str, schema: str) -> None:
        """Delete the tags of a schema and their values."""
        values = session.catalog(database, "TAG_VALUES")
        session.duck.execute(f"DELETE FROM {values} WHERE tag_schema = ?", [schema])
        super().drop_schema(session, database, schema)


def get_tag(session: Session, tag: str, name: str, domain: str) -> str | None:
    """Evaluate ``SYSTEM$GET_TAG('tag', 'object', 'domain')``; None if the tag is not set.

    The domain is TABLE for views too, and COLUMN for ``table.column``.
    """
    tag_name = session.resolve(Reader(tag).name())
    parts = Reader(name).name()
    column = ""
    if domain.upper() == "COLUMN":
        parts, column = parts[:-1], parts[-1]
    database, schema, target = session.resolve(parts)
    row = session.duck.execute(
        f"SELECT tag_value FROM {session.catalog(database, 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ? "
        "AND domain = ? AND schema_name = ? AND object_name = ? AND column_name = ?",
        [tag_name[1], tag_name[2], "TABLE" if column else domain.upper(), schema, target, column],
    ).fetchone()
    return row[0] if row else None


def copy_tags(session: Session, source: Name, target: Name) -> None:
    """Copy the tag values of a table to its clone."""
    if source[0] == target[0]:
        values = session.catalog(source[0], "TAG_VALUES")
        session.duck.execute(
            f"INSERT INTO {values} SELECT tag_schema, tag_name, domain, ?, ?, column_name, tag_value "
            f"FROM {values} WHERE schema_name = ? AND object_name = ?",
            [*target[1:], *source[1:]],
        )
