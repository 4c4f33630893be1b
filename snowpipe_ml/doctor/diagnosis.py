"""Ask an account all questions about a spec."""

from __future__ import annotations

from contextlib import closing, suppress

# The order of the imports is the order of the checks in the report.
from snowpipe_ml.doctor import login, objects, privileges, python
from snowpipe_ml.doctor.account import Account, RefusedError
from snowpipe_ml.doctor.checks import Facts, Finding, Status, examine
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import TargetError, UsageError
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.sql import Identifier

MODULES = (login, privileges, objects, python)
"""The modules of checks."""


def diagnose(
    pipeline: Pipeline, target: str | None = None, connection: Connection | None = None
) -> list[Finding]:
    """Ask the account of a target whether a spec can run there, with statements that only read.

    Args:
        pipeline: the pipeline.
        target: the target's name; the default target if None.
        connection: an open connection to the account; by default, one is opened and closed.

    Raises:
        SpecError: the spec is invalid.
        UsageError: the target is not an account.
    """
    spec, graph, ctx = pipeline.load(target)
    if connection is None and spec.target.type == "local":
        raise UsageError(
            f"the target {spec.target_name} is the embedded warehouse, which has nothing to ask for: give the "
            "target of an account with --target"
        )
    try:
        opened = spec.target.log_in(pipeline.path.resolve().parent) if connection is None else connection
    except TargetError as error:
        remedy = (
            "check the connection in ~/.snowflake/connections.toml, or in the folder of SNOWFLAKE_HOME: account, user and "
            "authenticator. docs/logging-in.md has an entry for each way to log in"
        )
        return [Finding("connection", Status.PROBLEM, str(error), remedy)]
    if connection is not None:
        return _examined(Facts(spec, graph, ctx, Account(opened)))
    with closing(opened):
        return _examined(Facts(spec, graph, ctx, Account(opened)))


def _examined(facts: Facts) -> list[Finding]:
    role: Identifier | None = getattr(facts.spec.target, "role", None)
    if role is not None:
        with suppress(RefusedError):  # the check of the role says so
            facts.account.use_role(role)
    warehouse = facts.spec.target.default_warehouse
    if warehouse is not None:
        with suppress(RefusedError):  # the check of the default warehouse says so
            facts.account.use_warehouse(warehouse)
    return list(examine(facts))
