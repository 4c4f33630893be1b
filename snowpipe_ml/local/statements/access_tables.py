"""The privileges that queries and DML need on tables, views and functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp

from snowpipe_ml.local.catalog.kinds import KINDS
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core.names import CATALOG
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader


class Required(NamedTuple):
    """Privileges on an object, of which a statement needs one.

    Attributes:
        privileges: the privileges, any of which will do; none for any privilege at all. Ownership always will do.
        kind: the kind of object.
        name: its qualified name; none for the account.
    """

    privileges: tuple[str, ...]
    kind: str
    name: tuple[str, ...] = ()


def on_existing(
    session: Session, privileges: tuple[str, ...], kind: str, name: tuple[str, ...]
) -> Iterator[Required]:
    """Yield what a statement needs on an object, if that exists and does not belong to the session alone."""
    if kind in ("TABLE", "VIEW") and len(name) == 3:
        whole = (name[0], name[1], name[2])
        if session.storage.owners.get(whole) == session.session_id or name[1] in (
            "INFORMATION_SCHEMA",
            CATALOG,
        ):
            return
        there = existing_kind(session, whole)
        if there is None and KINDS["STREAM"].exists(session, whole):
            there = "STREAM"
        elif there == "TABLE" and KINDS["DYNAMIC TABLE"].exists(session, whole):
            there = "DYNAMIC TABLE"
        if there is not None:
            yield Required(privileges, there, name)
    elif kind in KINDS:
        if name[0] in session.storage.databases() and KINDS[kind].exists(
            session, (name[0], name[1], name[2])
        ):
            yield Required(privileges, kind, name)
    else:
        yield Required(privileges, kind, name)


def select(session: Session, reader: Reader) -> Iterator[Required]:
    """Yield what a query needs."""
    yield from query(session, reader.text)


def query(session: Session, text: str) -> Iterator[Required]:
    """Yield SELECT on the tables and views of a query, and USAGE on its functions."""
    if text:
        yield from _reads(session, parse(text))


def _reads(session: Session, tree: exp.Expr, written: exp.Expr | None = None) -> Iterator[Required]:
    known = {cte.alias.upper() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        name = _name_of(table)
        if table is written or not name or (len(name) == 1 and name[0] in known):
            continue
        yield from on_existing(session, ("SELECT",), "TABLE", session.resolve(name))
    for call in tree.find_all(exp.Anonymous):
        name = session.resolve((str(call.this).upper(),))
        if not isinstance(call.parent, exp.Dot) and KINDS["FUNCTION"].exists(session, name):
            yield Required(("USAGE",), "FUNCTION", name)


def _name_of(table: exp.Expr) -> tuple[str, ...]:
    """Return the parts of the name of a table in a tree; nothing for a function, a stage or a VALUES."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return ()
    parts = [
        part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part is not None
    ]
    if any(not isinstance(part, exp.Identifier) or part.name.startswith("@") for part in parts):
        return ()
    return tuple(part.name if part.args.get("quoted") else part.name.upper() for part in parts)


def write(session: Session, reader: Reader) -> Iterator[Required]:
    """Yield what INSERT, UPDATE, DELETE and MERGE need on the table that they change, and on those that they read."""
    tree = parse(reader.text)
    target: exp.Expr = tree.this
    if isinstance(target, exp.Schema):
        target = target.this
    privileges: list[str] = []
    match tree:
        case exp.Insert():
            privileges = ["INSERT", *(["DELETE"] if tree.args.get("overwrite") else [])]
        case exp.Update():
            privileges = ["UPDATE"]
        case exp.Delete():
            privileges = ["DELETE"]
        case exp.Merge():
            actions = [when.args.get("then") for when in tree.find_all(exp.When)]
            kinds = ((exp.Insert, "INSERT"), (exp.Update, "UPDATE"))
            privileges = [word for of, word in kinds if any(isinstance(then, of) for then in actions)]
            deletes = any(isinstance(then, exp.Var) and then.name.upper() == "DELETE" for then in actions)
            privileges += [*(["DELETE"] if deletes else []), "SELECT"]
    name = _name_of(target)
    if name:
        for privilege in privileges:
            yield from on_existing(session, (privilege,), "TABLE", session.resolve(name))
    yield from _reads(session, tree, target)
