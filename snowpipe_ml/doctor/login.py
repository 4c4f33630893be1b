"""Checks of who is logged in, with which role, and with which session parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from importlib.metadata import version

from snowpipe_ml.doctor.checks import Facts, Told, check, ok, problem, warning
from snowpipe_ml.sql import Identifier, Literal, Sql, sql
from snowpipe_ml.targets.session_settings import session_settings

_SKEW = dt.timedelta(minutes=2)


@check("connection")
def _connection(facts: Facts) -> Iterator[Told]:
    account = facts.account
    yield ok(
        f"logged in to account {account.value('CURRENT_ACCOUNT()')}, version {account.value('CURRENT_VERSION()')}"
    )


@check("connection.drivers")
def _drivers(facts: Facts) -> Iterator[Told]:
    names = ("snowflake-connector-python", "snowflake-snowpark-python")
    yield ok(", ".join(f"{name} {version(name)}" for name in names))


@check("user")
def _user(facts: Facts) -> Iterator[Told]:
    yield ok(f"logged in as {facts.account.user}")


@check("role")
def _role(facts: Facts) -> Iterator[Told]:
    """The role of the target, which must be granted to the user."""
    wanted: Identifier | None = getattr(facts.spec.target, "role", None)
    if wanted is None:
        yield warning(
            f"the target names no role, so a run uses the connection's: now {facts.account.role}",
            "set `role` on the target",
        )
    elif facts.account.role != wanted:
        grant = sql("GRANT ROLE {role} TO USER {user}", role=wanted, user=facts.account.user)
        yield problem(
            f"the role {wanted} of the target does not exist, or is not granted to {facts.account.user}",
            f"CREATE ROLE IF NOT EXISTS {wanted.sql}; {grant};",
        )
    else:
        yield ok(f"the role is {wanted}")


@check("role.administrator")
def _administrator(facts: Facts) -> Iterator[Told]:
    """Objects created with an administrator's role belong to that role, and no other role can replace them."""
    name = facts.account.role.name
    if name in ("ACCOUNTADMIN", "ORGADMIN", "SECURITYADMIN", "GLOBALORGADMIN"):
        yield warning(
            f"runs would use {name}: all tables would belong to the administrators",
            "create a role for the pipeline: `snowpipe-ml doctor --offline` prints the script",
        )
    else:
        yield ok(f"{name} is not an administrator's role")


@check("role.inherited")
def _inherited(facts: Facts) -> Iterator[Told]:
    others = sorted(facts.account.roles - {facts.account.role.name, "PUBLIC"})
    yield ok(f"it inherits {', '.join(others)}" if others else "it inherits no other role")


@check("clock")
def _clock(facts: Facts) -> Iterator[Told]:
    """A key pair's token is refused if the clocks differ by more than its lifetime."""
    before = dt.datetime.now(dt.UTC)
    there = dt.datetime.fromisoformat(str(facts.account.value("SYSDATE()")))
    after = dt.datetime.now(dt.UTC)
    if there.tzinfo is None:
        there = there.replace(tzinfo=dt.UTC)
    if before - _SKEW <= there <= after + _SKEW:
        yield ok("the clock of this machine agrees with the account's")
    else:
        yield problem(
            f"the clock of this machine says {after:%Y-%m-%d %H:%M:%S}, the account's {there:%Y-%m-%d %H:%M:%S} (UTC)",
            "set the clock of this machine: tokens of a key pair are refused with a wrong time",
        )


def _parameters(facts: Facts) -> dict[str, str]:
    return {
        str(row["key"]): str(row["value"]) for row in facts.account.ask(Sql("SHOW PARAMETERS IN SESSION"))
    }


@check("parameters")
def _pinned(facts: Facts) -> Iterator[Told]:
    """The parameters that a run sets at its login."""
    there = _parameters(facts)
    wrong = {
        name: value
        for name, value in session_settings(facts.spec.target).items()
        if name in there and there[name].lower() != str(value).lower()
    }
    for name, value in wrong.items():
        setting = sql("ALTER SESSION SET {name} = {value}", name=Sql(name), value=Literal(value))
        yield problem(
            f"{name} is {there[name] or 'empty'} in spite of the login, which asks for {value}", f"{setting};"
        )
    if not wrong:
        yield ok(f"{len(session_settings(facts.spec.target))} session parameters are as a run sets them")


def _parameter(name: str, good: Callable[[str], bool], fault: str, value: str, *, fatal: bool) -> None:
    """Add a check of a session parameter that a run leaves as it is."""

    @check(f"parameters.{name.lower()}")
    def _check(facts: Facts) -> Iterator[Told]:
        there = _parameters(facts).get(name)
        if there is None or good(there):
            yield ok(f"{name} is {there if there else 'not set'}")
            return
        remedy = f"ALTER USER {facts.account.user.sql} SET {name} = {value};"
        yield (problem if fatal else warning)(f"{name} is {there}: {fault}", remedy)


_parameter("ROWS_PER_RESULTSET", lambda v: v == "0", "results would be cut off", "0", fatal=True)
_parameter("SIMULATED_DATA_SHARING_CONSUMER", lambda v: not v, "views would hide rows", "''", fatal=True)
_parameter(
    "SEARCH_PATH",
    lambda v: v.lower().startswith("$current"),
    "functions would be looked up in another schema first",
    "'$current, $public'",
    fatal=True,
)
_parameter(
    "STATEMENT_TIMEOUT_IN_SECONDS",
    lambda v: not v.isdigit() or int(v) == 0 or int(v) >= 3600,
    "a training that takes longer would be canceled",
    "172800",
    fatal=False,
)
_parameter(
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    lambda v: not v.isdigit() or int(v) == 0 or int(v) >= 600,
    "a step that waits longer for a busy warehouse would fail",
    "0",
    fatal=False,
)
_parameter(
    "LOCK_TIMEOUT",
    lambda v: not v.isdigit() or int(v) >= 60,
    "a step that waits longer for another's transaction would fail",
    "43200",
    fatal=False,
)
_parameter(
    "DEFAULT_NULL_ORDERING",
    lambda v: v.upper() == "LAST",
    "queries of the spec that order by a column with NULLs give another order",
    "'LAST'",
    fatal=False,
)


@check("bundle.2026_08")
def _bundle(facts: Facts) -> Iterator[Told]:
    """The bundle with which CREATE OR REPLACE copies grants without being told."""
    state = str(facts.account.value("SYSTEM$BEHAVIOR_CHANGE_BUNDLE_STATUS('2026_08')"))
    yield ok(f"{state}; runs work with it and without it")
