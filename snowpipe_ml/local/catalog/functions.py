"""The catalog of user-defined functions and procedures."""

from __future__ import annotations

from snowpipe_ml.local.core.session import Session


def definitions(session: Session, name: tuple[str, ...], kind: str) -> list[str]:
    """List the definitions of all overloads of a name, as JSON, ordered by signature.

    Args:
        session: the current session; it does not see temporary functions of other sessions.
        name: the name, in one to three parts.
        kind: PROCEDURE for procedures; any other value for functions of all kinds.
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
