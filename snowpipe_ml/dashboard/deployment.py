"""The dashboard inside Snowflake: a Streamlit object with staged copies of the engine and of the spec.

https://docs.snowflake.com/en/sql-reference/sql/create-streamlit
https://docs.snowflake.com/en/developer-guide/streamlit/app-development/dependency-management
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from snowpipe_ml.engine.export.archives import engine_archive, engine_packages, pipeline_archive
from snowpipe_ml.engine.export.deployment import Say, upload
from snowpipe_ml.engine.export.graph import environment_problems
from snowpipe_ml.engine.export.handler import UNPACKING, as_python, filled
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.task_limits import prefix_of
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, join, like_pattern, sql
from snowpipe_ml.text.secret_names import is_secret_name

MAIN_FILE = "streamlit_app.py"
_CONTAINER = "SYSTEM$ST_CONTAINER_RUNTIME_PY3_11"
_PYPI = QualifiedName.parse("SNOWFLAKE.SNOWPARK.PYPI_SHARED_REPOSITORY")
_MODULES = (("altair", "dashboard"), ("pandas", "dashboard"))
# The newest version of the channel that the pages of the dashboard were tried with.
_STREAMLIT_OF_WAREHOUSES = "streamlit=1.52.*"
_STREAMLIT_OF_CONTAINERS = "streamlit[snowflake]>=1.52,<2"

_MAIN = """

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE = unpacked(HERE, {engine})
if ENGINE not in sys.path:
    sys.path.insert(0, ENGINE)

from snowpipe_ml.dashboard.app import main

main(os.path.join(unpacked(HERE, {pipeline}), {spec}), **{settings})
"""


@dataclass(frozen=True)
class DashboardApp:
    """The dashboard of a pipeline as a Streamlit object.

    Attributes:
        pipeline: the pipeline.
        spec: its spec, rendered for the target.
        graph: its graph.
        ctx: the context for planning.
        warehouse: the warehouse of its queries, which also runs it unless it has a compute pool; None on a target
            without warehouses.
    """

    pipeline: Pipeline
    spec: Spec
    graph: Graph
    ctx: PlanContext
    warehouse: Identifier | None

    def _named(self, suffix: str) -> QualifiedName:
        target = self.spec.target
        return QualifiedName(
            (target.database, target.schema_, Identifier(f"{prefix_of(self.spec)}_{suffix}"))
        )

    @property
    def name(self) -> QualifiedName:
        """The Streamlit object."""
        return self._named("DASHBOARD")

    @property
    def stage(self) -> QualifiedName:
        """The stage of its files."""
        return self._named("DASHBOARD_FILES")

    @property
    def in_container(self) -> bool:
        """Whether it runs in a container."""
        return self.spec.pipeline.dashboard.compute_pool is not None

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The files that Snowflake copies: the script, its dependencies, the engine and the folder of the spec."""
        engine = engine_archive("dashboard")
        folder = pipeline_archive(self.pipeline.path, self.graph, self.ctx)
        settings = {
            "target": self.spec.target_name,
            "variables": dict(self.pipeline.variables),
            "runtime": "container" if self.in_container else "warehouse",
        }
        script = UNPACKING + filled(
            _MAIN,
            engine=repr(engine.file),
            pipeline=repr(folder.file),
            spec=repr(self.pipeline.path.name),
            settings=as_python(settings),
        )
        name, text = self._dependencies()
        return {
            MAIN_FILE: script.encode(),
            name: text.encode(),
            engine.file: engine.data,
            folder.file: folder.data,
        }

    def _dependencies(self) -> tuple[str, str]:
        """The file of the dependencies, and its text."""
        packages = engine_packages(_MODULES)
        if self.in_container:
            return "requirements.txt", "\n".join([*packages, _STREAMLIT_OF_CONTAINERS, ""])
        lines = ["python=3.11", _STREAMLIT_OF_WAREHOUSES, *(one.replace("==", "=") for one in packages)]
        listed = "".join(f"  - {line}\n" for line in lines)
        return "environment.yml", f"name: dashboard\nchannels:\n  - snowflake\ndependencies:\n{listed}"

    @cached_property
    def place(self) -> StagePath:
        """The folder of this version of the files on the stage."""
        found = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            found.update(f"{name} {len(data)} ".encode() + data)
        return StagePath(self.stage, f"{found.hexdigest()[:16]}/")

    def before(self) -> Sql:
        """Return the statement that creates the stage."""
        return sql("CREATE STAGE IF NOT EXISTS {stage}", stage=self.stage)

    def uploads(self) -> list[Sql]:
        """Return the statements that stage the files, which lie in the current folder."""
        return [
            sql(
                "PUT {file} {place} AUTO_COMPRESS = FALSE OVERWRITE = FALSE",
                file=Literal(f"file://{name}"),
                place=self.place,
            )
            for name in self.files
        ]

    def create(self) -> Sql:
        """Return the statement that creates or replaces the Streamlit object."""
        settings = self.spec.pipeline.dashboard
        clauses = [
            sql("FROM {place}", place=Literal(self.place.text)),
            sql("MAIN_FILE = {file}", file=Literal(MAIN_FILE)),
            *([] if self.warehouse is None else [sql("QUERY_WAREHOUSE = {name}", name=self.warehouse)]),
            sql("TITLE = {text}", text=Literal(f"{self.spec.pipeline.name}: forecasts, models and runs")),
        ]
        if settings.compute_pool is not None:
            repository = settings.artifact_repository or _PYPI
            clauses += [
                sql("RUNTIME_NAME = {name}", name=Literal(_CONTAINER)),
                sql("COMPUTE_POOL = {name}", name=settings.compute_pool),
                sql("ARTIFACT_REPOSITORIES = ({name})", name=repository),
            ]
        if self.spec.pipeline.description:
            clauses.append(sql("COMMENT = {text}", text=Literal(self.spec.pipeline.description)))
        return sql("CREATE OR REPLACE STREAMLIT {name} {clauses}", name=self.name, clauses=join(" ", clauses))

    def publish(self) -> Sql:
        """Return the statement that lets others than its owner open it."""
        return sql("ALTER STREAMLIT {name} ADD LIVE VERSION FROM LAST", name=self.name)

    def statements(self) -> list[Sql]:
        """Return all statements, as ``--sql`` prints them."""
        return [self.before(), *self.uploads(), self.create(), self.publish()]

    def drop_statements(self) -> list[Sql]:
        """Return the statements that drop the Streamlit object and its stage."""
        return [
            sql("DROP STREAMLIT IF EXISTS {name}", name=self.name),
            sql("DROP STAGE IF EXISTS {stage}", stage=self.stage),
        ]


