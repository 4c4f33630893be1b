"""Compare the tables of a spec on two targets."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from snowpipe_ml.data_diff.columns import Shared, described, schema_differences, shared
from snowpipe_ml.data_diff.found import Found, Pair
from snowpipe_ml.data_diff.hashed import compare_hashed
from snowpipe_ml.data_diff.joined import compare_joined
from snowpipe_ml.data_diff.subjects import Key, Subject, given_keys, selected, subjects
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.run.opening import connector, dicts
from snowpipe_ml.errors import StatementError, UsageError
from snowpipe_ml.plugins import Query
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.plugins.target import Target
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName

# Settings of a target that do not decide what a connection to it sees.
_NAMES = {"database", "schema_", "vars", "warehouse"}


class Presence(enum.StrEnum):
    """Where a table exists."""

    BOTH = "both"
    HERE = "only A"
    THERE = "only B"
    NEITHER = "neither"
    SAME = "same table"


@dataclass(frozen=True)
class TableDiff:
    """The comparison of a table.

    Attributes:
        name: its name in the spec.
        presence: where it exists.
        schema: the columns that differ: the name, the type in A and the type in B, None where it lacks.
        key: the columns by which rows were paired; None for whole rows.
        found: the rows that differ; None if none could be compared.
        note: why a declared key was not used; empty if it was.
    """

    name: QualifiedName
    presence: Presence
    schema: Sequence[tuple[str, str | None, str | None]] = ()
    key: Key | None = None
    found: Found | None = None
    note: str = ""

    @property
    def differs(self) -> bool:
        """Return whether the tables differ, or may differ."""
        if self.presence is not Presence.BOTH:
            return self.presence in (Presence.HERE, Presence.THERE)
        return bool(self.schema) or (self.found is not None and self.found.differs)


@dataclass(frozen=True)
class Question:
    """The options of a comparison.

    Attributes:
        select: patterns of the names of tables; all tables if empty.
        keys: keys, as :func:`snowpipe_ml.data_diff.subjects.given_keys` reads them.
        ignored: columns that are not compared.
        tolerance: the largest relative difference of two equal FLOAT values.
    """

    select: Sequence[str] = ()
    keys: Sequence[str] = ()
    ignored: Collection[Identifier] = ()
    tolerance: float = 1e-9


def diff_data(
    pipeline: Pipeline, here: str | None, there: str | None, question: Question, other: Pipeline | None = None
) -> Iterator[TableDiff]:
    """Compare each table of a pipeline on two targets.

    Args:
        pipeline: the pipeline.
        here: the name of A; the default target if None.
        there: the name of B.
        question: the tables, keys and columns.
        other: the same pipeline in an environment, for a comparison of the target with that; None otherwise.

    Raises:
        SpecError: the spec is invalid.
        TargetError: a target cannot be reached.
        UsageError: the targets are one, nothing exists on one of them, or an option names what does not exist.
        StatementError: a target refused a query.
    """
    pipelines = pipeline, other or pipeline
    specs = pipeline.load(here)[0], pipelines[1].load(there)[0]
    if other is None and specs[0].target_name == specs[1].target_name:
        raise UsageError(f"--target and --with are both {there}: name two targets of the spec")
    for spec in specs:
        if spec.target.is_empty(pipeline.base_dir):
            raise UsageError(f"nothing exists on {spec.target_name} yet: run the pipeline there first")
    with ExitStack() as opened:
        second = opened.enter_context(closing(connector(specs[1], pipeline.path)()))
        one = _sees_both(specs[0].target, specs[1].target)
        first = second if one else opened.enter_context(closing(connector(specs[0], pipeline.path)()))
        graphs = _graph(pipelines[0], specs[0], first), _graph(pipelines[1], specs[1], second)
        every = subjects(graphs, (specs[0].target, specs[1].target))
        chosen = selected(every, question.select)
        keys = given_keys(question.keys, chosen)
        for subject in chosen:
            try:
                yield diff_table(subject, first, second, keys.get(subject), question, one=one)
            except _connector_error() as error:
                raise StatementError(f"{subject.name}: {error}") from error


def _connector_error() -> type[Exception]:
    from snowflake.connector.errors import Error

    return Error


def _sees_both(here: Target, there: Target) -> bool:
    """Return whether a connection to one target sees the tables of the other, under their whole names."""
    return type(here) is type(there) and here.model_dump(exclude=_NAMES) == there.model_dump(exclude=_NAMES)


def _graph(pipeline: Pipeline, spec: Spec, connection: Connection) -> Graph:
    """Return the graph with the items of each ``foreach``, for which its query is run."""
    asks = any(isinstance(step.settings.foreach, Query) for step in spec.steps.values())
    rows = (lambda statement: dicts(connection, statement)) if asks else None
    return pipeline.load(spec.target_name, rows=rows)[1]


def diff_table(
    subject: Subject,
    first: Connection,
    second: Connection,
    given: Key | None,
    question: Question,
    *,
    one: bool,
) -> TableDiff:
    """Compare a table.

    Args:
        subject: the table.
        first: the connection to A.
        second: the connection to B.
        given: the key; by default that of its step.
        question: the columns and the tolerance.
        one: whether the first connection sees both tables.

    Raises:
        UsageError: the key names a column that the tables lack.
        snowflake.connector.errors.Error: a query failed.
    """
    if one and subject.here == subject.there:
        return TableDiff(subject.name, Presence.SAME)
    here = None if subject.here is None else described(first, subject.here)
    there = None if subject.there is None else described(second, subject.there)
    if here is None or there is None or subject.here is None or subject.there is None:
        lacks = here is None, there is None
        presence = {(True, True): Presence.NEITHER, (True, False): Presence.THERE}.get(lacks, Presence.HERE)
        return TableDiff(subject.name, presence)
    kept = [
        {name: kind for name, kind in columns.items() if name not in question.ignored}
        for columns in (here, there)
    ]
    schema = schema_differences(*kept)
    both = shared(here, there)
    compared = [column for column in both if column.name not in question.ignored]
    names = {column.name for column in both}
    if given is not None and (missing := [column for column in given if column not in names]):
        raise UsageError(
            f"--key: {subject.name} has no column {missing[0]} on both targets; it has "
            + ", ".join(column.name.sql for column in both)
        )
    if not compared:
        return TableDiff(subject.name, Presence.BOTH, schema)
    tables = subject.here, subject.there

    def ask(key: Key | None) -> Found:
        pair = _pair(tables, both, compared, key, question.tolerance)
        return compare_joined(first, pair) if one else compare_hashed(first, second, pair)

    note = ""
    for key in [given] if given is not None else [each for each in subject.keys if names.issuperset(each)]:
        found = ask(key)
        if given is not None or not (found.repeated_here or found.repeated_there):
            return TableDiff(subject.name, Presence.BOTH, schema, key, found)
        note = f"{', '.join(map(str, key))} is not unique, so whole rows are compared"
    return TableDiff(subject.name, Presence.BOTH, schema, None, ask(None), note)


def _pair(
    tables: tuple[QualifiedName, QualifiedName],
    both: Sequence[Shared],
    compared: Sequence[Shared],
    key: Key | None,
    tolerance: float,
) -> Pair:
    """Return the tables with their keys; whole rows are paired by all columns that have no tolerance."""
    if key is None:
        identity = [column for column in compared if not column.is_float]
    else:
        known = {column.name: column for column in both}
        identity = [known[name] for name in key]
    values = [column for column in compared if column not in identity]
    return Pair(*tables, identity, values, tolerance)
