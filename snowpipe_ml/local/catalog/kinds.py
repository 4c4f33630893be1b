"""The kinds of objects that the catalog keeps: where, and what goes with them when their schema is dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from snowpipe_ml.local.core.names import CATALOG, quoted
from snowpipe_ml.local.core.session import Session


@dataclass(frozen=True)
class Kind:
    """A kind of entries in the catalog of a database.

    Attributes:
        table: the catalog table with an entry per object.
        columns: the columns of the table that hold an object's schema.
        release: removes what an object owns outside of the catalog table, given the value of ``owned``.
        owned: the column that names it.
    """

    table: str
    columns: tuple[str, ...] = ("schema_name",)
    owned: str | None = None
    release: Callable[[Session, str, str], None] | None = None


def _remove_files(session: Session, database: str, stage_id: str) -> None:
    shutil.rmtree(session.storage.path / "stages" / stage_id, ignore_errors=True)


def _drop_offset(session: Session, database: str, kept: str) -> None:
    session.duck.execute(f"DROP TABLE IF EXISTS {quoted(database, CATALOG, kept)}")


KINDS = (
    Kind("STAGES", owned="id", release=_remove_files),
    Kind("STREAMS", owned="kept", release=_drop_offset),
    Kind("FILE_FORMATS"),
    Kind("FUNCTIONS"),
    Kind("TASKS"),
    Kind("TAGS"),
    Kind("TAG_VALUES", columns=("tag_schema", "schema_name")),
    Kind("LOADS"),
    Kind("COPY_ERRORS"),
    Kind("TEMPORARY"),
    Kind("TRANSIENT"),
    Kind("CHANGES"),
)


def forget_schema(session: Session, database: str, schema: str) -> None:
    """Remove every entry of a schema from the catalog, with what the objects own."""
    for kind in KINDS:
        where = " OR ".join(f"{column} = $1" for column in kind.columns)
        removed = session.duck.execute(
            f"DELETE FROM {session.catalog(database, kind.table)} WHERE {where} RETURNING {kind.owned or '1'}",
            [schema],
        ).fetchall()
        if kind.release is not None:
            for (owned,) in removed:
                kind.release(session, database, owned)
