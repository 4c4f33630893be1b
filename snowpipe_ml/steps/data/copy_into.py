"""``copy_into``: load staged files into a table, each file once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.errors import StepError
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
from snowpipe_ml.sql import Identifier, Literal, Sql, StagePath, join, sql
from snowpipe_ml.steps.data.extract import Extract
from snowpipe_ml.steps.data.staged_archives import StagedArchives

Copied = dict[str, Any]
"""The report of COPY about a file, by column."""

_REJECTS = (
    "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, LINE NUMBER(38, 0), CHARACTER NUMBER(38, 0), ERROR VARCHAR, "
    "COLUMN_NAME VARCHAR, REJECTED_RECORD VARCHAR, QUERY_ID VARCHAR"
)
_LOADS = (
    "RUN_ID VARCHAR, STEP VARCHAR, FILE VARCHAR, STATUS VARCHAR, ROWS_PARSED NUMBER(38, 0), "
    "ROWS_LOADED NUMBER(38, 0), ERRORS_SEEN NUMBER(38, 0), FIRST_ERROR VARCHAR, FIRST_ERROR_LINE NUMBER(38, 0), "
    "QUERY_ID VARCHAR"
)


@register("copy_into")
class CopyInto(Step["CopyInto.Settings"]):
    """Load staged files into a declared table with COPY INTO.

    A file is loaded into the table once. The loaded files and the rejected rows can be recorded in tables. The
    files are recorded in the transaction of the COPY. The rejected rows are recorded after it: VALIDATE reads
    the errors of a past COPY. Those that a killed run has not recorded are recorded by the next one.

    COPY loads a staged file again when its content has changed, and does not notice files that were removed
    from the stage, so that rows would be duplicated. With ``loads`` the step detects both, and ``on_changed``
    controls what happens: ``refuse`` fails the step and loads nothing; ``replace`` empties the table and
    loads all staged files again; ``append`` keeps the earlier rows.
    """

    class Settings(StepSettings):
        """Settings of ``copy_into``."""

        from_: StageLocation = Field(alias="from")
        into: TableName
        columns: tuple[ColumnName, ...] = Field((), description="Columns for the fields of the files")
        file_format: ObjectName | None = Field(None, description="A declared file format")
        pattern: str | None = Field(
            None, description="Regular expression that the whole path of a file must match"
        )
        on_error: Choice["abort_statement", "continue", "skip_file"] = "abort_statement"
        force: bool = Field(False, description="Load files even if they were loaded before")
        on_changed: Choice["refuse", "replace", "append"] | None = Field(
            None,
            description="Action for loaded files that have changed; by default that of the extract step that "
            "stages them, else refuse",
        )
        loads: TableName | None = Field(None, description="Table that receives a row for each loaded file")
        rejects: TableName | None = Field(
            None, description="Dead letter table, which receives each rejected row"
        )

    settings: CopyInto.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        self._on_changed(ctx)
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

    def _copy(self, ctx: PlanContext, force: bool = False) -> Sql:
        s = self.settings
        parts = [sql("COPY INTO {into}", into=s.into)]
        columns = s.columns or self._declared_columns(ctx)
        if columns:
            parts.append(sql("({columns})", columns=join(", ", columns)))
        parts.append(sql("FROM {place}", place=s.from_))
        if s.file_format is not None:
            parts.append(sql("FILE_FORMAT = (FORMAT_NAME = {name})", name=Literal(s.file_format.sql)))
        if s.pattern is not None:
            parts.append(sql("PATTERN = {pattern}", pattern=Literal(s.pattern)))
        parts.append(Sql(f"ON_ERROR = {s.on_error.upper()}"))
        if s.force or force:
            parts.append(Sql("FORCE = TRUE"))
        return join(" ", parts)

    def _declared_columns(self, ctx: PlanContext) -> tuple[Identifier, ...]:
        """Return the columns of the table in the order of the spec, which is that of the fields.

        A column that was added to the table later is its last one, wherever the spec has it.
        """
        step = ctx.producer(table(self.settings.into))
        return () if step is None else tuple(map(Identifier, step.declared_columns))

    def plan(self, ctx: PlanContext) -> StepPlan:
        s, query_id = self.settings, "<id of the COPY>"
        statements = [_creation(name, columns) for name, columns in self._kept() if name is not None]
        statements.append(self._copy(ctx))
        if s.loads is not None:
            statements.append(self._record(s.loads, "<run id>", query_id))
        return StepPlan(f"load {s.from_} into {s.into}", tuple(statements))

    def _kept(self) -> tuple[tuple[TableName | None, str], ...]:
        """Return the tables that record files and rejected rows, with their columns."""
        return (self.settings.loads, _LOADS), (self.settings.rejects, _REJECTS)

    def _record(self, loads: TableName, run_id: str, query_id: str) -> Sql:
        """Return the statement that records the files of a COPY."""
        return sql(
            'INSERT INTO {loads} SELECT {run_id}, {step}, "file", "status", "rows_parsed", "rows_loaded", '
            '"errors_seen", "first_error", "first_error_line", {query_id} FROM TABLE(RESULT_SCAN({query_id}))',
            loads=loads,
            run_id=Literal(run_id),
            step=Literal(self.name),
            query_id=Literal(query_id),
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        new: set[TableName] = set()
        for name, columns in self._kept():
            if name is not None and ctx.shown(name) is None:
                ctx.create(name, _creation(name, columns))
                new.add(name)
            elif name is not None:  # the tables of earlier versions have no query ids
                ctx.execute(sql("ALTER TABLE {name} ADD COLUMN IF NOT EXISTS QUERY_ID VARCHAR", name=name))
        known = self._known_files(ctx) if s.loads is None and not s.force else set()
        with ctx.transaction():
            query_id, files, again = self._load(ctx, first=s.loads in new)
            if files and s.loads is not None:
                ctx.execute(self._record(s.loads, ctx.run.id, query_id))
        rejected = sum(int(file["errors_seen"]) for file in files)
        lost: list[str] = []
        if s.rejects is not None:
            copied = [(ctx.run.id, query_id)] if rejected else []
            if copied or s.loads not in new:
                lost = list(self._keep_rejects(ctx, s.rejects, copied))
        loaded = sum(int(file["rows_loaded"]) for file in files)
        if not files:
            return StepResult(rows=0, message="no new files", warnings=tuple(lost))
        message = f"{len(files)} file{'s' * (len(files) != 1)}"
        if again:
            message += f"; the table was loaded again, because {again} of them had changed"
        if rejected:
            message += f", {rejected:,} row{'s' * (rejected != 1)} rejected"
        return StepResult(
            rows=loaded,
            message=message,
            warnings=(*_warnings(files, s.rejects), *_duplicated(files, known), *lost),
            metrics={"files": len(files), "rejected": rejected},
        )

    def _keep_rejects(
        self, ctx: RunContext, rejects: TableName, copied: list[tuple[str, str]]
    ) -> Iterable[str]:
        """Record the rejected rows of COPY statements; yield a warning for those of a killed run that are lost.

        Args:
            ctx: the context of the step.
            rejects: the table that receives them.
            copied: the run and the query id of each COPY that rejected rows. With `loads`, those that this and
                killed runs have recorded are used instead.
        """
        # Imported late: a spec is loaded without Snowpark.
        from snowflake.snowpark.exceptions import SnowparkSQLException

        s, step = self.settings, Literal(self.name)
        if s.loads is not None:
            rows = ctx.execute(
                sql(
                    "SELECT RUN_ID, QUERY_ID FROM {loads} WHERE STEP = {step} AND ERRORS_SEEN > 0 AND "
                    "STATUS <> 'REPLACED' AND QUERY_ID IS NOT NULL AND QUERY_ID NOT IN "
                    "(SELECT QUERY_ID FROM {rejects} WHERE QUERY_ID IS NOT NULL) GROUP BY RUN_ID, QUERY_ID",
                    loads=s.loads,
                    rejects=rejects,
                    step=step,
                )
            )
            copied = [(str(run), str(query_id)) for run, query_id in rows]
        for run, query_id in copied:
            validate = sql(
                "INSERT INTO {rejects} SELECT {run}, {step}, FILE, LINE, CHARACTER, ERROR, COLUMN_NAME, "
                "REJECTED_RECORD, {query_id} FROM TABLE(VALIDATE({into}, JOB_ID => {query_id}))",
                rejects=rejects,
                run=Literal(run),
                step=step,
                into=s.into,
                query_id=Literal(query_id),
            )
            try:
                ctx.execute(validate)
            except SnowparkSQLException as error:
                if run == ctx.run.id:
                    raise
                # VALIDATE knows the files of a COPY for as long as the load history does.
                yield f"the rejected rows of the run {run}, which was killed, are lost: {error.raw_message or error}"

    def _on_changed(self, ctx: PlanContext) -> str:
        """Return the setting, or that of the extract step that stages the files.

        Raises:
            StepError: changed files must be replaced, but the step does not record the loaded files.
        """
        s = self.settings
        above = next(iter(self._extracts(ctx)), None)
        chosen: str = s.on_changed or (above.settings.on_changed if above else "refuse")
        if chosen == "replace" and s.loads is None:
            raise StepError(
                "`on_changed: replace` needs `loads`, a table in which the step records the loaded files"
            )
        return chosen

    def _extracts(self, ctx: PlanContext) -> Iterable[Extract]:
        """Yield the extract steps that stage files at the loaded place or above it."""
        place = self.settings.from_
        folders = place.path.split("/")
        paths = {"/".join(folders[:n]) + end for n in range(len(folders) + 1) for end in ("", "/")} - {"/"}
        for path in sorted(paths, key=len, reverse=True):
            step = ctx.producer(stage(StagePath(place.stage, path)))
            if isinstance(step, Extract):
                yield step

    def _load(self, ctx: RunContext, *, first: bool) -> tuple[str, list[Copied], int]:
        """Run the COPY; if changed files must be replaced, empty the table and load all files again.

        Args:
            ctx: the context of the step.
            first: whether no file can be recorded yet.

        Returns:
            The query id of the COPY, a row for each file, and the number of changed files that caused a
            reload.

        Raises:
            StepError: files have changed and cannot be loaded; nothing is loaded.
        """
        s = self.settings
        on_changed = self._on_changed(ctx)
        if s.loads is None or s.force or on_changed == "append":
            return *_copied(ctx, self._copy(ctx)), 0
        before = {} if first else self._loaded(ctx, s.loads)
        rows = ctx.count(s.into)
        if before and not rows:  # the table was emptied: every file may be loaded again
            self._forget(ctx, s.loads)
            before = {}
        # More rows than this step has recorded: they may be older than its name or its `loads` table.
        known = self._known_files(ctx) if rows > sum(before.values()) else set()
        query_id, files = _copied(ctx, self._copy(ctx))
        loaded = [str(file["file"]) for file in files if file["rows_loaded"]]
        changed = [file for file in loaded if file in before or _is_known(file, known)]
        gone: list[str] = []
        if on_changed == "replace":
            replaced, gone = self._off_the_stage(ctx, set(before), known)
            changed += replaced
        if not changed:
            return query_id, files, 0
        if on_changed == "refuse":
            raise StepError(
                f"{_some(changed)} changed after {s.into} was loaded, and the earlier rows are still there. Nothing was "
                "loaded. Set `on_changed: replace` to load the whole table again, or `append` to keep both"
            )
        if rows != sum(before.values()):
            raise StepError(
                f"{_some(changed)} changed after {s.into} was loaded, and the table cannot be loaded again as a whole: "
                f"it has {rows:,} rows, of which this step loaded {sum(before.values()):,}. Delete the rows of the "
                "changed files by hand, or set `on_changed: append`"
            )
        if gone:
            raise StepError(
                f"{_some(changed)} changed after {s.into} was loaded, and the table cannot be loaded again as a whole: "
                f"{_some(gone)}, whose rows it has, is not on the stage any more. Stage it again, or set "
                "`on_changed: append`"
            )
        self._forget(ctx, s.loads)
        ctx.execute(sql("DELETE FROM {into}", into=s.into))
        if s.rejects is not None:
            ctx.execute(
                sql("DELETE FROM {rejects} WHERE STEP = {step}", rejects=s.rejects, step=Literal(self.name))
            )
        return *_copied(ctx, self._copy(ctx, force=True)), len(changed)

    def _off_the_stage(
        self, ctx: RunContext, before: set[str], known: set[str]
    ) -> tuple[list[str], list[str]]:
        """Find loaded files that are no longer staged: those replaced by others, and those that are not."""
        above = next(iter(self._extracts(ctx)), None)
        place = self.settings.from_ if above is None else above.settings.into
        listed = {str(row["name"]) for row in ctx.execute(sql("LIST {place}", place=place))}
        staged = StagedArchives()
        for name in listed:
            staged.add(f"/{name}")
        missing = before - listed
        replaced = {file for file in missing | known if staged.replaces(file)}
        return sorted(replaced), sorted(missing - replaced)

    def _known_files(self, ctx: RunContext) -> set[str]:
        """Return the loaded files in the warehouse's load history, which a step without `loads` relies on.

        The history covers 14 days: https://docs.snowflake.com/en/sql-reference/info-schema/load_history
        """
        rows = ctx.execute(
            sql(
                "SELECT FILE_NAME FROM INFORMATION_SCHEMA.LOAD_HISTORY WHERE SCHEMA_NAME = CURRENT_SCHEMA() "
                "AND TABLE_NAME = {table} AND ROW_COUNT > 0",
                table=Literal(self.settings.into.name.name),
            )
        )
        return {str(row[0]) for row in rows} if rows and ctx.count(self.settings.into) else set()

    def _loaded(self, ctx: RunContext, loads: TableName) -> dict[str, int]:
        """Return the number of rows that this step has loaded from each file."""
        found = ctx.execute(
            sql(
                "SELECT FILE, SUM(ROWS_LOADED) FROM {loads} WHERE STEP = {step} AND STATUS <> 'REPLACED' GROUP BY FILE "
                "HAVING SUM(ROWS_LOADED) > 0",
                loads=loads,
                step=Literal(self.name),
            )
        )
        return {str(row[0]): int(row[1]) for row in found}

    def _forget(self, ctx: RunContext, loads: TableName) -> None:
        ctx.execute(
            sql(
                "UPDATE {loads} SET STATUS = 'REPLACED' WHERE STEP = {step} AND STATUS <> 'REPLACED'",
                loads=loads,
                step=Literal(self.name),
            )
        )


def _creation(name: TableName, columns: str) -> Sql:
    return sql("CREATE TABLE IF NOT EXISTS {name} ({columns})", name=name, columns=Sql(columns))


def _copied(ctx: RunContext, copy: Sql) -> tuple[str, list[Copied]]:
    """Run a COPY; return its query id and a row for each file."""
    query_id, rows = ctx.execute_with_id(copy)
    return query_id, [found for row in rows if "file" in (found := row.as_dict())]


def _duplicated(files: list[Copied], known: set[str]) -> Iterable[str]:
    for file in files:
        name = str(file["file"])
        if file["rows_loaded"] and _is_known(name, known):
            yield (
                f"{name} was loaded before with other content, and its earlier rows are still in the table; with `loads` "
                "the step can refuse or replace such files: see `on_changed`"
            )


def _is_known(file: str, known: set[str]) -> bool:
    return any(before == file or before.endswith(f"/{file}") for before in known)


def _some(files: list[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more files" if len(files) > 3 else "")


def _warnings(files: list[Copied], rejects: TableName | None) -> Iterable[str]:
    kept = f"; all of them are in {rejects}" if rejects is not None else ""
    for file in files:
        if file["errors_seen"]:
            yield (
                f"{file['file']}: {file['errors_seen']} rows rejected, the first at line {file['first_error_line']}: "
                f"{file['first_error']}{kept}"
            )
