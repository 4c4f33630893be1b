"""The SQL that merges the changes of a stream into a table: one MERGE over the latest change of each key.

A statement that reads a stream in a transaction consumes it when the transaction is committed, so that the rows and the
offset of the stream cannot differ: https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from snowpipe_ml.sql import Fragment, Identifier, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.declared.streams import METADATA

_DELETED = Identifier("CHANGE__DELETED")
_LEAST = 2  # a key that is not unique has so many rows


def inserted(source: Fragment) -> Sql:
    """The relation of the new rows of a stream, without its own columns."""
    return _changes(source, Sql("INSERT"))


def deleted(source: Fragment) -> Sql:
    """The relation of the rows that a stream has as deleted: those that were updated too, as they were."""
    return _changes(source, Sql("DELETE"))


def _changes(source: Fragment, action: Sql) -> Sql:
    return sql(
        "(SELECT * EXCLUDE ({metadata}) FROM {source} WHERE METADATA$ACTION = '{action}')",
        metadata=join(", ", METADATA),
        source=source,
        action=action,
    )


@dataclass(frozen=True)
class Merging:
    """How changes become rows of a table.

    Attributes:
        into: the table.
        key: the columns that identify a row; without a key, new rows are inserted.
        inserts: the query of the new rows.
        deletes: the query of the deleted rows; None to ignore them.
        predicate: a condition on new rows that delete the row with their key, instead of changing it.
        latest_by: the column whose greatest value is the latest change of a key.
    """

    into: QualifiedName
    key: tuple[Identifier, ...]
    inserts: Sql
    deletes: Sql | None = None
    predicate: Sql | None = None
    latest_by: Identifier | None = None

    @property
    def _deletes(self) -> bool:
        return self.deletes is not None or self.predicate is not None

    @property
    def latest(self) -> Sql:
        """The query of the latest change of each key.

        A row that the stream has as new exists in its source. So it counts more than one with the same key that
        was deleted, or that was updated to another key.
        """
        if not self.key:
            return self.inserts
        flag = Sql("")
        if self.deletes is not None:
            flag = sql(", FALSE AS {deleted}", deleted=_DELETED)
        elif self.predicate is not None:
            flag = sql(
                ", COALESCE(({predicate}\n), FALSE) AS {deleted}", predicate=self.predicate, deleted=_DELETED
            )
        changes = sql("SELECT Q.*{flag} FROM ({query}\n) AS Q", flag=flag, query=self.inserts)
        if self.deletes is not None:
            changes = sql(
                "{changes} UNION ALL SELECT Q.*, TRUE FROM ({query}\n) AS Q",
                changes=changes,
                query=self.deletes,
            )
        order: list[Fragment] = [] if self.deletes is None else [_DELETED]
        if self.latest_by is not None:
            order.append(sql("{c} DESC NULLS LAST", c=self.latest_by))
        key = join(", ", self.key)
        return sql(
            "SELECT * FROM ({changes}) QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) = 1",
            changes=changes,
            key=key,
            order=join(", ", order or self.key),
        )

    def wrong_keys(self) -> Sql:
        """The query of a key that cannot be merged: NULL, or without an order of its changes that of several."""
        several = Sql("") if self.latest_by is not None else Sql(f"COUNT(*) >= {_LEAST} OR ")
        return sql(
            "SELECT {key}, COUNT(*) AS N FROM ({query}\n) GROUP BY {key} HAVING {several}{null} ORDER BY N DESC LIMIT 1",
            key=join(", ", self.key),
            query=self.inserts,
            several=several,
            null=join(" OR ", [sql("{c} IS NULL", c=column) for column in self.key]),
        )

    def statement(self, columns: tuple[Identifier, ...]) -> Sql:
        """The statement that merges the changes.

        Args:
            columns: the columns of the changes that the table has too.
        """
        listed = join(", ", columns)
        if not self.key:
            return sql(
                "INSERT INTO {into} ({listed}) SELECT {listed} FROM ({query}\n)",
                into=self.into,
                listed=listed,
                query=self.latest,
            )
        return sql(
            "MERGE INTO {into} AS T USING ({latest}) AS N ON {same} {clauses}",
            into=self.into,
            latest=self.latest,
            same=join(" AND ", [sql("T.{c} = N.{c}", c=column) for column in self.key]),
            clauses=join(" ", self._clauses(columns, listed)),
        )

    def _clauses(self, columns: tuple[Identifier, ...], listed: Sql) -> Iterator[Sql]:
        newer = Sql("")
        if self.latest_by in columns:
            newer = sql(" AND (T.{c} IS NULL OR N.{c} >= T.{c})", c=self.latest_by)
        if self._deletes:
            yield sql("WHEN MATCHED AND N.{deleted}{newer} THEN DELETE", deleted=_DELETED, newer=newer)
        values = [column for column in columns if column not in self.key]
        if values:
            here = sql(" AND NOT N.{deleted}", deleted=_DELETED) if self._deletes else Sql("")
            yield sql(
                "WHEN MATCHED{here}{newer} AND ({differ}) THEN UPDATE SET {changes}",
                here=here,
                newer=newer,
                differ=join(" OR ", [sql("T.{c} IS DISTINCT FROM N.{c}", c=column) for column in values]),
                changes=join(", ", [sql("{c} = N.{c}", c=column) for column in values]),
            )
        yield sql(
            "WHEN NOT MATCHED{here} THEN INSERT ({listed}) VALUES ({new})",
            here=sql(" AND NOT N.{deleted}", deleted=_DELETED) if self._deletes else Sql(""),
            listed=listed,
            new=join(", ", [sql("N.{c}", c=column) for column in columns]),
        )

    def consume(self, columns: tuple[Identifier, ...]) -> Sql:
        """The statement that consumes the changes, and adds none of them."""
        return sql(
            "INSERT INTO {into} ({listed}) SELECT {listed} FROM ({query}\n) WHERE FALSE",
            into=self.into,
            listed=join(", ", columns),
            query=self.inserts,
        )
