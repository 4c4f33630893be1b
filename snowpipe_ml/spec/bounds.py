"""Templates that end: a sandbox whose loops, calls, texts and numbers are bounded.

A spec may come from a stranger, and ``validate`` must answer. Jinja's own sandbox keeps templates from the interpreter;
it does not keep them from looping or growing without end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from snowpipe_ml.errors import TemplateError

STEPS = 100_000  # iterations of loops and calls in one rendering; also the largest argument of a call
LONGEST = 1_000_000  # characters of a text or items of a list
OUTPUT = 16_000_000  # characters of all that one rendering writes
_BITS = 4096  # of a whole number
_WIDTH = re.compile(r"\d{5,}|\*")  # in a format: a field that is too wide, or as wide as an argument says


class _Budget:
    """What is left of one rendering's steps and output."""

    def __init__(self) -> None:
        self.steps, self.output = STEPS, OUTPUT

    def spend(self, steps: int = 0, output: int = 0) -> None:
        self.steps -= steps
        self.output -= output
        if self.steps < 0:
            raise TemplateError(f"the template takes more than {STEPS:,} iterations and calls")
        if self.output < 0:
            raise TemplateError(f"the template writes more than {OUTPUT:,} characters")


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def bounded() -> Iterator[None]:
    """Render within one budget; a rendering inside another has the same."""
    if _budget.get(None) is not None:
        yield
        return
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def _spend(steps: int = 0, output: int = 0) -> None:
    budget = _budget.get(None)
    if budget is not None:
        budget.spend(steps, output)


def written(value: Any) -> Any:
    """Count what an expression of a template writes."""
    _spend(output=len(value) if isinstance(value, str) else 20)
    return value


def _counted(items: Iterable[Any], text: int) -> Iterator[Any]:
    """The items of a loop, whose body has so many characters of plain text."""
    for item in items:
        _spend(1, text)
        yield item


def _range(*limits: int) -> range:
    found = range(*limits)
    try:
        size = len(found)
    except OverflowError:
        size = STEPS + 1
    if size > STEPS:
        raise TemplateError(f"a range of more than {STEPS:,} numbers")
    return found


def _checked(value: Any) -> Any:
    """A value that is not too large.

    Raises:
        TemplateError: it is.
    """
    if isinstance(value, str | list | tuple | dict) and len(value) > LONGEST:
        raise TemplateError(f"a {type(value).__name__} with {len(value):,} items; at most {LONGEST:,} are allowed")
    return value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _too_large(operator: str) -> TemplateError:
    return TemplateError(f"the result of {operator!r} would be too large")


def _joined(*parts: Any) -> str:
    """``a ~ b``."""
    texts = [str(part) for part in parts]
    if sum(map(len, texts)) > LONGEST:
        raise _too_large("~")
    return "".join(texts)


def _check_call(name: str, receiver: Any, arguments: Iterable[Any], named: Mapping[str, Any]) -> None:
    """Refuse a call of a filter or method whose result would be too large, before it is made."""
    given = [*arguments, *named.values()]
    for value in given:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > STEPS:
            raise TemplateError(f"{value if abs(value) < 10**20 else 'a number'} is too large for {name!r}")
    if name in ("format", "format_map") and _WIDTH.search(str(receiver)):
        raise _too_large(name)
    texts = [value for value in given if isinstance(value, str)]
    if name == "replace" and len(texts) >= 2:
        text = str(receiver)
        if len(text) + text.count(texts[0]) * len(texts[1]) > LONGEST:
            raise _too_large(name)
    if name == "join":
        items = receiver if not isinstance(receiver, str) else next((v for v in given if not isinstance(v, str)), ())
        separator = max((len(text) for text in texts), default=len(receiver) if isinstance(receiver, str) else 0)
        if not isinstance(items, str | list | tuple | range | dict):
            return
        if sum(len(str(item)) + separator for item in items) > LONGEST:
            raise _too_large(name)


class BoundedEnvironment(SandboxedEnvironment):
    """Jinja's sandbox, in which a rendering within :func:`bounded` ends soon and stays small."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, **options: Any) -> None:
        # The optimizer would compute constant expressions before anything is bounded.
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, optimized=False, **options)
        self.globals.clear()
        self.globals["range"] = _range
        self.filters = {name: self._bounded_filter(name, found) for name, found in self.filters.items()}
        self.filters["_counted"] = _counted
        self.filters["_joined"] = _joined

    @staticmethod
    def _bounded_filter(name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        passes = getattr(found, "jinja_pass_arg", None)
        skip = 1 if passes is not None else 0

        def call(*arguments: Any, **named: Any) -> Any:
            own = arguments[skip:]
            _spend(1)
            _check_call(name, own[0] if own else None, own[1:], named)
            return _checked(found(*arguments, **named))

        if passes is not None:
            call.jinja_pass_arg = passes  # type: ignore[attr-defined]
        return call

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """``left operator right``, unless the result would be too large."""
        numbers = isinstance(left, int) and isinstance(right, int)
        if operator == "*":
            if numbers and left.bit_length() + right.bit_length() > _BITS:
                raise _too_large(operator)
            if not numbers and (_size(left) * _times(right) > LONGEST or _size(right) * _times(left) > LONGEST):
                raise _too_large(operator)
        elif operator == "**":
            if numbers and left.bit_length() * max(right, 0) > _BITS:
                raise _too_large(operator)
        elif operator == "%":
            if isinstance(left, str) and _WIDTH.search(left):
                raise _too_large(operator)
        elif _size(left) + _size(right) > LONGEST:
            raise _too_large(operator)
        return _checked(super().call_binop(context, operator, left, right))

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """A call, counted, and refused if its result would be too large."""
        _spend(1)
        # The sandbox wraps a text's format().
        receiver = getattr(__obj, "__self__", getattr(getattr(__obj, "__wrapped__", None), "__self__", None))
        if isinstance(receiver, str | bytes | list | dict | tuple | int):
            _check_call(str(getattr(__obj, "__name__", "")), receiver, args, kwargs)
        return _checked(super().call(__context, __obj, *args, **kwargs))

    def _generate(self, source: nodes.Template, *arguments: Any, **named: Any) -> str:
        for loop in source.find_all(nodes.For):
            text = sum(len(data.data) for data in loop.find_all(nodes.TemplateData))
            loop.iter = nodes.Filter(loop.iter, "_counted", [nodes.Const(text)], [], None, None, lineno=loop.lineno)
        for concat in list(source.find_all(nodes.Concat)):
            first, *rest = concat.nodes
            _replace(source, concat, nodes.Filter(first, "_joined", rest, [], None, None, lineno=concat.lineno))
        source.set_environment(self)
        return super()._generate(source, *arguments, **named)


def _times(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _replace(root: nodes.Node, old: nodes.Node, new: nodes.Node) -> None:
    """Put a node in another one's place."""
    for parent in [root, *root.find_all(nodes.Node)]:
        for name, value in parent.iter_fields():
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[:] = [new if item is old else item for item in value]
                return
