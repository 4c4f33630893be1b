"""The section ``setup`` of a spec, which an administrator runs once: its statements, and their execution.

Existing objects are left as they are, except for the settings of users that the spec names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from snowpipe_ml.doctor.needs import ACCOUNT, Need
from snowpipe_ml.doctor.script import privileges
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import StatementError, UsageError
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.setup import Setup, Share, User, target_of
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, like_pattern, sql
from snowpipe_ml.steps.declared.warehouses import WarehouseStep


@dataclass(frozen=True)
class Statement:
    """A statement of the setup.

    Attributes:
        sql: the statement.
        once: the database that it creates, if Snowflake has no IF NOT EXISTS for it.
    """

    sql: Sql
    once: Identifier | None = None


def setup_statements(pipeline: Pipeline, target: str | None = None) -> list[Statement]:
    """Return the statements that make what a spec needs on a target, in an order in which they can run.

    Raises:
        SpecError: the spec is invalid.
        UsageError: the spec has no section ``setup``.
    """
    spec, _, ctx = pipeline.load(target)
    setup = spec.pipeline.setup
    if setup is None:
        raise UsageError(
            f"{pipeline.path} has no section `setup`: `doctor --offline` prints the privileges that it needs"
        )
    return list(_statements(spec, setup, ctx, pipeline))


def _statements(spec: Spec, setup: Setup, ctx: PlanContext, pipeline: Pipeline) -> Iterator[Statement]:
    needed = privileges(pipeline, spec.target_name)
    yield Statement(sql("USE ROLE {role}", role=setup.role))
    yield from map(Statement, _roles(spec, setup, needed.role))
    yield from map(Statement, _places(spec, setup))
    for name, model in spec.pipeline.warehouses.items():
        if model.managed == "elsewhere":
            yield Statement(WarehouseStep(f"warehouses.{name}", name, model).create_if_missing())
    for name, share in setup.shares.items():
        yield from _share(Identifier.parse(name), share)
    for name, user in setup.users.items():
        yield from map(Statement, _user(Identifier.parse(name), user, ctx))
    yield from map(Statement, _memberships(spec, setup, needed.role))
    made = {Identifier.parse(name) for name in (*setup.shares, *setup.databases)}
    for need in needed.needs:
        if not _is_made(need, made):
            yield Statement(need.grant(needed.role))
    for role, grants in setup.grants.items():
        for on, names in grants.items():
            listed = join(", ", [Sql(name) for name in names])
            yield Statement(
                sql(
                    "GRANT {listed} ON {on} TO ROLE {role}",
                    listed=listed,
                    on=target_of(on),
                    role=Identifier.parse(role),
                )
            )


def _is_made(need: Need, made: set[Identifier]) -> bool:
    """Return whether a privilege is not needed because the setup creates all that it would create."""
    return need.kind == ACCOUNT and bool(need.creates) and set(need.creates) <= made


def _roles(spec: Spec, setup: Setup, runner: Identifier) -> Iterator[Sql]:
    comments: dict[Identifier, str | None] = {runner: None}
    for name, role in setup.roles.items():
        comments[Identifier.parse(name)] = role.comment
    for name, declared in spec.pipeline.roles.items():
        if declared.managed == "elsewhere":
            comments.setdefault(Identifier.parse(name), declared.comment)
    for identifier, comment in comments.items():
        yield _spaced(sql("CREATE ROLE IF NOT EXISTS {name}", name=identifier), [_option("COMMENT", comment)])


def _places(spec: Spec, setup: Setup) -> Iterator[Sql]:
    places: dict[Identifier, tuple[list[Identifier], str | None]] = {
        spec.target.database: ([spec.target.schema_, spec.pipeline.state], None)
    }
    for name, database in setup.databases.items():
        schemas, _ = places.setdefault(Identifier.parse(name), ([], None))
        places[Identifier.parse(name)] = ([*schemas, *database.schemas], database.comment)
    for identifier, (schemas, comment) in places.items():
        create = sql("CREATE DATABASE IF NOT EXISTS {name}", name=identifier)
        yield _spaced(create, [_option("COMMENT", comment)])
        for schema in dict.fromkeys(schemas):
            if schema.name != "PUBLIC":
                yield sql("CREATE SCHEMA IF NOT EXISTS {name}", name=QualifiedName((identifier, schema)))


def _share(name: Identifier, share: Share) -> Iterator[Statement]:
    """Yield the statements for a share: https://docs.snowflake.com/en/sql-reference/sql/create-database."""
    if share.share is not None:
        source = sql("SHARE {share}", share=QualifiedName.parse(share.share))
    else:
        source = sql("LISTING {listing}", listing=Literal(share.listing))
    yield Statement(sql("CREATE DATABASE {name} FROM {source}", name=name, source=source), once=name)
    for role in share.roles:
        grant = "GRANT IMPORTED PRIVILEGES ON DATABASE {name} TO ROLE {role}"
        yield Statement(sql(grant, name=name, role=role))


