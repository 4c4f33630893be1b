"""The tools, and the server that offers them over standard input and output."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import MissingExtraError, SnowpipeMLError, StatementError, UsageError
from snowpipe_ml.integrations.mcp import documentation
from snowpipe_ml.integrations.mcp.reading import check_reading
from snowpipe_ml.text.redaction import redact_all
from snowpipe_ml.ui.explained import explain
from snowpipe_ml.ui.outputs.common import output_value
from snowpipe_ml.ui.outputs.history import LogsOutput
from snowpipe_ml.ui.planned import check_spec, planned_output
from snowpipe_ml.ui.tables import as_json
from snowpipe_ml.version import __version__

if TYPE_CHECKING:
    from mcp.server import MCPServer

__all__ = ["Tools", "make_server"]

_INSTRUCTIONS = (
    "Pipelines of snowpipe-ml: YAML files that run on Snowflake or on an embedded warehouse. Paths of specs are relative "
    "to the folder of the server. Validate a spec after each change, plan before a run, and search the documentation for "
    "settings."
)
_ROWS = 100

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Tools:
    """The tools of the server. Their docstrings are what a client is told.

    Args:
        directory: the folder whose specs may be opened.
        allow_writes: whether any statement may be run, and pipelines on accounts.
    """

    def __init__(self, directory: Path, *, allow_writes: bool = False) -> None:
        self._directory = directory.resolve()
        self._allow_writes = allow_writes

    def _open(self, spec: str, variables: Mapping[str, object] | None) -> Pipeline:
        path = (self._directory / spec).resolve()
        if not path.is_relative_to(self._directory):
            raise UsageError(
                f"{spec} is outside of {self._directory}: start the server with --directory to open it"
            )
        return Pipeline.from_yaml(path, vars=variables)

    def validate(
        self, spec: str, target: str | None = None, variables: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Check a spec and the files that it names, without a connection; returns every problem with its line."""
        return output_value(check_spec(self._open(spec, variables), target))

    def plan(
        self,
        spec: str,
        target: str | None = None,
        variables: dict[str, object] | None = None,
        offline: bool = False,
    ) -> list[dict[str, object]]:
        """Show what a run would do: for each step the action, the reason and the statements. Changes nothing."""
        planned = self._open(spec, variables).plan(target, compare=not offline)
        return output_value(planned_output(planned))

    def run(
        self,
        spec: str,
        target: str | None = None,
        variables: dict[str, object] | None = None,
        select: list[str] | None = None,
        resume: bool = False,
    ) -> dict[str, object]:
        """Run the steps that changed, and return the status, rows and message of each.

        Runs on embedded warehouses only, unless the server allows writes.
        """
        pipeline = self._open(spec, variables)
        loaded, _, _ = pipeline.load(target, whole=True)
        if not self._allow_writes and loaded.target.type != "local":
            raise UsageError(
                f"the target {loaded.target_name} is not an embedded warehouse, and this server only reads accounts: "
                "`snowpipe-ml mcp --allow-writes` runs pipelines there"
            )
        result = pipeline.run(target, select=select or (), resume=resume)
        steps = [
            {
                "name": name,
                "status": step.status.value,
                "rows": step.rows,
                "seconds": step.seconds,
                "message": step.message,
                "error": step.error and str(step.error),
            }
            for name, step in result.steps.items()
        ]
        found: dict[str, object] = {
            "run": result.run.id,
            "status": result.status.value,
            "seconds": result.seconds,
            "steps": steps,
        }
        return _plain(found)

    def logs(
        self,
        spec: str,
        target: str | None = None,
        run: str | None = None,
        step: str | None = None,
        variables: dict[str, object] | None = None,
    ) -> list[dict[str, object]]:
        """Return the records of the steps of a run, by default of the last one: errors, metrics, inputs, outputs."""
        with self._open(spec, variables).history(target) as history:
            return output_value(LogsOutput.model_validate(history.steps(run, step)))

    def sql(
        self,
        spec: str,
        statement: str,
        target: str | None = None,
        variables: dict[str, object] | None = None,
        limit: int = _ROWS,
    ) -> dict[str, object]:
        """Run a statement on a target and return its first rows. Only reads, unless the server allows writes."""
        if not self._allow_writes:
            check_reading(statement)
        from snowflake.connector.errors import Error

        with closing(self._open(spec, variables).connect(target)) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(statement)
                rows = cursor.fetchmany(limit + 1)
            except Error as error:
                raise StatementError(str(error)) from error
            names = [column.name for column in cursor.description or []]
        return {"rows": json.loads(as_json(names, rows[:limit])), "more": len(rows) > limit}

    def explain(self, code: str) -> list[dict[str, object]]:
        """Explain an error: a number of Snowflake's, an exception, an exit code, or a whole message."""
        return [one.model_dump() for one in explain(code)]

    def search_docs(self, query: str, limit: int = 5) -> list[dict[str, object]]:
        """Search the documentation of snowpipe-ml; returns sections of pages, best first."""
        return [dataclasses.asdict(section) for section in documentation.search(query, limit)]


def make_server(tools: Tools) -> MCPServer:
    """Make the server.

    Raises:
        MissingExtraError: the package ``mcp`` is not installed.
    """
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError as error:
        raise MissingExtraError("mcp", "the server of the Model Context Protocol") from error
    server = MCPServer("snowpipe-ml", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
    for tool in (
        tools.validate,
        tools.plan,
        tools.run,
        tools.logs,
        tools.sql,
        tools.explain,
        tools.search_docs,
    ):
        server.tool()(_told(tool, ToolError))
    return server


def _told(tool: Callable[_P, _T], error_class: type[Exception]) -> Callable[_P, _T]:
    """Make a tool raise its errors as those of the protocol, whose messages the client sees."""

    @functools.wraps(tool)
    def call(*arguments: _P.args, **named: _P.kwargs) -> _T:
        try:
            return tool(*arguments, **named)
        except SnowpipeMLError as error:
            raise error_class(str(error)) from error

    return call


def _plain(value: _T) -> _T:
    """Return a value with texts where JSON has no type, and with secrets redacted."""
    plain: _T = redact_all(json.loads(json.dumps(value, default=str)))
    return plain
