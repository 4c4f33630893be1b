"""The privileges that a spec needs on an account, derived from what its steps read and write.

https://docs.snowflake.com/en/user-guide/security-access-control-privileges
"""

from __future__ import annotations

from dataclasses import dataclass, field

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind, PlanContext, Step, StepSettings
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.privileges import securable_of
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.steps.declared.objects import RoleStep
from snowpipe_ml.steps.declared.sources import SourceStep
from snowpipe_ml.steps.declared.step import DeclaredStep
from snowpipe_ml.steps.models.automl import TrainAutoml

TASKS = "export tasks"
ACCOUNT, DATABASE, SCHEMA, DATABASE_ROLE = "ACCOUNT", "DATABASE", "SCHEMA", "DATABASE ROLE"
PYPI = QualifiedName.of("SNOWFLAKE", "SNOWPARK", "PYPI_SHARED_REPOSITORY")
PYPI_ROLE = QualifiedName.of("SNOWFLAKE", "PYPI_REPOSITORY_USER")

# What a step needs to create each kind of object in a schema.
_CREATE = {
    Kind.STAGE: "CREATE STAGE",
    Kind.FUNCTION: "CREATE FUNCTION",
    Kind.FILE_FORMAT: "CREATE FILE FORMAT",
    Kind.TAG: "CREATE TAG",
    Kind.STREAM: "CREATE STREAM",
}
# What a step needs on an object that it may not create.
_ELSEWHERE = {
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"),
    "stage": ("READ", "WRITE"),
    "stream": ("SELECT",),
    "file_format": ("USAGE",),
    "tag": ("APPLY",),
    "warehouse": ("USAGE",),
}


@dataclass(frozen=True)
class Need:
    """A privilege that the role of a run needs.

    Attributes:
        privilege: the privilege, such as CREATE TABLE; USAGE for a database role.
        kind: the kind of object, such as SCHEMA; ACCOUNT for a privilege on the account.
        name: the object, with its database and schema; None for the account.
        why: what needs it: nodes of the graph, or a phrase.
        creates: the objects for which it is needed only until they exist, such as declared warehouses.
        option: whether the run grants it to the roles of the spec, and so needs it WITH GRANT OPTION.
    """

    privilege: str
    kind: str
    name: QualifiedName | None
    why: tuple[str, ...] = ()
    creates: tuple[Identifier, ...] = field(default=(), compare=False)
    option: bool = False

    @property
    def only_for_tasks(self) -> bool:
        """Whether it is needed only for the task graph of ``export tasks``."""
        return self.why == (TASKS,)

    @property
    def text(self) -> str:
        """The privilege and the object, such as ``CREATE TABLE on schema CITIBIKE.ML``."""
        if self.name is None:
            return f"{self.privilege} on the account"
        if self.kind == DATABASE_ROLE:
            return f"the database role {self.name}"
        option = " with grant option" if self.option else ""
        return f"{self.privilege} on {self.kind.lower()} {self.name}{option}"

    def grant(self, role: Identifier) -> Sql:
        """Return the statement that grants it to a role."""
        if self.name is None:
            return sql("GRANT {what} ON ACCOUNT TO ROLE {role}", what=Sql(self.privilege), role=role)
        if self.kind == DATABASE_ROLE:
            return sql("GRANT DATABASE ROLE {name} TO ROLE {role}", name=self.name, role=role)
        return sql(
            "GRANT {what} ON {kind} {name} TO ROLE {role}{option}",
            what=Sql(self.privilege),
            kind=Sql(self.kind),
            name=self.name,
            role=role,
            option=Sql(" WITH GRANT OPTION" if self.option else ""),
        )