def draw(pipeline: Pipeline, target: str | None = None) -> DashboardApp:
    """Return the dashboard of a pipeline as a Streamlit object.

    Raises:
        SpecError: the spec is invalid, or its copy in Snowflake would be.
        UsageError: there is no warehouse for it, or a secret would be stored in it.
    """
    spec, graph, ctx = pipeline.load(target)
    secret = [name for name in pipeline.variables if is_secret_name(name)]
    if secret:
        raise UsageError(
            f"variables of the dashboard are stored on a stage, and {', '.join(secret)} would be a secret"
        )
    problems = environment_problems(spec, "the dashboard in Snowflake")
    if problems:
        raise SpecError(sorted(set(problems), key=lambda p: (p.position.line, p.position.column)))
    warehouse = spec.pipeline.dashboard.warehouse or spec.target.default_warehouse
    if warehouse is None and spec.target.needs_warehouse:
        raise UsageError(
            f"the dashboard needs a warehouse: set dashboard.warehouse or targets.{spec.target_name}.warehouse"
        )
    return DashboardApp(pipeline, spec, graph, ctx, warehouse)


def deploy(app: DashboardApp, say: Say = lambda text: None) -> None:
    """Stage the files, and create or replace the Streamlit object. Who could open it still can.

    Raises:
        TargetError: the target cannot be reached.
    """
    with closing(app.pipeline.connect(app.spec.target_name)) as connection:
        execute(connection, app.before())
        upload(connection, app.files, app.place, say)
        kept = _grants(connection, app.name)
        execute(connection, app.create())
        for statement in kept:
            execute(connection, statement)
        execute(connection, app.publish())
        say(f"deployed {app.name.sql}: open it in Snowsight, under Projects, Streamlit")


def drop(app: DashboardApp, say: Say = lambda text: None) -> None:
    """Drop the Streamlit object and its stage.

    Raises:
        TargetError: the target cannot be reached.
    """
    with closing(app.pipeline.connect(app.spec.target_name)) as connection:
        for statement in app.drop_statements():
            execute(connection, statement)
        say(f"dropped {app.name.sql}")


def _grants(connection: Connection, name: QualifiedName) -> list[Sql]:
    """The statements that give back the privileges which a replaced Streamlit object loses: it has no COPY GRANTS."""
    schema = QualifiedName(name.parts[:-1])
    shown = execute(
        connection,
        sql("SHOW STREAMLITS LIKE {name} IN SCHEMA {schema}", name=like_pattern(name.name), schema=schema),
    )
    if not any(row["name"] == name.name.name for row in shown):
        return []
    rows = execute(connection, sql("SHOW GRANTS ON STREAMLIT {name}", name=name))
    return [
        sql(
            "GRANT {privilege} ON STREAMLIT {name} TO ROLE {role}{option}",
            privilege=Sql(str(row["privilege"])),
            name=name,
            role=Identifier(str(row["grantee_name"])),
            option=Sql(" WITH GRANT OPTION" if str(row["grant_option"]).lower() == "true" else ""),
        )
        for row in rows
        if row["privilege"] != "OWNERSHIP" and row["granted_to"] == "ROLE"
    ]
