"""The functions and procedures that users have created, as the catalog keeps them."""

from __future__ import annotations

from snowpipe_ml.local.core.session import Session


def definitions(session: Session, name: tuple[str, ...], kind: str) -> list[str]:
    """The definitions of a name's overloads, each as JSON, by signature.

    Args:
        session: the session that looks; temporary functions of others are hidden from it.
        name: the name, in one to three parts.
        kind: PROCEDURE, or anything else for functions of all kinds.
    """
    if len(name) < 3 and not (session.database and (len(name) == 2 or session.schema)):
        return []
    database, schema, last = session.resolve(name)
    if database not in session.storage.databases():
        return []
    rows = session.duck.execute(
        f"SELECT definition FROM {session.catalog(database, 'FUNCTIONS')} "
        "WHERE schema_name = ? AND name = ? AND (kind = 'PROCEDURE') = (? = 'PROCEDURE') "
        "AND coalesce(session = ?, true) ORDER BY signature",
        [schema, last, kind, str(session.session_id)],
    ).fetchall()
    return [str(text) for (text,) in rows]