class _Collector:
    """Collects needs; those of the same privilege on the same object become one."""

    def __init__(self, spec: Spec) -> None:
        self.target = spec.target
        self.found: dict[tuple[str, str, QualifiedName | None], tuple[dict[str, None], list[Identifier]]] = {}
        self.granted: set[tuple[str, str, QualifiedName | None]] = set()

    def add(
        self,
        privilege: str,
        kind: str,
        name: QualifiedName | None,
        why: str,
        creates: Identifier | None = None,
    ) -> None:
        reasons, objects = self.found.setdefault((privilege, kind, name), ({}, []))
        reasons[why] = None
        if creates is not None:
            objects.append(creates)

    def whole(self, name: QualifiedName) -> QualifiedName:
        """Return a name with its database and schema."""
        of = (self.target.database, self.target.schema_)
        return QualifiedName((*of[: 3 - len(name.parts)], *name.parts))

    def schema_of(self, name: QualifiedName) -> QualifiedName:
        return QualifiedName(self.whole(name).parts[:2])

    def enter(self, schema: QualifiedName, why: str) -> None:
        """A privilege on an object is of no use without those on its database and schema."""
        self.add("USAGE", DATABASE, QualifiedName(schema.parts[:1]), why)
        self.add("USAGE", SCHEMA, schema, why)

    def create(self, privilege: str, name: QualifiedName, why: str) -> None:
        schema = self.schema_of(name)
        self.enter(schema, why)
        self.add(privilege, SCHEMA, schema, why)

    def on(self, privileges: tuple[str, ...], kind: str, name: QualifiedName, why: str) -> None:
        self.enter(self.schema_of(name), why)
        for privilege in privileges:
            self.add(privilege, kind, self.whole(name), why)


def needs(spec: Spec, graph: Graph, ctx: PlanContext) -> list[Need]:
    """Return the privileges that a run of a spec needs on its target, in the order of a script.

    Objects of the spec that do not exist yet are created by the run, whose role then owns them.
    """
    found = _Collector(spec)
    own = QualifiedName((spec.target.database, spec.target.schema_))
    state = QualifiedName((spec.target.database, spec.pipeline.state))
    found.enter(own, "every run")
    found.enter(state, "the records of runs")
    for privilege in ("CREATE TABLE", "CREATE VIEW"):
        found.add(privilege, SCHEMA, state, "the records of runs")
    if spec.target.default_warehouse is not None and not _declares(spec, spec.target.default_warehouse):
        found.add("USAGE", "WAREHOUSE", QualifiedName((spec.target.default_warehouse,)), "every run")
    written = {resource.name for node in graph.nodes.values() for resource in node.writes}
    for node in graph.nodes.values():
        _of_node(found, spec, node, written)
    for name, packages in ctx.packages.items():
        if packages.artifact_repository == PYPI:
            found.add("USAGE", DATABASE_ROLE, PYPI_ROLE, f"packages.{name}")
    _scheduled(found, spec)
    order = (ACCOUNT, DATABASE_ROLE, "WAREHOUSE", "INTEGRATION", DATABASE, SCHEMA)
    listed = [
        Need(*key, tuple(reasons), tuple(objects), key in found.granted)
        for key, (reasons, objects) in found.found.items()
    ]
    return sorted(listed, key=lambda n: (order.index(n.kind) if n.kind in order else 9, str(n.name)))


def _scheduled(found: _Collector, spec: Spec) -> None:
    """Add what the tasks of a scheduled pipeline need.

    https://docs.snowflake.com/en/user-guide/tasks-intro#task-creation-workflow
    """
    schedule = spec.pipeline.task_schedule
    if schedule is None:
        return
    found.add("EXECUTE TASK", ACCOUNT, None, TASKS)
    if schedule.warehouse is None:  # steps without a warehouse are serverless tasks
        found.add("EXECUTE MANAGED TASK", ACCOUNT, None, TASKS)
    elif not _declares(spec, schedule.warehouse):
        found.add("USAGE", "WAREHOUSE", QualifiedName((schedule.warehouse,)), TASKS)
    for privilege in ("CREATE TASK", "CREATE PROCEDURE", "CREATE STAGE"):
        found.create(privilege, QualifiedName.of("T"), TASKS)
    for integration in schedule.external_access:
        found.add("USAGE", "INTEGRATION", QualifiedName((integration,)), TASKS)
    if schedule.artifact_repository == PYPI:
        found.add("USAGE", DATABASE_ROLE, PYPI_ROLE, TASKS)


