"""``copy_into``: staged files become rows, each file once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.plugins import (
    ColumnName,
    Kind,
    ObjectName,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    declared,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Literal, Sql, join, sql

_REJECTS = (
    "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, LINE NUMBER(38, 0), CHARACTER NUMBER(38, 0), ERROR VARCHAR, "
    "COLUMN_NAME VARCHAR, REJECTED_RECORD VARCHAR"
)
_LOADS = (
    "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, STATUS VARCHAR, ROWS_PARSED NUMBER(38, 0), "
    "ROWS_LOADED NUMBER(38, 0), ERRORS_SEEN NUMBER(38, 0), FIRST_ERROR VARCHAR, FIRST_ERROR_LINE NUMBER(38, 0)"
)


@register("copy_into")
class CopyInto(Step["CopyInto.Settings"]):
    """Load staged files into a declared table with COPY INTO.

    A file that the table has loaded is not loaded again. What was loaded, and the rows that were
    rejected, can be kept in tables; they are written in the transaction of the COPY.
    """

    class Settings(StepSettings):
        """Settings of ``copy_into``."""

        from_: StageLocation = Field(alias="from")
        into: TableName
        columns: tuple[ColumnName, ...] = Field((), description="The columns that the files' fields go to")
        file_format: ObjectName | None = Field(None, description="A declared file format")
        pattern: str | None = Field(None, description="A regular expression that a file's whole path must fit")
        on_error: Choice["abort_statement", "continue", "skip_file"] = "abort_statement"
        force: bool = Field(False, description="Load files again that were loaded before")
        loads: TableName | None = Field(None, description="A table that gets a row for each file loaded")
        rejects: TableName | None = Field(None, description="A table that gets each rejected row")

    settings: CopyInto.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.from_, "from")
        yield table(self.settings.into, "into")
        if self.settings.file_format is not None:
            yield declared(Kind.FILE_FORMAT, self.settings.file_format, "file_format")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield table(s.into, "into", adds=True)
        if s.loads is not None:
            yield table(s.loads, "loads", adds=True)
        if s.rejects is not None:
            yield table(s.rejects, "rejects", adds=True)

    def _copy(self) -> Sql:
        s = self.settings
        parts = [sql("COPY INTO {into}", into=s.into)]
        if s.columns:
            parts.append(sql("({columns})", columns=join(", ", s.columns)))
        parts.append(sql("FROM {place}", place=s.from_))
        if s.file_format is not None:
            parts.append(sql("FILE_FORMAT = (FORMAT_NAME = {name})", name=Literal(s.file_format.sql)))
        if s.pattern is not None:
            parts.append(sql("PATTERN = {pattern}", pattern=Literal(s.pattern)))
        parts.append(Sql(f"ON_ERROR = {s.on_error.upper()}"))
        if s.force:
            parts.append(Sql("FORCE = TRUE"))
        return join(" ", parts)

    def plan(self, ctx: PlanContext) -> StepPlan:
        return StepPlan(f"load {self.settings.from_} into {self.settings.into}", (self._copy(),))

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        for name, columns in ((s.loads, _LOADS), (s.rejects, _REJECTS)):
            if name is not None:
                ctx.execute(sql("CREATE TABLE IF NOT EXISTS {name} ({columns})", name=name, columns=Sql(columns)))
        with ctx.transaction():
            results = ctx.execute(self._copy())
            query_id = Literal(str(ctx.scalar(Sql("SELECT LAST_QUERY_ID()"))))
            run_id, step = Literal(ctx.run.id), Literal(self.name)
            files = [row.as_dict() for row in results if "file" in row.as_dict()]
            if files and s.loads is not None:
                ctx.execute(
                    sql("INSERT INTO {loads} SELECT {run_id}, {step}, \"file\", \"status\", \"rows_parsed\", \"rows_loaded\", "
                        "\"errors_seen\", \"first_error\", \"first_error_line\" FROM TABLE(RESULT_SCAN({query_id}))",
                        loads=s.loads, run_id=run_id, step=step, query_id=query_id)
                )  # fmt: skip
            rejected = sum(int(file["errors_seen"]) for file in files)
            if rejected and s.rejects is not None:
                ctx.execute(
                    sql("INSERT INTO {rejects} SELECT {run_id}, {step}, FILE, LINE, CHARACTER, ERROR, COLUMN_NAME, "
                        "REJECTED_RECORD FROM TABLE(VALIDATE({into}, JOB_ID => {query_id}))",
                        rejects=s.rejects, run_id=run_id, step=step, into=s.into, query_id=query_id)
                )  # fmt: skip
        loaded = sum(int(file["rows_loaded"]) for file in files)
        if not files:
            return StepResult(rows=0, message="no new files")
        return StepResult(
            rows=loaded, message=f"{len(files)} file{'s' * (len(files) != 1)}", warnings=tuple(_warnings(files, s.rejects)),
            metrics={"files": len(files), "rejected": rejected},
        )  # fmt: skip


def _warnings(files: list[dict[str, object]], rejects: TableName | None) -> Iterable[str]:
    kept = f"; all of them are in {rejects}" if rejects is not None else ""
    for file in files:
        if file["errors_seen"]:
            yield (
                f"{file['file']}: {file['errors_seen']} rows rejected, the first at line {file['first_error_line']}: "
                f"{file['first_error']}{kept}"
            )
