"""Compares a record with the answers of the embedded warehouse."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from snowpipe_ml.answers.format import Record, Statement
from snowpipe_ml.answers.recorder import Embedded, record
from snowpipe_ml.engine.events import Event, Listener, StepFinished
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import UsageError
from snowpipe_ml.temporary import TemporaryFolder

_MISSING = (2003, 2043)
_EVENTS = re.compile(r"INSERT INTO \S+\.EVENTS \(RUN_ID,")


@dataclass(frozen=True)
class Difference:
    """An answer of the embedded warehouse that differs from the recorded one.

    Attributes:
        step: the step whose statement it is; None before the first step.
        statement: the statement without values; empty if the step itself ended otherwise.
        what: the part of the answer: ``columns``, ``error``, ``status``, ``rows`` or ``step``.
        recorded: that part in the record.
        embedded: that part here.
    """

    step: str | None
    statement: str
    what: str
    recorded: str
    embedded: str


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        differences: the differences, in the order of the record, each once.
        compared: the number of statements that were sent to both.
        only_recorded: the statements that only the recorded target received.
        only_embedded: those that only the embedded warehouse received.
    """

    differences: tuple[Difference, ...]
    compared: int
    only_recorded: tuple[Statement, ...]
    only_embedded: tuple[Statement, ...]


def replay(
    pipeline: Pipeline,
    recorded: Record,
    target: str | None = None,
    *,
    row_counts: bool = False,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Comparison:
    """Run a pipeline on a new embedded warehouse, and compare its answers with a record.

    Args:
        pipeline: the pipeline that was recorded.
        recorded: the record.
        target: the target whose variables and sources are used; the default target if None. It is
            replaced by an embedded warehouse in a temporary folder.
        row_counts: compare numbers of rows too; they differ if the data do.
        select: the steps to run; all if empty.
        exclude: the steps to exclude.

    Raises:
        SpecError: the spec is invalid.
        UsageError: no statement is common to both.
    """
    messages: dict[str, str] = {}

    def note(event: Event) -> None:
        if isinstance(event, StepFinished) and event.message:
            messages[event.step] = event.message

    listeners: tuple[Listener, ...] = (note,)
    with TemporaryFolder("record") as folder:
        embedded = Embedded(pipeline.path, pipeline.variables, folder / "warehouse", recorded.header)
        salt = recorded.header.salt
        made = record(
            embedded,
            target,
            hash_names=salt is not None,
            salt=salt,
            select=select,
            exclude=exclude,
            listeners=listeners,
        )
    found = compare(recorded, made, row_counts=row_counts)
    if not found.compared:
        raise UsageError(
            "no statement of the record is one of this spec: give the spec, the --select and the variables that were recorded"
        )
    return found


def compare(recorded: Record, embedded: Record, *, row_counts: bool = False) -> Comparison:
    """Compare two records statement by statement: the n-th statement of a text with the n-th of the same text.

    Which statements are sent depends on the answers, and records of a run are written in the background. So the
    order of different statements is not compared.
    """
    waiting: dict[tuple[str, bool], list[Statement]] = defaultdict(list)
    for statement in reversed(embedded.statements):
        waiting[statement.statement, statement.described].append(statement)
    differences: list[Difference] = []
    only: list[Statement] = []
    compared = 0
    for statement in recorded.statements:
        same = waiting[statement.statement, statement.described]
        if not same:
            only.append(statement)
            continue
        compared += 1
        differences += _between(statement, same.pop(), row_counts)
    statuses = {end.step: end.status for end in embedded.steps}
    for end in recorded.steps:
        here = statuses.get(end.step)
        if here is not None and here != end.status:
            differences.append(Difference(end.step, "", "step", end.status, here))
    left = {id(statement) for same in waiting.values() for statement in same}
    return Comparison(
        tuple(dict.fromkeys(differences)),
        compared,
        tuple(only),
        tuple(statement for statement in embedded.statements if id(statement) in left),
    )


def _between(recorded: Statement, embedded: Statement, row_counts: bool) -> Iterator[Difference]:
    def differing(what: str, there: object, here: object) -> Difference:
        return Difference(recorded.step, recorded.statement, what, str(there), str(here))

    if recorded.step is None and (_is_missing(recorded) or _is_missing(embedded)):
        return  # what existed before the run
    if recorded.error != embedded.error:
        yield differing("error", recorded.error or "no error", embedded.error or "no error")
    if recorded.error or embedded.error:
        return
    pairs = itertools.zip_longest(recorded.columns, embedded.columns)
    for there, here in pairs:
        if there != here:
            yield differing("column", there or "no column", here or "no column")
    if recorded.status is not None and embedded.status is not None and recorded.status != embedded.status:
        yield differing("status", recorded.status, embedded.status)
    # How many records of a run are written at once depends on how long its steps take.
    if row_counts and recorded.rows != embedded.rows and not _EVENTS.match(recorded.statement):
        yield differing("rows", recorded.rows, embedded.rows)


def _is_missing(statement: Statement) -> bool:
    """Whether the answer is that an object does not exist."""
    return statement.error is not None and statement.error.number in _MISSING


def counted(statements: Iterable[Statement]) -> list[tuple[str, int]]:
    """Return the texts of statements, each once, with how often it occurs."""
    return list(Counter(statement.statement for statement in statements).items())
