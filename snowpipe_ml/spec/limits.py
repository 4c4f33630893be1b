"""Limits of a template: how many steps a rendering takes, and how large its values may become."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from string import Formatter

import jinja2

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.sql import Literal, Sql

STEPS = 100_000  # loop iterations and calls in one rendering; also the largest size argument
LONGEST = 1_000_000  # characters of a text or items of a list
OUTPUT = 16_000_000  # characters that one rendering writes in total
_A_STEP = 100  # characters read by a filter, test, method or comparison that count as one step
BITS = 4096  # of a whole number
_CONTAINERS = (list, tuple, set, frozenset, range, dict, KeysView, ValuesView, ItemsView)


def names(text: str) -> frozenset[str]:
    """Return the names that a text separates by spaces."""
    return frozenset(text.split())


# The names of methods start with a dot, to distinguish them from filters.
_SIZED = names(".center .expandtabs .ljust .rjust .zfill batch center indent round slice tojson truncate")
# They do not read the whole of the value that they are applied to.
CHEAP = names(
    ".append .get .items .keys .values count d default first length boolean callable defined "
    "false float integer iterable mapping none number sameas sequence string true undefined"
)
_CONVERSION = re.compile(r"%(?:\([^()]*\))?[-#0 +]*(\d*)(?:\.(\d*))?[hlL]?[^-(*.#+ \d]", re.S)


class _Budget:
    """The remaining steps and output of one rendering."""

    def __init__(self) -> None:
        self.steps, self.output = STEPS, OUTPUT

    def spend(self, steps: int = 0, output: int = 0) -> None:
        self.steps -= steps
        self.output -= max(output, 0)
        if self.steps < 0:
            raise TemplateError(f"the template takes more than {STEPS:,} iterations and calls")
        if self.output < 0:
            raise TemplateError(f"the template writes more than {OUTPUT:,} characters")


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def bounded() -> Iterator[None]:
    """Render within one budget, which nested renderings share."""
    if _budget.get(None) is not None:
        yield
        return
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def spend(steps: int = 0, output: int = 0) -> None:
    """Count steps and characters of output in the current rendering, if there is one."""
    budget = _budget.get(None)
    if budget is not None:
        budget.spend(steps, output)


def length(value: object, most: int) -> int:
    """Return the approximate length of a value's text, or any number above ``most`` if it is longer.

    The text itself is not built: a short list may contain one long text many times.
    """
    if isinstance(value, str):
        return len(value)
    total, waiting = 0, [value]
    while waiting and total <= most:
        value = waiting.pop()
        if isinstance(value, str):
            total += len(repr(value))
        elif isinstance(value, _CONTAINERS):
            total += 2 + 2 * len(value)
            if total <= most:
                waiting.extend(value)
                waiting.extend(value.values() if isinstance(value, dict) else ())
        elif isinstance(value, int):
            total += value.bit_length() // 3 + 1
        elif isinstance(value, Literal):
            waiting.append(value.value)
        else:
            total += len(value.text) if isinstance(value, Sql) else 20
    return total


def weighed(*values: object) -> object:
    """Count one step, and more for values that are slow to read; return the first value."""
    spend(1 + sum(length(value, STEPS * _A_STEP) // _A_STEP for value in values))
    return values[0] if values else None


def written(value: object) -> object:
    """Count the output of a template expression, and return it."""
    spend(output=length(value, OUTPUT))
    return value


def counted(items: Iterable[object], text: int) -> Iterator[object]:
    """Yield the items of a loop, counting each; its body has ``text`` characters of plain text."""
    for item in items:
        spend(1, text)
        yield item


def bounded_range(*limits: int) -> range:
    """Evaluate ``range(...)``, which may have at most ``STEPS`` numbers."""
    found = range(*limits)
    try:
        size = len(found)
    except OverflowError:
        size = STEPS + 1
    if size > STEPS:
        raise TemplateError(f"a range of more than {STEPS:,} numbers")
    return found


def checked(value: object) -> object:
    """Return a result after counting the steps that it took.

    Raises:
        TemplateError: the result is too large.
    """
    if isinstance(value, int) and value.bit_length() > BITS:
        raise TemplateError(f"a whole number of more than {BITS:,} bits")
    if isinstance(value, str | list | tuple | dict):
        if len(value) > LONGEST:
            raise TemplateError(
                f"a {type(value).__name__} with {len(value):,} items; at most {LONGEST:,} are allowed"
            )
        spend(len(value) // _A_STEP)
    return value


def size_of(value: object) -> int:
    """Return the length of a text or list; 0 of other values."""
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def limit(operation: str, size: int) -> None:
    """Refuse an operation whose result would have more than ``LONGEST`` characters or items."""
    if size > LONGEST:
        raise TemplateError(f"the result of {operation!r} would be too large")


def joined(*parts: object) -> str:
    """Evaluate ``a ~ b``."""
    limit("~", sum(length(part, LONGEST) for part in parts))
    text = "".join(map(str, parts))
    checked(text)
    return text


def _check_format(
    name: str, template: str, widths: Iterable[str], fields: int, values: Iterable[object]
) -> None:
    """Refuse a format whose result would be too large if each field held the longest value."""
    widest = max((min(int(width[:9]), LONGEST + 1) for width in widths if width), default=0)
    longest = max(
        (350 if isinstance(value, float) else length(value, LONGEST) for value in values), default=0
    )
    limit(name, len(template) + fields * max(longest, widest))


def check_percent(name: str, template: str, values: object) -> None:
    """Refuse a ``%`` format with computed widths, or whose result would be too large."""
    conversions = _CONVERSION.findall(template)
    # Python also accepts names that contain brackets, and widths that are taken from the values.
    if re.search(r"%[(\d*.#0 +-]", _CONVERSION.sub("", template)):
        raise TemplateError(f"the format {template[:40]!r} is not allowed: use plain names and fixed widths")
    widths = (width for both in conversions for width in both)
    given = values.values() if isinstance(values, dict) else values if isinstance(values, tuple) else [values]
    _check_format(name, template, widths, len(conversions), given)


def _check_braces(name: str, template: str, values: Iterable[object]) -> None:
    specs = [spec or "" for _, field, spec, _ in Formatter().parse(template) if field is not None]
    if any("{" in spec for spec in specs):
        raise TemplateError(f"the format {template[:40]!r} is not allowed: use fixed widths")
    _check_format(
        name, template, (width for spec in specs for width in re.findall(r"\d+", spec)), len(specs), values
    )


def check_call(
    name: str, receiver: object, arguments: tuple[object, ...], named: Mapping[str, object]
) -> None:
    """Refuse a call of a filter or method, before it happens, if its result would be too large."""
    given = [*arguments, *named.values()]
    plain = name.removeprefix(".")
    if name in _SIZED:
        for value in given:
            if isinstance(value, int) and abs(value) > STEPS:
                raise TemplateError(
                    f"{value if abs(value) < 10**20 else 'a number'} is too large for {plain!r}"
                )
    wide = max((value if isinstance(value, int) else length(value, LONGEST) for value in given), default=0)
    match name:
        case "format":
            check_percent(plain, str(receiver), named or arguments)
        case ".format":
            _check_braces(plain, str(receiver), given)
        case ".format_map":
            values = arguments[0] if arguments else None
            _check_braces(plain, str(receiver), values.values() if isinstance(values, dict) else [values])
        case "replace" | ".replace":
            text, (old, new, *_) = str(receiver), [*arguments, "", ""]
            old, new = str(named.get("old", old)), str(named.get("new", new))
            limit(plain, len(text) + text.count(old) * len(new))
        case "join" | ".join":
            items = receiver if name == "join" else (arguments or [()])[0]
            if isinstance(items, jinja2.Undefined):
                return
            if not isinstance(items, (str, *_CONTAINERS)):
                raise TemplateError(f"a {type(items).__name__} cannot be joined")
            limit(
                plain, length(items, LONGEST) + len(items) * (wide if name == "join" else len(str(receiver)))
            )
        case ".expandtabs":
            text = str(receiver)
            limit(plain, len(text) + text.count("\t") * max(wide, 8))
        case "indent":
            text = str(receiver)
            limit(plain, len(text) + (len(text.splitlines()) + 1) * max(wide, 4))
        case "tojson" if given:  # each line is indented by the nesting depth of its list
            limit(plain, length(receiver, LONGEST) * wide * 10)
        case "sum" if any(isinstance(value, list | tuple) for value in given):
            raise TemplateError("'sum' adds numbers only")
