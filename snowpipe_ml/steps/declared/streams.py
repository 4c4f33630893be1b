"""Streams as steps: created if missing, and never replaced, as changes that nothing has read would be lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from snowpipe_ml.plugins import Changes, Kind, PlanContext, Resource, declared, table
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.declared.step import DeclaredStep

# Columns that a stream adds to those of its table: https://docs.snowflake.com/en/user-guide/streams-intro
METADATA = tuple(Identifier(f"METADATA${name}") for name in ("ACTION", "ISUPDATE", "ROW_ID"))


class StreamStep(DeclaredStep):
    """A stream."""

    type_name = "stream"
    kind = Kind.STREAM
    listed_as = "STREAMS"

    model: models.Stream

    @property
    def source(self) -> tuple[Sql, QualifiedName | Identifier]:
        """The kind and the name of what it tracks."""
        m = self.model
        if m.stage is not None:
            return Sql("STAGE"), m.stage
        return (Sql("TABLE"), m.table) if m.table is not None else (Sql("VIEW"), m.view or self.object)

    @property
    def relation(self) -> Fragment:
        """The relation whose rows it tracks."""
        if self.model.stage is None:
            return self.source[1]
        return sql("DIRECTORY(@{name})", name=self.model.stage)

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        m = self.model
        if m.stage is not None:
            yield declared(Kind.STAGE, m.stage, "stage")
        elif m.table is not None:
            yield table(m.table, "table")
        elif m.view is not None:
            yield table(m.view, "view")

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        yield self.creation(Sql("STREAM IF NOT EXISTS"), self.object)

    def creation(self, kind: Sql, name: Fragment, *, initial_rows: bool = False) -> Sql:
        """Return the statement that creates a stream with these settings.

        Args:
            kind: the words between CREATE and the name.
            name: the name of the stream.
            initial_rows: whether it has the existing rows, even if the settings do not say so.
        """
        m, (source, of) = self.model, self.source
        parts = [sql("CREATE {kind} {name} ON {source} {of}", kind=kind, name=name, source=source, of=of)]
        if m.show_initial_rows or initial_rows:
            parts.append(Sql("SHOW_INITIAL_ROWS = TRUE"))
        return join(" ", [*parts, *self._options()])

    def again(self, at: Identifier | None) -> Sql:
        """Return the statement that creates a stale stream again.

        Args:
            at: the stream whose offset it has; now if None.
        """
        source, of = self.source
        parts: list[Fragment] = [
            sql(
                "CREATE OR REPLACE STREAM {name} COPY GRANTS ON {source} {of}",
                name=self.object,
                source=source,
                of=of,
            )
        ]
        if at is not None:
            parts.append(sql("AT (STREAM => {at})", at=Literal(at.sql)))
        return join(" ", [*parts, *self._options()])

    def _options(self) -> Iterator[Sql]:
        if self.model.append_only:
            yield Sql("APPEND_ONLY = TRUE")
        if self.model.comment is not None:
            yield sql("COMMENT = {text}", text=Literal(self.model.comment))

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        """Compare the settings; what a stream tracks and how cannot be changed.

        https://docs.snowflake.com/en/sql-reference/sql/alter-stream
        """
        if self.is_stale(shown):  # a full refresh of the step that merges it creates it again
            return Changes() if ctx.full_refresh and self.whole else Changes(refused=self.advice(shown))
        source, of = self.source
        there, on = str(shown["source_type"]), str(shown["table_name"])
        mode = "APPEND_ONLY" if self.model.append_only else "DEFAULT"
        own = [part.name for part in (of.parts if isinstance(of, QualifiedName) else (of,))]
        same = [part.strip('"') for part in on.split(".")][-len(own) :] == own
        if there.upper() != source.text or not same or str(shown["mode"]) != mode:
            return Changes(
                refused=f"the stream {self.object} is on the {there.lower()} {on} with the mode {shown['mode']}, but the spec "
                f"declares one on the {source.text.lower()} {of} with the mode {mode}. A stream cannot be changed, and a "
                f"new one begins without the changes that nothing has read: drop it with DROP STREAM {self.object.sql} and "
                "run again, or declare a stream with another name"
            )
        return self.comment_change(shown)

    @property
    def whole(self) -> bool:
        """Whether its changes, from the first on, make all rows of what it tracks."""
        return self.model.show_initial_rows or self.model.stage is not None

    @staticmethod
    def is_stale(shown: Mapping[str, object]) -> bool:
        """Return whether the changes of a stream can no longer be read.

        https://docs.snowflake.com/en/user-guide/streams-intro#data-retention-period-and-staleness

        Args:
            shown: the stream's row of SHOW.
        """
        return str(shown["stale"]).lower() == "true"

    def advice(self, shown: Mapping[str, object]) -> str:
        """Return what to do about a stale stream.

        Args:
            shown: the stream's row of SHOW.
        """
        source, of = self.source
        until = f", the last time before {shown['stale_after']}" if shown["stale_after"] else ""
        told = (
            f"the stream {self.object} is stale: the {source.text.lower()} {of} was dropped or replaced, or its changes "
            f"had to be read earlier{until}. "
        )
        if self.whole:
            return f"{told}Merge all rows again with: run --full-refresh --select {self.name}+"
        return (
            f"{told}Its changes are lost. Create it again with {self.again(None)}, or declare show_initial_rows and merge "
            f"all rows again with: run --full-refresh --select {self.name}+"
        )
