"""Checks of the database, its schemas, and of each privilege that the spec needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from snowpipe_ml.doctor.account import MANAGE_GRANTS
from snowpipe_ml.doctor.checks import Facts, Told, check, ok, problem, warning
from snowpipe_ml.doctor.needs import ACCOUNT, DATABASE, DATABASE_ROLE, SCHEMA, Need
from snowpipe_ml.plugins import Kind
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql
from snowpipe_ml.steps.declared.step import DeclaredStep

_SHOWN = {"WAREHOUSE": "WAREHOUSES", "ROLE": "ROLES", "DATABASE": "DATABASES"}


@check("database")
def _database(facts: Facts) -> Iterator[Told]:
    name = facts.spec.target.database
    if facts.account.shown("DATABASES", name) is not None:
        yield ok(f"the database {name} exists")
    elif facts.account.has(_creates_database(facts)):
        yield ok(f"the database {name} does not exist yet: the run creates it")
    else:
        grant = Need("USAGE", DATABASE, QualifiedName((name,))).grant(facts.account.role)
        yield problem(
            f"the database {name} does not exist, or the role may not see it",
            f"CREATE DATABASE IF NOT EXISTS {name.sql}; {grant};",
        )


def _creates_database(facts: Facts) -> Need:
    return Need("CREATE DATABASE", ACCOUNT, None)


def _creates_schema(facts: Facts) -> Need:
    return Need("CREATE SCHEMA", DATABASE, QualifiedName((facts.spec.target.database,)))


def _made_by_run(facts: Facts, schema: QualifiedName) -> bool:
    """Return whether the run creates a schema, which its role then owns."""
    database = schema.parts[0]
    if facts.account.shown("DATABASES", database) is None:
        return facts.account.has(_creates_database(facts))
    return not facts.account.has_schema(schema) and facts.account.has(_creates_schema(facts))


def _schema(facts: Facts, name: QualifiedName, what: str) -> Iterator[Told]:
    if facts.account.has_schema(name):
        yield ok(f"the schema {name} exists")
    elif _made_by_run(facts, name):
        yield ok(f"the schema {name} does not exist yet: the run creates it")
    else:
        grant = Need("USAGE", SCHEMA, name).grant(facts.account.role)
        yield problem(
            f"the schema {name} {what} does not exist, or the role may not see it",
            f"CREATE SCHEMA IF NOT EXISTS {name.sql}; {grant};",
        )


@check("schema")
def _own_schema(facts: Facts) -> Iterator[Told]:
    yield from _schema(facts, facts.schema, "of the target")


@check("schema.records")
def _state_schema(facts: Facts) -> Iterator[Told]:
    yield from _schema(facts, facts.state, "of the records of runs")


@check("schema.managed_access")
def _managed_access(facts: Facts) -> Iterator[Told]:
    """In a schema with managed access, the owner of a table cannot grant privileges on it."""
    database, schema = facts.schema.parts
    rows = facts.account.ask(sql("SHOW SCHEMAS IN DATABASE {name}", name=database))
    row = next((row for row in rows if row["name"] == schema.name), None)
    if row is None or "MANAGED ACCESS" not in str(row["options"] or "") or not facts.spec.pipeline.grants:
        yield ok(f"{facts.schema} leaves grants on tables to their owners, or the spec has none")
    elif facts.account.has(MANAGE_GRANTS) or facts.account.owns(row, SCHEMA, facts.schema):
        yield ok(f"{facts.schema} has managed access, and the role may grant privileges in it")
    else:
        yield problem(
            f"{facts.schema} has managed access: the role may not grant the privileges of `grants` on its own tables",
            f"{MANAGE_GRANTS.grant(facts.account.role)};",
        )


def lacking(facts: Facts, need: Need) -> list[str] | None:
    """Return what a missing privilege is needed for; None if it is there, or not needed any more."""
    account = facts.account
    if account.has(need):
        return None
    if need.creates:
        shown = (
            _SHOWN[need.privilege.removeprefix("CREATE ")]
            if need.privilege.startswith("CREATE")
            else "DATABASES"
        )
        left = [name for name in need.creates if account.shown(shown, name) is None]
        return [f"{need.privilege.removeprefix('CREATE ').lower()} {name}" for name in left] or None
    if need.kind in (DATABASE, SCHEMA) and need.name is not None:
        database = need.name.parts[0]
        if account.shown("DATABASES", database) is None and account.has(_creates_database(facts)):
            return None
        if need.kind == SCHEMA and _made_by_run(facts, need.name):
            return None
    return list(need.why)


def lacking_text(facts: Facts, need: Need, why: list[str]) -> str:
    """Return the message about a missing privilege and what needs it."""
    listed = ", ".join(why[:3]) + (f" and {len(why) - 3} more" if len(why) > 3 else "")
    return f"the role {facts.account.role} lacks {need.text}, for {listed}"


def _privileges(name: str, wanted: Callable[[Need], bool], what: str) -> None:
    """Add a check of the privileges on one kind of object."""

    @check(f"privileges.{name}")
    def _check(facts: Facts) -> Iterator[Told]:
        found = [need for need in facts.needs if wanted(need)]
        missing = [(need, why) for need in found if (why := lacking(facts, need)) is not None]
        for need, why in missing:
            told = warning if need.only_for_tasks else problem
            yield told(lacking_text(facts, need, why), f"{need.grant(facts.account.role)};")
        if not missing:
            yield ok(
                f"{len(found)} privileges on {what} are there" if found else f"none on {what} are needed"
            )


_privileges("account", lambda n: n.kind == ACCOUNT, "the account")
_privileges("repository", lambda n: n.kind == DATABASE_ROLE, "artifact repositories")
_privileges("warehouse", lambda n: n.kind == "WAREHOUSE", "warehouses")
_privileges("integration", lambda n: n.kind == "INTEGRATION", "integrations")
_privileges("database", lambda n: n.kind == DATABASE, "databases")
_privileges("schema", lambda n: n.kind == SCHEMA and n.privilege == "USAGE", "schemas")
_privileges(
    "create",
    lambda n: n.kind == SCHEMA and n.privilege != "USAGE",
    "schemas, to create objects",
)
_KINDS = (ACCOUNT, DATABASE_ROLE, "WAREHOUSE", "INTEGRATION", DATABASE, SCHEMA)
_privileges("objects", lambda n: n.kind not in _KINDS, "tables, stages and functions of others")


@check("ownership")
def _ownership(facts: Facts) -> Iterator[Told]:
    """A table can be replaced by its owner only."""
    if not facts.account.has_schema(facts.schema):
        yield ok(f"{facts.schema} has no objects yet")
        return
    others = 0
    rows = {row["name"]: row for row in facts.account.ask(sql("SHOW OBJECTS IN SCHEMA {s}", s=facts.schema))}
    for name in _outputs(facts):
        row = rows.get(name.name)
        whole = QualifiedName((*facts.schema.parts, name))
        if row is None or facts.account.owns(row, str(row["kind"]), whole):
            continue
        others += 1
        kind = str(row["kind"])
        statement = sql(
            "GRANT OWNERSHIP ON {kind} {name} TO ROLE {role} COPY CURRENT GRANTS",
            kind=Sql(kind),
            name=whole,
            role=facts.account.role,
        )
        yield problem(
            f"the {kind.lower()} {whole}, which the run replaces, belongs to {row['owner']}", f"{statement};"
        )
    if not others:
        yield ok("every output that exists belongs to the role")


def _outputs(facts: Facts) -> list[Identifier]:
    """Return the names of the tables and views in the schema of the target that the run writes."""
    found: dict[Identifier, None] = {}
    for node in facts.graph.nodes.values():
        if isinstance(node.step, DeclaredStep) and node.step.elsewhere:
            continue
        for resource in node.writes:
            name = resource.name
            if resource.kind is Kind.TABLE and isinstance(name, QualifiedName) and len(name.parts) == 1:
                found[name.name] = None
    return list(found)


@check("grants.future")
def _future(facts: Facts) -> Iterator[Told]:
    """New tables get the privileges on future tables of their schema."""
    if not facts.account.has_schema(facts.schema):
        yield ok("the schema has none yet")
        return
    rows = facts.account.ask(sql("SHOW FUTURE GRANTS IN SCHEMA {schema}", schema=facts.schema))
    owners = sorted({str(row["grantee_name"]) for row in rows if row["privilege"] == "OWNERSHIP"})
    if set(owners) - facts.account.roles:
        yield warning(
            f"new objects of {facts.schema} belong to {', '.join(owners)}: the run could not replace its own tables",
            f"REVOKE OWNERSHIP ON FUTURE TABLES IN SCHEMA {facts.schema.sql} FROM ROLE {owners[0]};",
        )
    else:
        yield ok(f"{len(rows)} privileges on future objects of {facts.schema}")
