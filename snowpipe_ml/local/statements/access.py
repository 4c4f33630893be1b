"""Privileges, where the warehouse is served strictly: who has none may not run a statement.

Each statement is checked before its handler runs. A view is read with the privileges on the view only, as its owner
has those on its tables. https://docs.snowflake.com/en/user-guide/security-access-control-overview
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.access_needs import ACCOUNT, created, required
from snowpipe_ml.local.statements.access_tables import Required
from snowpipe_ml.local.syntax.reader import Reader

ADMINISTRATOR = "ACCOUNTADMIN"
"""The role that may do everything."""
# The privileges on the account that roles have from the start, and the roles that they inherit.
_GIVEN: Mapping[str, tuple[str, ...]] = {
    "SECURITYADMIN": ("MANAGE GRANTS", "CREATE ROLE", "CREATE USER"),
    "SYSADMIN": ("CREATE WAREHOUSE", "CREATE DATABASE"),
    "USERADMIN": ("CREATE ROLE", "CREATE USER"),
}
_ALL = {"ALL", "ALL PRIVILEGES", "OWNERSHIP"}
_IN_SCHEMA = 3  # parts of the name of an object in a schema


def check_access(session: Session, text: str) -> None:
    """Check that the role of a session may run a statement.

    Raises:
        ProgrammingError: it may not.
    """
    if not session.storage.strict or session.role == ADMINISTRATOR:
        return
    reader = Reader(text)
    if not reader.done and reader.peek().upper in ("GRANT", "REVOKE"):
        return  # its handler checks the objects, of which one statement may have many
    wanted = required(session, text)
    if wanted:
        held = _Held(session)
        for need in wanted:
            held.check(need)


def check_grant(session: Session, privilege: str, kind: str, name: str) -> None:
    """Check that the role of a session may grant or revoke a privilege on an object.

    It may with ownership, with the privilege WITH GRANT OPTION, and with MANAGE GRANTS.

    Raises:
        ProgrammingError: it may not.
    """
    if not session.storage.strict or session.role == ADMINISTRATOR:
        return
    held = _Held(session)
    if held.of(ACCOUNT, ()) & {"MANAGE GRANTS"} or held.of(kind, tuple(name.split("."))) & {"OWNERSHIP"}:
        return
    if (privilege, kind, name) in held.options:
        return
    raise _insufficient(kind, name)


def record_owner(session: Session, text: str) -> None:
    """Make the role of a session the owner of the object that a statement has created."""
    found = created(session, text) if session.storage.strict and session.role else None
    if found is not None:
        kind, name = found
        grants.own(session, kind, ".".join(name), str(session.role))


class _Held:
    """The privileges of the current role and of the roles that it inherits.

    Args:
        session: the session with the role.
    """

    def __init__(self, session: Session) -> None:
        rows = session.duck.execute(
            f"SELECT privilege, granted_on, name, grantee, coalesce(grant_option, false) FROM {grants.GRANTS} "
            "WHERE granted_to = 'ROLE' AND NOT starts_with(granted_on, ?)",
            [grants.FUTURE],
        ).fetchall()
        roles, open_ = set[str](), [session.role or "PUBLIC", "PUBLIC"]
        while open_:
            role = open_.pop()
            if role not in roles:
                roles.add(role)
                open_ += [name for _, kind, name, grantee, _ in rows if kind == "ROLE" and grantee == role]
        self._held: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.options: set[tuple[str, str, str]] = set()
        for role in roles:
            self._held[ACCOUNT, ""].update(_GIVEN.get(role, ()))
        for privilege, kind, name, grantee, option in rows:
            if grantee in roles:
                # A function is known by its name: its overloads belong together.
                self._held[kind, "" if kind == ACCOUNT else name.partition("(")[0]].add(privilege)
                if option:
                    self.options.add((privilege, kind, name))

    def of(self, kind: str, name: tuple[str, ...]) -> set[str]:
        """Return the privileges on an object."""
        return self._held.get((kind, ".".join(name).partition("(")[0]), set())

    def check(self, need: Required) -> None:
        """Check a need.

        Raises:
            ProgrammingError: the role lacks it.
        """
        name = need.name
        if need.kind in ("SCHEMA", *(() if len(name) < _IN_SCHEMA else (need.kind,))):
            for kind, place in (("DATABASE", name[:1]), ("SCHEMA", name[:2])):
                if not self.of(kind, place) and (kind, place) != (need.kind, name):
                    raise errors.missing(kind.capitalize(), ".".join(place))
        held = self.of(need.kind, name)
        if held & {*_ALL, *need.privileges} or (held and not need.privileges):
            return
        if need.kind != ACCOUNT and not held:
            if not need.privileges and need.kind in ("DATABASE", "SCHEMA", "WAREHOUSE"):
                raise errors.absent()
            if need.kind not in ("SCHEMA", "DATABASE"):
                raise errors.missing(_title(need), ".".join(name))
        raise _insufficient(need.kind, ".".join(name))


def _title(need: Required) -> str:
    if need.kind in ("TABLE", "VIEW") or "SELECT" in need.privileges:
        return "Object"
    return need.kind.capitalize()


def _insufficient(kind: str, name: str) -> Exception:
    shown = name.rpartition(".")[2] or "LOCAL"
    text = f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} '{shown}'."
    return errors.error(3001, "42501", text)
