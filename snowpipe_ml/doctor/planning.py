"""The privileges that the role of a run lacks, for `plan`: a few questions, all to the services layer."""

from __future__ import annotations

from snowpipe_ml.doctor.account import Account, RefusedError
from snowpipe_ml.doctor.checks import Facts
from snowpipe_ml.doctor.privileges import lacking, lacking_text
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.spec.loader import Spec


def warnings_of(spec: Spec, graph: Graph, ctx: PlanContext, connection: Connection) -> list[str]:
    """Return a warning for each privilege that a run would need and its role lacks, with the GRANT that gives it.

    SHOW GRANTS is sent for the role and for each role that it inherits. The embedded warehouse enforces
    no privileges in a run, so it is not asked.

    Args:
        spec: the spec, for the target.
        graph: its nodes.
        ctx: the planning context.
        connection: a connection in the database and schema of the target, with the role of the run.
    """
    if not spec.target.needs_warehouse:
        return []
    facts = Facts(spec, graph, ctx, Account(connection))
    try:
        return [
            f"{lacking_text(facts, need, why)}: {need.grant(facts.account.role)};"
            for need in facts.needs
            if not need.only_for_tasks and (why := lacking(facts, need)) is not None
        ]
    except RefusedError as error:
        return [f"the privileges of the role could not be compared with what the spec needs: {error}"]
