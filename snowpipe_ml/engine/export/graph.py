"""The statements that make a pipeline a graph of Snowflake's tasks.

https://docs.snowflake.com/en/user-guide/tasks-graphs
https://docs.snowflake.com/en/sql-reference/sql/create-task
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath

from snowpipe_ml.engine.export.archives import Archive, engine_archive, engine_packages, pipeline_archive
from snowpipe_ml.engine.export.handler import procedure_body
from snowpipe_ml.engine.export.inside import TaskSettings
from snowpipe_ml.engine.export.starting import Start, start_of
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.plan.task_limits import Linked, limit_problems, linked, prefix_of
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Schedule
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, join, sql
from snowpipe_ml.steps.data.generated import SAMPLE
from snowpipe_ml.steps.declared.warehouses import WarehouseStep
from snowpipe_ml.steps.models.bundle import CHANNEL
from snowpipe_ml.text.problems import Path, Problem
from snowpipe_ml.text.secret_names import is_secret_name

_ENV = re.compile(r"\benv(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])")


@dataclass(frozen=True)
class TaskGraph:
    """A pipeline as a graph of tasks on one target.

    Attributes:
        pipeline: the pipeline.
        spec: its spec, rendered for the target.
        graph: the nodes of the tasks.
        ctx: the context for planning.
        schedule: how the graph runs.
        start: when it runs.
        tasks: the tasks between the root task and the finalizer, in an order in which they can be created.
        select: the selected steps.
        exclude: the excluded steps.
    """

    pipeline: Pipeline
    spec: Spec
    graph: Graph
    ctx: PlanContext
    schedule: Schedule
    start: Start
    tasks: tuple[Linked, ...]
    select: tuple[str, ...]
    exclude: tuple[str, ...]

    def named(self, name: Identifier) -> QualifiedName:
        """Return the name of an object in the schema of the target."""
        return QualifiedName((self.spec.target.database, self.spec.target.schema_, name))

    @property
    def root(self) -> QualifiedName:
        """The root task."""
        return self.named(Identifier(prefix_of(self.spec)))

    @property
    def finalizer(self) -> QualifiedName:
        """The finalizer."""
        return self.named(Identifier(f"{prefix_of(self.spec)}_FINISH"))

    @property
    def procedure(self) -> QualifiedName:
        """The procedure that the tasks call."""
        return self.named(Identifier(f"{prefix_of(self.spec)}_RUN_STEP"))

    @property
    def stage(self) -> QualifiedName:
        """The stage of the engine and the spec."""
        return self.named(Identifier(f"{prefix_of(self.spec)}_TASKS"))

    @cached_property
    def engine(self) -> Archive:
        """The engine."""
        return engine_archive()

    @cached_property
    def files(self) -> Archive:
        """The folder of the spec."""
        return pipeline_archive(self.pipeline.path, self.graph, self.ctx)

    def place(self, archive: Archive) -> StagePath:
        """Return the place of an archive on the stage."""
        return StagePath(self.stage, archive.file)

    def uploads(self) -> list[Sql]:
        """Return the statements that stage the archives, which lie in the current folder."""
        return [
            sql(
                "PUT {file} {folder} AUTO_COMPRESS = FALSE OVERWRITE = FALSE",
                file=Literal(f"file://{archive.file}"),
                folder=StagePath(self.stage, ""),
            )
            for archive in (self.engine, self.files)
        ]

    def before(self) -> list[Sql]:
        """Return the statements before the upload: the warehouses of the tasks, and the stage."""
        declared = {
            Identifier.parse(written): WarehouseStep(f"warehouses.{written}", written, settings)
            for written, settings in self.spec.pipeline.warehouses.items()
            if settings.managed == "here"
        }
        used = dict.fromkeys([self.warehouse(None), *(self.warehouse(one) for one in self.tasks)])
        made = [declared[name].create_if_missing() for name in used if name in declared]
        return [*made, sql("CREATE STAGE IF NOT EXISTS {stage}", stage=self.stage)]

    def suspend(self) -> Sql:
        """Return the statement that suspends the graph while it is changed."""
        return sql("ALTER TASK IF EXISTS {root} SUSPEND", root=self.root)

    def warehouse(self, one: Linked | None) -> Identifier | None:
        """Return the warehouse of a task; None for a serverless one."""
        steps = [] if one is None else [self.graph.nodes[name].step for name in one.task.nodes]
        own = next((step.settings.warehouse for step in steps if step.settings.warehouse is not None), None)
        return own or self.schedule.warehouse

    def create_procedure(self) -> Sql:
        """Return the statement that creates the procedure."""
        schedule, target = self.schedule, self.spec.target_name
        settings = TaskSettings(
            spec=self.pipeline.path.name,
            target=target,
            root=self.root.sql,
            vars=self.pipeline.variables,
            select=self.select,
            exclude=self.exclude,
            timezone=schedule.timezone,
        )
        modules = [
            pair
            for one in self.tasks
            for name in one.task.nodes
            for pair in self.graph.nodes[name].step.imports_here().items()
        ]
        clauses = [
            sql("LANGUAGE PYTHON RUNTIME_VERSION = {version}", version=Literal(schedule.python)),
            sql("ARTIFACT_REPOSITORY = {name}", name=schedule.artifact_repository or CHANNEL),
            sql("PACKAGES = {packages}", packages=Literal(engine_packages(modules))),
            sql(
                "IMPORTS = {imports}",
                imports=Literal([self.place(archive).text for archive in (self.engine, self.files)]),
            ),
            Sql("HANDLER = 'handler'"),
        ]
        if schedule.external_access:
            names = join(", ", schedule.external_access)
            clauses.append(sql("EXTERNAL_ACCESS_INTEGRATIONS = ({names})", names=names))
        body = procedure_body(self.engine.file, self.files.file, dataclasses.asdict(settings))
        return sql(
            "CREATE OR REPLACE PROCEDURE {name}(ACTION VARCHAR, STEP VARCHAR) RETURNS VARCHAR {clauses} "
            "EXECUTE AS CALLER AS {body}",
            name=self.procedure,
            clauses=join(" ", clauses),
            body=Literal(body) if "$$" in body else Sql(f"$$\n{body}$$"),
        )

    def create_tasks(self) -> list[Sql]:
        """Return the statements that create the tasks, or change those that exist."""
        schedule = self.schedule
        config = {"run_date": ""}
        options = [
            *self.start.options(),
            sql("CONFIG = {text}", text=Literal(json.dumps(config))),
            Sql(f"TASK_AUTO_RETRY_ATTEMPTS = {schedule.retries}"),
        ]
        made = [self._task(self.root, None, options, self.start.condition(), "begin", "")]
        for one in self.tasks:
            after = join(", ", [self.named(name) for name in one.after] or [self.root])
            name = self.named(one.name)
            made.append(self._task(name, one, [], sql(" AFTER {names}", names=after), "run", one.task.name))
        final = sql("FINALIZE = {root}", root=self.root)
        made.append(self._task(self.finalizer, None, [final], Sql(""), "finish", ""))
        return made

    def _task(
        self,
        name: QualifiedName,
        one: Linked | None,
        options: Sequence[Sql],
        after: Sql,
        action: str,
        step: str,
    ) -> Sql:
        warehouse = self.warehouse(one)
        common = [] if warehouse is None else [sql("WAREHOUSE = {name}", name=warehouse)]
        if name != self.root:  # of a root task, it would be the limit of the whole graph
            common.append(Sql(f"USER_TASK_TIMEOUT_MS = {self.schedule.timeout * 60_000}"))
        if one is not None and one.task.description:
            common.append(sql("COMMENT = {text}", text=Literal(one.task.description)))
        return sql(
            "CREATE OR ALTER TASK {name} {options}{after} AS CALL {procedure}({action}, {step})",
            name=name,
            options=join(" ", [*common, *options]),
            after=after,
            procedure=self.procedure,
            action=Literal(action),
            step=Literal(step),
        )

    def resume(self) -> Sql:
        """Return the statement that resumes all tasks of the graph."""
        return sql("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE({root})", root=Literal(self.root.sql))

    def statements(self) -> list[Sql]:
        """Return all statements, as ``--sql`` prints them."""
        return [
            *self.before(),
            *self.uploads(),
            self.suspend(),
            self.create_procedure(),
            *self.create_tasks(),
            self.resume(),
        ]


def draw(
    pipeline: Pipeline, target: str | None = None, select: Iterable[str] = (), exclude: Iterable[str] = ()
) -> TaskGraph:
    """Draw a pipeline as a graph of tasks.

    Raises:
        SpecError: a step cannot run inside Snowflake, or the graph exceeds Snowflake's limits.
        UsageError: the spec has no schedule.
    """
    spec, graph, ctx = pipeline.load(target)
    schedule = spec.pipeline.task_schedule
    if schedule is None:
        raise UsageError(
            f"{pipeline.path} has no schedule: add one, such as schedule: {{cron: '0 6 2 * *', timezone: UTC}}"
        )
    secret = [name for name in pipeline.variables if is_secret_name(name)]
    if secret:
        raise UsageError(
            f"variables of tasks are stored in a procedure, and {', '.join(secret)} would be a secret"
        )
    chosen, excluded = tuple(select), tuple(exclude)
    tasks = pipeline.tasks(target, select=chosen, exclude=excluded)
    names = {name for task in tasks for name in task.nodes}
    part = graph if len(names) == len(graph.nodes) else graph.part(names)
    found = linked(spec, tasks)
    start, wrong = start_of(spec, part, schedule)
    problems = [
        *wrong,
        *limit_problems(spec, part, found),
        *_client_problems(spec, part, ctx, schedule),
        *_hook_problems(spec),
        *environment_problems(spec, "a task"),
    ]
    if problems:
        raise SpecError(sorted(set(problems), key=lambda p: (p.position.line, p.position.column)))
    return TaskGraph(pipeline, spec, part, ctx, schedule, start, tuple(found), chosen, excluded)


def _client_problems(spec: Spec, graph: Graph, ctx: PlanContext, schedule: Schedule) -> list[Problem]:
    """The steps that cannot run inside Snowflake, and why."""
    return [
        spec.document.problem(
            f"{name} ({node.step.type_name}) cannot run as a task: {reason}",
            node.path,
            key=True,
            hint="leave it out with --exclude, or run it elsewhere first",
        )
        for name, node in graph.nodes.items()
        if (reason := _client_reason(node, ctx, online=bool(schedule.external_access))) is not None
    ]


def _client_reason(node: Node, ctx: PlanContext, *, online: bool) -> str | None:
    package = type(node.step).__module__.partition(".")[0]
    if package != "snowpipe_ml":
        return f"its type is of the package {package}, which is not staged"
    if node.step.needs_network(ctx) and not online:
        return "it reaches a URL, for which schedule.external_access must name an integration"
    reason = node.step.needs_client(ctx)
    return reason if reason is not None else _outside(node, ctx)


@dataclass(frozen=True, kw_only=True)
class _Recording(PlanContext):
    """A context for planning that notes which files are named."""

    named: list[str] = field(default_factory=list)

    def path(self, text: str) -> FilePath:
        self.named.append(text)
        return super().path(text)


def _outside(node: Node, ctx: PlanContext) -> str | None:
    """Return why a file that a step reads is not staged: it is outside of the folder of the spec."""
    recording = _Recording(**{one.name: getattr(ctx, one.name) for one in dataclasses.fields(ctx)})
    list(node.step.reads(recording))
    node.step.plan(recording)
    named = [text for text in recording.named if text != SAMPLE and "://" not in text]
    return next((reason for text in named if (reason := ctx.outside(text)) is not None), None)


def _hook_problems(spec: Spec) -> list[Problem]:
    """The hooks that run a program on the client's machine."""
    return [
        spec.document.problem("a hook with a command cannot run in a task", (section, number))
        for section, hooks in (
            ("on_success", spec.pipeline.on_success),
            ("on_failure", spec.pipeline.on_failure),
        )
        for number, hook in enumerate(hooks)
        if hook.command
    ]


def environment_problems(spec: Spec, who: str) -> list[Problem]:
    """Return the environment variables that the spec reads here, and that its copy in Snowflake would not have."""
    found = []
    for path, text in _texts(spec.document.value, ()):
        if path[0] == "targets" and path[1:2] != (spec.target_name,):
            continue
        for match in _ENV.finditer(text) if "{{" in text or "{%" in text else ():
            name = match.group(1) or match.group(2)
            if name in os.environ:
                message = f"{who} has no environment variable {name}"
                hint = "use a variable of the spec, and give it with --var"
                found.append(spec.document.problem(message, path, hint=hint))
    return found


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """The texts of a document, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))
