"""The options of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from snowpipe_ml.data_diff.diff import Question

SERIES = 8
"""How many series are forecast by default."""


@dataclass(frozen=True)
class Options:
    """The options of a comparison.

    Attributes:
        target: the target whose values are used; the default target if None.
        variables: values of ``vars`` that override those of the spec.
        series: how many series are forecast; None for all.
        run: whether the pipeline is run; else only steps and SQL are compared.
        fresh: whether the head runs on an empty warehouse, and not where the base has run.
        question: the tables that are compared, their keys, ignored columns and the tolerance.
        threads: how many steps run at once.
    """

    target: str | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    series: int | None = SERIES
    run: bool = True
    fresh: bool = False
    question: Question = field(default_factory=Question)
    threads: int = 4


DEFAULT = Options()
