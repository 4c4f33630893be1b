"""The privileges on objects: what becomes of them when objects are created, replaced, renamed and dropped.

https://docs.snowflake.com/en/sql-reference/sql/grant-privilege
"""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row

GRANTS = quoted(ACCOUNT, CATALOG, "GRANTS")
FUTURE = "FUTURE "
"""The prefix of the kind of object in a privilege on future objects of a schema or database."""

_NO_FUTURE_WITH_COPY = ("TABLE", "VIEW")


def created(
    session: Session, word: str, name: Name, arguments: str = "", *, replaced: bool, copy_grants: bool = False
) -> None:
    """Drop the privileges on an object that was replaced, unless they are copied, and add the future ones.

    A replaced table or view whose privileges are copied gets no future ones; other kinds always get them.
    The privileges are those of the account, so this runs outside of the transaction that creates the object.

    Args:
        session: the session that created the object.
        word: the kind of object, such as TABLE.
        name: its name.
        arguments: the types of the arguments of a function or procedure, ``(NUMBER, VARCHAR)``.
        replaced: whether an object of this name was there.
        copy_grants: whether the statement says COPY GRANTS.
    """
    if replaced and not copy_grants:
        forget(session, word, name, arguments)
    if replaced and copy_grants and word in _NO_FUTURE_WITH_COPY:
        return
    schema = f"{name[0]}.{name[1]}"
    found = session.duck.execute(
        f"SELECT privilege, grantee, name FROM {GRANTS} WHERE granted_on = ? AND name IN (?, ?)",
        [FUTURE + word, schema, name[0]],
    ).fetchall()
    # Privileges on the future objects of a schema take the place of those of its database.
    places = {place for _, _, place in found}
    for privilege, grantee, place in found:
        if place == schema or schema not in places:
            add(session, privilege, word, ".".join(name) + arguments, grantee)


def add(
    session: Session,
    privilege: str,
    word: str,
    name: str,
    grantee: str,
    *,
    option: bool = False,
    to: str = "ROLE",
) -> None:
    """Grant a privilege on an object to a role or user, with the option to grant it on if it says so."""
    remove(session, privilege, word, name, grantee, to=to)
    session.duck.execute(
        f"INSERT INTO {GRANTS} (privilege, granted_on, name, grantee, grant_option, granted_to) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [privilege, word, name, grantee, option, to],
    )


def remove(session: Session, privilege: str, word: str, name: str, grantee: str, *, to: str = "ROLE") -> None:
    """Revoke a privilege on an object from a role or user."""
    session.duck.execute(
        f"DELETE FROM {GRANTS} WHERE privilege = ? AND granted_on = ? AND name = ? AND grantee = ? "
        "AND granted_to = ?",
        [privilege, word, name, grantee, to],
    )


def own(session: Session, word: str, name: str, role: str) -> None:
    """Make a role the only owner of an object."""
    session.duck.execute(
        f"DELETE FROM {GRANTS} WHERE privilege = 'OWNERSHIP' AND granted_on = ? AND split_part(name, '(', 1) = ?",
        [word, name],
    )
    add(session, "OWNERSHIP", word, name, role)


def forget(session: Session, word: str, name: Name | tuple[str, ...], arguments: str = "") -> None:
    """Drop the privileges on an object that is gone."""
    key = [word, ".".join(name) + arguments]
    where = "granted_on = ? AND name = ?"
    if session.duck.execute(f"SELECT 1 FROM {GRANTS} WHERE {where}", key).fetchone():
        session.duck.execute(f"DELETE FROM {GRANTS} WHERE {where}", key)


def forget_within(session: Session, *place: str) -> None:
    """Drop the privileges on a database or schema that is gone, and on all that it held."""
    whole = ".".join(place)
    session.duck.execute(
        f"DELETE FROM {GRANTS} WHERE (name = $1 AND (granted_on = $2 OR starts_with(granted_on, $3))) "
        "OR starts_with(name, $1 || '.')",
        [whole, "DATABASE" if len(place) == 1 else "SCHEMA", FUTURE],
    )


def within(session: Session, *place: str) -> list[Row]:
    """Return the privileges on a database or schema and on all that it holds, so that they can be restored."""
    whole = ".".join(place)
    return session.duck.execute(
        "SELECT privilege, granted_on, name, grantee, grant_option, granted_to, created_on::VARCHAR "
        f"FROM {GRANTS} WHERE (name = $1 AND (granted_on = $2 OR starts_with(granted_on, $3))) "
        "OR starts_with(name, $1 || '.')",
        [whole, "DATABASE" if len(place) == 1 else "SCHEMA", FUTURE],
    ).fetchall()


def on_table(session: Session, name: Name) -> list[Row]:
    """Return the privileges on a table, so that they can be restored."""
    return session.duck.execute(
        "SELECT privilege, granted_on, name, grantee, grant_option, granted_to, created_on::VARCHAR "
        f"FROM {GRANTS} WHERE granted_on = 'TABLE' AND name = ?",
        [".".join(name)],
    ).fetchall()


def restore(session: Session, kept: Sequence[Row]) -> None:
    """Grant the privileges again that a restored object had."""
    for row in kept:
        session.duck.execute(
            f"INSERT INTO {GRANTS} (privilege, granted_on, name, grantee, grant_option, granted_to, created_on) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            list(row),
        )


def rename(session: Session, word: str, old: Name, new: Name) -> None:
    """Keep the privileges on an object that has a new name."""
    session.duck.execute(
        f"UPDATE {GRANTS} SET name = ? WHERE granted_on = ? AND name = ?",
        [".".join(new), word, ".".join(old)],
    )


def copy(session: Session, word: str, source: Name, target: Name) -> None:
    """Give a clone the privileges on its source."""
    session.duck.execute(
        f"INSERT INTO {GRANTS} (privilege, granted_on, name, grantee, grant_option) "
        "SELECT privilege, granted_on, ?, grantee, grant_option "
        f"FROM {GRANTS} WHERE granted_on = ? AND name = ?",
        [".".join(target), word, ".".join(source)],
    )
