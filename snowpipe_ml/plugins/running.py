"""The part of a step's context that works on the target: statements, files, and what the step has written."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.plugins.connection import schema_of
from snowpipe_ml.plugins.identity import Progress, RunInfo
from snowpipe_ml.plugins.listings import Listings, ShownRow
from snowpipe_ml.plugins.outputs import Outputs, counting, tag_pairs, with_tags
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.temporary import TemporaryFolder

if TYPE_CHECKING:
    from snowflake.snowpark import Row, Session
    from snowflake.snowpark.types import StructField

_READS = re.compile(r"\s*(?:SELECT|SHOW|LIST|DESCRIBE|WITH(?!\s+\S+\s+AS\s+PROCEDURE))\b", re.I)


@dataclass(frozen=True, kw_only=True)
class Running:
    """The part of a running step that works on its target.

    Attributes:
        opened: the Session that the step was lent, without its query tag: use :attr:`session`.
        run: the identity of the run.
        logger: the step's logger.
        progress: reports progress to the display.
        again: calls an idempotent action, and retries it after a transient error.
        fence: raises if another run has taken over this run's lease; see :meth:`before_publishing`.
        listings: what SHOW has listed during the run.
        outputs: the tables that the step has written, with their rows and versions.
        tag: the query tag of its statements; None for none.
        tags: the object tags that are set on its outputs.
    """

    opened: Session
    run: RunInfo
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("snowpipe_ml.steps"))
    progress: Progress = lambda done, total=None, note="": None
    again: Callable[[Callable[[], list[Row]]], list[Row]] = lambda action: action()
    fence: Callable[[Callable[[Sql], list[Row]]], None] = lambda execute: None
    listings: Listings = field(default_factory=Listings)
    outputs: Outputs = field(default_factory=Outputs)
    tag: str | None = None
    tags: Mapping[Identifier, str] = field(default_factory=dict)
    _session_is_tagged: list[bool] = field(default_factory=list, init=False, repr=False)

    @property
    def session(self) -> Session:
        """A Snowpark Session that no other step uses, with the step's warehouse and query tag set.

        The tag takes a statement when the Session is first used. :meth:`execute`, :meth:`put` and :meth:`get` send it
        with each of their statements instead.
        """
        if self.tag is not None and not self._session_is_tagged:
            statement = sql("ALTER SESSION SET QUERY_TAG = {tag}", tag=Literal(self.tag))
            self.again(self.opened.sql(statement.text).collect)
            self._session_is_tagged.append(True)
        return self.opened

    @property
    def statement_params(self) -> dict[str, str]:
        """The parameters with which each statement is sent: its query tag."""
        return {} if self.tag is None else {"QUERY_TAG": self.tag}

    def before_publishing(self) -> None:
        """Check that this run still holds its lease. Call it before an output is published.

        Raises:
            LockedError: this run's lease expired, and another run has started.
        """
        self.fence(self.execute)

    def execute(self, statement: Sql) -> list[Row]:
        """Run one statement of trusted SQL and return its rows.

        A statement that only reads is retried after a transient error; any other error fails the step.
        """
        if not isinstance(statement, Sql):
            raise TypeError("execute() takes Sql, not bare text: see snowpipe_ml.sql.sql")
        run = partial(self.opened.sql(statement.text).collect, statement_params=self.statement_params)
        if _READS.match(statement.text):
            return self.again(run)
        self.outputs.sent(statement)
        return run()

    def execute_with_id(self, statement: Sql) -> tuple[str, list[Row]]:
        """Run one statement and return its query id and its rows."""
        with self.opened.query_history() as sent:
            rows = self.execute(statement)
        return str(sent.queries[-1].query_id), rows

    def scalar(self, statement: Sql) -> Any:
        """Run one statement and return the first column of its first row; None if it returns no rows."""
        rows = self.execute(statement)
        return rows[0][0] if rows else None

    def fields_of(self, query: Sql) -> list[StructField]:
        """Return the columns of a query with their types. The query is described, not run."""
        return list(self.opened.sql(query.text).schema.fields)

    def count(self, name: QualifiedName) -> int:
        """The number of rows of a table. Its version is asked for by the same query."""
        return self.count_all([name])[0]

    def count_all(self, names: Sequence[QualifiedName]) -> list[int]:
        """The numbers of rows of tables that exist. Their versions are asked for by the same query."""
        row = self.execute(counting(names))[0]
        self.outputs.counted(names, row)
        return [int(count) for count in row[::2]]

    def create(self, name: QualifiedName, statement: Sql) -> None:
        """Create a table or view that does not exist, with the tags of the run's outputs.

        Args:
            name: the table or view.
            statement: the statement without tags.
        """
        tagged = with_tags(statement, name, self.tags)
        self.execute(tagged or statement)
        if tagged is not None:
            self.outputs.tagged.add(name)

    def set_tags(self, name: QualifiedName, *, view: bool = False) -> None:
        """Set the tags of the run's outputs on an existing table or view; before it is counted, as that changes it."""
        if self.tags and name not in self.outputs.tagged:
            kind = Sql("VIEW" if view else "TABLE")
            self.execute(
                sql("ALTER {kind} {name} SET TAG {pairs}", kind=kind, name=name, pairs=tag_pairs(self.tags))
            )
            self.outputs.tagged.add(name)

    def put(self, paths: Iterable[Path], place: StagePath, *, compress: bool = False) -> None:
        """Upload files of one folder to a place on a stage, in one statement; existing files are overwritten.

        Args:
            paths: all files of the folder, or a single one.
            place: the place, which ends with a slash.
            compress: whether files are compressed with gzip.
        """
        paths = list(paths)
        if not paths:
            return
        text = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent}/*"
        self.opened.file.put(
            text,
            place.text,
            auto_compress=compress,
            overwrite=True,
            statement_params=self.statement_params,
        )

    def put_contents(self, files: Mapping[str, bytes], place: StagePath) -> None:
        """Upload files with given contents, in one statement.

        Args:
            files: the contents by the name of the file.
            place: the place on a stage, which ends with a slash.
        """
        with TemporaryFolder("put") as folder:
            paths = [folder / file for file in files]
            for path, data in zip(paths, files.values(), strict=True):
                path.write_bytes(data)
            self.put(paths, place)

    def get(self, file: StagePath, folder: Path) -> Path:
        """Download a file of a stage into a folder, and return its path."""
        self.opened.file.get(file.text, str(folder), statement_params=self.statement_params)
        return folder / file.path.rpartition("/")[2]

    def current_schema(self) -> Sql:
        """The current schema with its database, in which unqualified names are resolved."""
        return Sql(f"{self.opened.get_current_database()}.{self.opened.get_current_schema()}")

    def kind_of(self, name: QualifiedName) -> str | None:
        """Return ``TABLE``, also for a transient one, or ``VIEW``; None if no object has this name."""
        shown = self.shown(name)
        if shown is None:
            return None
        return "TABLE" if shown["kind"] == "TRANSIENT" else str(shown["kind"])

    def shown(self, name: QualifiedName) -> Mapping[str, Any] | None:
        """Return the row of SHOW OBJECTS of a table or view, or None if no object has this name."""
        rows = self.listed("OBJECTS", name)
        return rows[0] if rows else None

    def listed(self, what: str, name: QualifiedName, *, in_schema: bool = True) -> list[ShownRow]:
        """Return the rows of SHOW of an object: as the run has listed it, or as it is by now.

        Args:
            what: the plural of its kind, as SHOW has it.
            name: the object.
            in_schema: whether its kind belongs to a schema, and not to the account.
        """
        schema = schema_of(self, name) if in_schema else None
        return self.listings.of(self.execute, what, schema, name.name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements of the block in one transaction, which is committed only with the lease.

        Whoever takes the lease over aborts the open transactions of this run.
        """
        try:
            self.execute(Sql("BEGIN TRANSACTION"))
            yield
            self.before_publishing()
        except BaseException:
            self.execute(Sql("ROLLBACK"))
            raise
        self.execute(Sql("COMMIT"))
