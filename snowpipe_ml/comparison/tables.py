"""The tables that differ between two commits, in a warehouse that holds those of both."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from snowpipe_ml.comparison.steps import Side
from snowpipe_ml.comparison.throwaway import AT_BASE
from snowpipe_ml.data_diff.columns import described, shared
from snowpipe_ml.data_diff.diff import Presence, Question, TableDiff, diff_table
from snowpipe_ml.data_diff.subjects import Subject, given_keys, selected, subjects
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Identifier, QualifiedName, sql

# Columns that name the run, or tell how long it took, in the outputs of some step types.
_OF_THE_RUN = {
    kind: tuple(map(Identifier, ("RUN_ID", "RUN_DATE", "MODEL_ID", "SECONDS")))
    for kind in (
        "train_forecasters",
        "forecast",
        "evaluate_forecasts",
        "flatten_forecasts",
        "leaderboard",
        "monitor",
        "anomalies",
        "train_automl",
    )
}
_MOST_COUNTED = 40
"""Columns of a table without a key whose values are counted."""


@dataclass(frozen=True)
class TableChange:
    """A table of both commits.

    Attributes:
        step: the step that writes it.
        diff: its comparison: A is the base, B the head.
        columns: by column, in how many rows at least its values differ, the most first. They are counted where rows are
            paired as a whole: a row with another value is then one of each commit, and in no column known to differ.
    """

    step: str
    diff: TableDiff
    columns: Mapping[str, int] = field(default_factory=dict)


def table_changes(
    connection: Connection, base: Side, head: Side, steps: Collection[str], question: Question
) -> Iterator[TableChange]:
    """Compare the tables that some steps write.

    Not compared are tables to which a step only appends, tables that are named after the run, and views that another of
    the steps reads: the tables of that step show the difference.

    Args:
        connection: a connection that sees the databases of the base beside those of the head.
        base: the pipeline at the base.
        head: the pipeline at the head.
        steps: the nodes whose tables are compared.
        question: the keys, the ignored columns and the tolerance.

    Raises:
        UsageError: a key or a pattern names what is not compared.
        snowflake.connector.errors.Error: a query failed.
    """
    writers = _writers(base, steps) | _writers(head, steps)
    targets = base.spec.target, head.spec.target
    every = [each for each in subjects((base.graph, head.graph), targets) if each.name in writers]
    chosen = selected(every, question.select) if question.select else every
    keys = given_keys(question.keys, chosen) if question.keys else {}
    for subject in chosen:
        step, kind = writers[subject.name]
        moved = replace(subject, here=None if subject.here is None else at_base(subject.here))
        asked = replace(question, ignored={*question.ignored, *_OF_THE_RUN.get(kind, ())})
        diff = diff_table(moved, connection, connection, keys.get(subject), asked, one=True)
        found = diff.found
        counted: Mapping[str, int] = {}
        if found is not None and found.differs and diff.key is None and not found.columns:
            counted = _counted(connection, moved, asked)
        yield TableChange(step, diff, counted)


def absent(name: QualifiedName, step: str, *, head: bool) -> TableChange:
    """Return a table that only one of the commits has."""
    return TableChange(step, TableDiff(name, Presence.THERE if head else Presence.HERE))


def written(side: Side, steps: Iterable[str]) -> Iterator[tuple[str, QualifiedName]]:
    """Yield the tables that steps replace, with the names of the steps."""
    for step in steps:
        for resource in side.graph.nodes[step].writes:
            if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName) and not resource.adds:
                yield step, resource.name


def _writers(side: Side, steps: Collection[str]) -> dict[QualifiedName, tuple[str, str]]:
    """Return the steps that write the compared tables, and their types."""
    nodes = {name: node for name, node in side.graph.nodes.items() if name in steps}
    read = {resource for node in nodes.values() for resource in node.reads}
    views = {
        resource.name
        for node in nodes.values()
        for resource in node.writes
        if resource.view and resource in read
    }
    return {
        name: (step, nodes[step].step.type_name) for step, name in written(side, nodes) if name not in views
    }


def at_base(name: QualifiedName) -> QualifiedName:
    """Return the name that a table of the base has beside those of the head; it has a database."""
    database, *rest = name.parts
    return QualifiedName((Identifier(database.name + AT_BASE), *rest))


def _counted(connection: Connection, subject: Subject, question: Question) -> Mapping[str, int]:
    """Return the columns of which one table has other values than the other, or has them more often."""
    if subject.here is None or subject.there is None:
        return {}
    columns = shared(described(connection, subject.here) or {}, described(connection, subject.there) or {})
    found = {}
    for column in [each for each in columns if each.name not in question.ignored][:_MOST_COUNTED]:
        query = sql(
            "SELECT SUM(GREATEST(D, 0)), SUM(GREATEST(-D, 0)) FROM (SELECT V, SUM(S) AS D FROM "
            "(SELECT {first} AS V, 1 AS S FROM {here} UNION ALL SELECT {second}, -1 FROM {there}) GROUP BY V)",
            first=column.value(column.here),
            second=column.value(column.there),
            here=subject.here,
            there=subject.there,
        )
        rows = max(int(value or 0) for value in tuple(execute(connection, query)[0]))
        if rows:
            found[column.name.name] = rows
    return dict(sorted(found.items(), key=lambda item: -item[1]))
