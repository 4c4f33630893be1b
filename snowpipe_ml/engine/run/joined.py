"""A run that was begun, as each of its tasks finds it on the target."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.records.past import PastRun
from snowpipe_ml.engine.records.state import Record
from snowpipe_ml.engine.run.handle import RunHandle
from snowpipe_ml.engine.run.opened import Access, OpenRun, opened
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.errors import UsageError


@dataclass(frozen=True)
class Joined:
    """A run that was begun, opened by one of its tasks.

    Attributes:
        at: the run on its open target.
        past: what was recorded when it was begun.
        graph: its nodes.
        token: the fencing token with which the task works.
    """

    at: OpenRun
    past: PastRun
    graph: Graph
    token: int


@contextmanager
def joined(source: Source, handle: RunHandle, access: Access) -> Iterator[Joined]:
    """Open the target of a run that was begun, and load the spec for it."""
    with opened(source, handle.target, handle.run, access) as at:
        if handle.pipeline != at.key[0]:
            raise UsageError(f"the handle is for the pipeline {handle.pipeline}, and this one is {at.key[0]}")
        past = at.state.past_run(*at.key, handle.run_id)
        if past is None:
            raise UsageError(f"no run {handle.run_id!r} of {at.key[0]} on {at.key[1]}: it was never begun")
        yield joined_as(at, past, handle.token)


def joined_as(at: OpenRun, past: PastRun, token: int) -> Joined:
    """Load the spec for a run that was begun, on its open target."""
    at.reload(past, past.details.get("rows"))
    return Joined(at, past, selected(at, past), token)


def selected(at: OpenRun, past: PastRun) -> Graph:
    """The nodes of a run that was begun.

    Those of the spec as it is now, if all were selected: a mended spec may have other ones.
    """
    if past.details.get("whole", True):
        return at.graph
    return at.graph.part(past.details.get("steps") or ())


def unfinished(events: Iterable[Record], nodes: Collection[str] | None = None) -> list[int]:
    """The sessions of the tries that have not recorded their end."""
    found: dict[str, list[int]] = {}
    for row in events:
        if nodes is not None and row["STEP"] not in nodes:
            continue
        if row["EVENT"] == "step_started":
            found.setdefault(row["STEP"], []).append(int(row["DETAILS"]["session"]))
        elif row["EVENT"] == "step_finished":
            found.pop(row["STEP"], None)
    return [session for sessions in found.values() for session in sessions]
