"""The clauses of CREATE TABLE and CREATE VIEW after the columns, and what a replacement keeps of the replaced object.

https://docs.snowflake.com/en/sql-reference/sql/create-table
"""

from __future__ import annotations

from dataclasses import dataclass, field

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options, Row, text_option
from snowpipe_ml.local.statements.tags import read_tags
from snowpipe_ml.local.syntax.reader import Reader

# Table properties that do not affect the content of a table.
PROPERTIES = {
    "COMMENT",
    "DATA_RETENTION_TIME_IN_DAYS",
    "MAX_DATA_EXTENSION_TIME_IN_DAYS",
    "CHANGE_TRACKING",
    "ENABLE_SCHEMA_EVOLUTION",
    "DEFAULT_DDL_COLLATION",
    "STAGE_FILE_FORMAT",
}
_COPIED = ("GRANTS", "TAGS", "COMMENTS")


@dataclass
class Properties:
    """The clauses of a table or view.

    Attributes:
        comment: its comment.
        tags: its tags and their values.
        copied: what it keeps of the object that it replaces: GRANTS, TAGS, COMMENTS.
        cluster_by: its clustering key, which is only shown.
        options: its properties as they are written.
    """

    comment: str | None = None
    tags: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    copied: set[str] = field(default_factory=set)
    cluster_by: str | None = None
    options: Options = field(default_factory=dict)


def read_properties(reader: Reader) -> Properties:
    """Parse the clauses of a table or view, to AS or to the end.

    Raises:
        UnsupportedError: a property is not supported.
    """
    found = Properties()
    while not reader.done and not reader.looking_at("AS"):
        if reader.accept("COPY", "GRANTS"):
            found.copied.add("GRANTS")
        elif reader.accept("COPY", "TAGS"):
            found.copied.add("TAGS")
        elif reader.accept("COPY", "=", "("):
            found.copied |= _copied(reader)
        elif reader.accept("CLUSTER", "BY"):
            found.cluster_by = clustering_key(reader)
        elif reader.accept("WITH", "TAG", "(") or reader.accept("TAG", "("):
            found.tags += read_tags(reader)
            reader.expect(")")
        else:
            options = reader.options()
            for key in set(options) - PROPERTIES:
                raise errors.UnsupportedError(f"{key} of a table")
            if not options:
                raise reader.unexpected()
            found.options |= options
            if "COMMENT" in options:
                found.comment = text_option(options, "COMMENT")
    return found


def clustering_key(reader: Reader) -> str:
    """Return the expressions of ``CLUSTER BY (...)`` as they are written, without the parentheses.

    https://docs.snowflake.com/en/user-guide/tables-clustering-keys
    """
    reader.accept("LINEAR")
    reader.expect("(")
    start, depth = reader.peek().start, 1
    while True:
        token = reader.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return reader.text[start : token.start].strip()


def _copied(reader: Reader) -> set[str]:
    """Parse the kinds of ``COPY = (COMMENTS, TAGS, GRANTS)``."""
    found = set()
    while True:
        word = next((word for word in _COPIED if reader.accept(word)), None)
        if word is None:
            raise reader.unexpected(f"expected one of {', '.join(_COPIED)}")
        found.add(word)
        if not reader.accept(","):
            reader.expect(")")
            return found


@dataclass(frozen=True)
class Carried:
    """The tags and comments of a replaced table or view that its replacement keeps.

    Attributes:
        kind: TABLE or VIEW.
        tags: the rows of TAG_VALUES.
        comment: the comment of the object.
        columns: the comments of its columns.
    """

    kind: str
    tags: list[Row] = field(default_factory=list)
    comment: str | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, kind: str, name: Name, copied: set[str]) -> Carried:
        """Read what the replacement of a table or view keeps of it."""
        tags: list[Row] = []
        comment, columns = None, {}
        if "TAGS" in copied:
            values = session.catalog(name[0], "TAG_VALUES")
            where = "schema_name = ? AND object_name = ?"
            tags = session.duck.execute(f"SELECT * FROM {values} WHERE {where}", list(name[1:])).fetchall()
        if "COMMENTS" in copied:
            word = kind.lower()
            row = session.duck.execute(
                f"SELECT comment FROM duckdb_{word}s() "
                f"WHERE database_name = ? AND schema_name = ? AND {word}_name = ?",
                list(name),
            ).fetchone()
            comment = row[0] if row else None
            columns = {
                stored.name: stored.comment
                for stored in stored_columns(session, name)
                if stored.comment is not None
            }
        return cls(kind, tags, comment, columns)

    def restore(self, session: Session, name: Name, *, commented: bool) -> None:
        """Give the replacement what it keeps; tags and comments of columns that it does not have are lost.

        A tag of the replaced object takes precedence over one of the statement, a comment does not.
        """
        if not (self.tags or self.comment or self.columns):
            return
        there = {stored.name: stored.comment for stored in stored_columns(session, name)}
        values = session.catalog(name[0], "TAG_VALUES")
        for row in self.tags:
            *key, column, _ = row
            if column and column not in there:
                continue
            session.duck.execute(
                f"DELETE FROM {values} WHERE tag_schema = ? AND tag_name = ? AND domain = ? "
                "AND schema_name = ? AND object_name = ? AND column_name = ?",
                [*key, column],
            )
            session.duck.execute(f"INSERT INTO {values} VALUES (?, ?, ?, ?, ?, ?, ?)", list(row))
        if self.comment and not commented:
            session.duck.execute(f"COMMENT ON {self.kind} {quoted(*name)} IS {literal(self.comment)}")
        for column, text in self.columns.items():
            if column in there and there[column] is None:
                session.duck.execute(f"COMMENT ON COLUMN {quoted(*name, column)} IS {literal(text)}")