def _declares(spec: Spec, warehouse: Identifier) -> bool:
    return any(Identifier.parse(name) == warehouse for name in spec.pipeline.warehouses)


def _of_node(found: _Collector, spec: Spec, node: Node, written: set[QualifiedName | StagePath]) -> None:
    step = node.step
    if isinstance(step, DeclaredStep) and step.elsewhere:
        name, kind = QualifiedName((step.object,)), step.type_name.replace("_", " ").upper()
        privileges = _ELSEWHERE.get(step.type_name, ())
        if step.in_schema:
            found.on(privileges, kind, name, node.name)
        for privilege in privileges if not step.in_schema else ():
            found.add(privilege, kind, name, node.name)
    else:
        _created(found, node, step)
    if isinstance(step, RoleStep):
        _granted(found, spec, step, written)
    if isinstance(step, SourceStep):
        _source(found, step, node.name)
    for resource in node.reads:
        if isinstance(resource.name, QualifiedName) and resource.name not in written:
            if resource.kind is Kind.TABLE:
                found.on(("SELECT",), "TABLE", resource.name, node.name)
            elif resource.kind is Kind.FUNCTION:
                found.add("USAGE", "FUNCTION", found.whole(resource.name), node.name)


def _created(found: _Collector, node: Node, step: Step[StepSettings]) -> None:
    """Add what creates the outputs of a node."""
    if isinstance(step, DeclaredStep) and not step.in_schema:
        privilege = f"CREATE {step.type_name.upper()}"
        found.add(privilege, ACCOUNT, None, node.name, step.object)
    for resource in node.writes:
        if not isinstance(resource.name, QualifiedName):
            continue
        privilege = _CREATE.get(resource.kind, "")
        if resource.kind is Kind.TABLE:
            privilege = f"CREATE {resource.word}"
        if privilege:
            found.create(privilege, resource.name, node.name)
    if isinstance(step, TrainAutoml):
        found.create("CREATE PROCEDURE", QualifiedName.of("P"), node.name)  # a temporary one
    integration = getattr(getattr(step, "model", None), "storage_integration", None)
    if integration is not None:
        found.add("USAGE", "INTEGRATION", QualifiedName((integration,)), node.name)


def _granted(found: _Collector, spec: Spec, step: RoleStep, written: set[QualifiedName | StagePath]) -> None:
    """A role can grant privileges on what it owns, and those that it has with the grant option."""
    for target, privileges in step.grants.items():
        kind, name = securable_of(target)
        if name in written or (kind == "WAREHOUSE" and _declares(spec, name.name)):
            continue
        if kind == "STAGE" and any(Identifier.parse(text) == name.name for text in spec.pipeline.stages):
            continue
        if kind == SCHEMA and len(name.parts) == 1:
            name = QualifiedName((spec.target.database, *name.parts))
        elif kind not in (DATABASE, SCHEMA, "WAREHOUSE"):
            name = found.whole(name)
        for privilege in privileges:
            found.add(privilege, kind, name, f"grants.{step.object}")
            found.granted.add((privilege, kind, name))


def _source(found: _Collector, step: SourceStep, why: str) -> None:
    source = step.source
    if source is None:
        return
    if source.file is not None:
        found.create("CREATE STAGE", QualifiedName((step.object,)), why)  # a temporary one
    if source.table is not None:
        found.on(("SELECT",), "TABLE", source.table, why)
    if source.database is not None:
        found.add("CREATE DATABASE", ACCOUNT, None, why, source.database)
        found.add("IMPORT SHARE", ACCOUNT, None, why, source.database)