def _user(name: Identifier, user: User, ctx: PlanContext) -> Iterator[Sql]:
    """Yield the statements for a service user: https://docs.snowflake.com/en/sql-reference/sql/create-user."""
    key = user.rsa_public_key
    if user.rsa_public_key_file is not None:
        key = ctx.read_text(user.rsa_public_key_file)
    options = [
        _option("RSA_PUBLIC_KEY", None if key is None else _body(key)),
        _option("DEFAULT_ROLE", user.default_role),
        _option("DEFAULT_WAREHOUSE", user.default_warehouse),
        _option("NETWORK_POLICY", user.network_policy),
        _option("COMMENT", user.comment),
    ]
    yield _spaced(sql("CREATE USER IF NOT EXISTS {name} TYPE = SERVICE", name=name), options)
    if any(option is not None for option in options):
        yield _spaced(sql("ALTER USER {name} SET", name=name), options)


def _body(key: str) -> str:
    """Return a public key without its first and last line and without line ends, as Snowflake wants it."""
    return "".join(line.strip() for line in key.splitlines() if not line.startswith("-----"))


def _memberships(spec: Spec, setup: Setup, runner: Identifier) -> Iterator[Sql]:
    roles = {Identifier.parse(name): role.granted_to for name, role in setup.roles.items()}
    if runner not in roles:
        yield sql("GRANT ROLE {role} TO ROLE SYSADMIN", role=runner)
    for role, granted in roles.items():
        for other in granted.roles:
            yield sql("GRANT ROLE {role} TO ROLE {other}", role=role, other=other)
        for user in granted.users:
            yield sql("GRANT ROLE {role} TO USER {user}", role=role, user=user)


def _option(name: str, value: object) -> Sql | None:
    if value is None:
        return None
    return sql(
        "{name} = {value}",
        name=Sql(name),
        value=value if isinstance(value, Identifier) else Literal(value),
    )


def _spaced(statement: Sql, options: Iterable[Sql | None]) -> Sql:
    return join(" ", [statement, *(option for option in options if option is not None)])


def make(
    pipeline: Pipeline, target: str | None = None, connection: Connection | None = None
) -> Iterator[Sql]:
    """Run the setup of a spec with its administrator's connection, and yield each statement after it has run.

    Args:
        pipeline: the pipeline.
        target: the target's name; the default target if None.
        connection: an open connection of an administrator; by default, that of the spec is opened and closed.

    Raises:
        SpecError: the spec is invalid.
        UsageError: the spec has no section ``setup``, or the section no connection.
        TargetError: the account cannot be reached.
        StatementError: a statement failed; those before it have run.
    """
    statements = setup_statements(pipeline, target)
    if connection is not None:
        yield from _run(statements, connection)
        return
    spec, _, _ = pipeline.load(target)
    name = spec.pipeline.setup.connection if spec.pipeline.setup is not None else None
    if name is None or "connection" not in type(spec.target).model_fields:
        raise UsageError(
            "`setup` names no connection of an administrator: set `setup.connection`, or print the script with --sql"
        )
    administrator = spec.target.model_copy(update={"connection": name})
    with closing(administrator.log_in(pipeline.path.resolve().parent)) as opened:
        yield from _run(statements, opened)


def _run(statements: list[Statement], connection: Connection) -> Iterator[Sql]:
    from snowflake.connector.errors import Error

    for statement in statements:
        if statement.once is not None:
            shown = execute(connection, sql("SHOW DATABASES LIKE {name}", name=like_pattern(statement.once)))
            if any(row["name"] == statement.once.name for row in shown):
                continue
        try:
            execute(connection, statement.sql)
        except Error as error:
            raise StatementError(f"{error}\nin the statement: {statement.sql}") from error
        yield statement.sql
