"""Budgets of a run and of its steps, in credits: what would pass its budget is canceled or not started.

Credits are the seconds of a step times what its warehouse uses in an hour, as if nothing else ran on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.records.rates import Rates, seconds_of
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.spec.loader import Spec

_BEFORE = 1.0  # seconds before the budget is used that a cancellation takes


@dataclass
class Budgets:
    """The credits that the steps of a run use, and may use.

    Args:
        whole: the budget of the run; None for none.
        rates: the credits in an hour, by step.
        expected: the credits that steps used before.
        clock: the time in seconds.
    """

    whole: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _started: dict[str, float] = field(default_factory=dict, init=False)
    _spent: float = field(default=0.0, init=False)

    @classmethod
    def read(cls, spec: Spec, graph: Graph, ctx: PlanContext, state: State) -> Budgets:
        """Return the budgets of a run. If there are none, nothing is asked.

        Raises:
            UsageError: the credits of a warehouse do not follow from its size.
        """
        whole = spec.pipeline.budget
        wanted = [
            node
            for node in graph.nodes.values()
            if whole is not None or node.step.settings.budget is not None
        ]
        if not wanted:
            return cls()
        rates, of = {}, Rates(spec, state, ctx)
        for node in wanted:
            rates[node.name] = of.of(node)
        before = {} if whole is None else seconds_of(state, spec.pipeline.name, spec.target_name)
        expected = {name: before[name] * rate / 3600 for name, rate in rates.items() if name in before}
        return cls(whole, rates, expected)

    def start(self, name: str) -> str | None:
        """Count the time of a step from now on, or return why it is not started."""
        rate, expected = self.rates.get(name, 0.0), self.expected.get(name, 0.0)
        if self.whole is not None and rate:
            used = self._used()
            if used + max(expected, rate * _BEFORE / 3600) > self.whole:
                before = f", and {name} used {expected:.4g} before" if expected else ""
                return (
                    f"not started, to stay within the budget of the run: {used:.4g} of {self.whole:g} credits are used"
                    f"{before}. Raise `budget` and resume the run"
                )
        self._started[name] = self.clock()
        return None

    def end(self, name: str) -> None:
        """Count the time of a step until now."""
        self._spent += self._of(name)
        self._started.pop(name, None)

    def passed(self, nodes: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
        """Yield the running steps that have used their budget or that of the run, each with the reason."""
        running = {name: self.rates[name] for name in self._started if self.rates.get(name)}
        ahead = sum(running.values()) * _BEFORE / 3600
        over = self.whole is not None and self._used() + ahead >= self.whole
        for name, rate in running.items():
            own = nodes[name].step.settings.budget
            if own is not None and self._of(name) + rate * _BEFORE / 3600 >= own:
                yield name, self._told(name, f"its budget of {own:g}")
            elif over:
                yield name, self._told(name, f"the budget of the run, {self.whole:g}")

    def _told(self, name: str, which: str) -> str:
        seconds = self.clock() - self._started[name]
        return (
            f"canceled after {seconds:.0f} s, to stay within {which} credits: its warehouse uses {self.rates[name]:g} credits "
            "in an hour. Raise `budget`, or choose a smaller warehouse, and resume the run"
        )

    def _of(self, name: str) -> float:
        if name not in self._started:
            return 0.0
        return (self.clock() - self._started[name]) * self.rates.get(name, 0.0) / 3600

    def _used(self) -> float:
        return self._spent + sum(map(self._of, self._started))
