"""A sandbox for templates that limits their loops, calls, text sizes and numbers.

A spec may come from an untrusted author, and ``validate`` must still finish. Jinja's own sandbox protects the
interpreter from templates; it does not prevent them from looping or growing without limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from string import Formatter

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.sql import Literal, Sql

STEPS = 100_000  # loop iterations and calls in one rendering; also the largest size argument
LONGEST = 1_000_000  # characters of a text or items of a list
OUTPUT = 16_000_000  # characters that one rendering writes in total
_A_STEP = 100  # characters read by a filter, test, method or comparison that count as one step
_BITS = 4096  # of a whole number
_CONTAINERS = (list, tuple, set, frozenset, range, dict, KeysView, ValuesView, ItemsView)

# The names of methods start with a dot, to distinguish them from filters.
_SIZED = frozenset(
    {
        ".center",
        ".expandtabs",
        ".ljust",
        ".rjust",
        ".zfill",
        "batch",
        "center",
        "indent",
        "round",
        "slice",
        "tojson",
    }
    | {"truncate"}
)
_CHEAP = frozenset(  # they do not read the whole of the value that they are applied to
    {".append", ".get", ".items", ".keys", ".values", "count", "d", "default", "first", "length"}
    | {"boolean", "callable", "defined", "false", "float", "integer", "iterable", "mapping", "none", "number"}
    | {"sameas", "sequence", "string", "true", "undefined"}
)
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {
            ".capitalize",
            ".casefold",
            ".center",
            ".count",
            ".endswith",
            ".expandtabs",
            ".find",
            ".format",
            ".format_map",
        }
        | {
            ".index",
            ".isalnum",
            ".isalpha",
            ".isascii",
            ".isdecimal",
            ".isdigit",
            ".isidentifier",
            ".islower",
        }
        | {
            ".isnumeric",
            ".isprintable",
            ".isspace",
            ".istitle",
            ".isupper",
            ".join",
            ".ljust",
            ".lower",
            ".lstrip",
        }
        | {
            ".partition",
            ".removeprefix",
            ".removesuffix",
            ".replace",
            ".rfind",
            ".rindex",
            ".rjust",
            ".rpartition",
        }
        | {
            ".rsplit",
            ".rstrip",
            ".split",
            ".splitlines",
            ".startswith",
            ".strip",
            ".swapcase",
            ".title",
            ".upper",
        }
        | {".zfill"}
    ),
    int: frozenset({".bit_length"}),
    bytes: frozenset(),
}
# Their running time or their result grows faster than their input.
_UNBOUNDED = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")
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


def _spend(steps: int = 0, output: int = 0) -> None:
    budget = _budget.get(None)
    if budget is not None:
        budget.spend(steps, output)


def _length(value: object, most: int) -> int:
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


def _weighed(*values: object) -> object:
    """Count one step, and more for values that are slow to read; return the first value."""
    _spend(1 + sum(_length(value, STEPS * _A_STEP) // _A_STEP for value in values))
    return values[0] if values else None


def written(value: object) -> object:
    """Count the output of a template expression, and return it."""
    _spend(output=_length(value, OUTPUT))
    return value


def _counted(items: Iterable[object], text: int) -> Iterator[object]:
    """Yield the items of a loop, counting each; its body has ``text`` characters of plain text."""
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


def _checked(value: object) -> object:
    """Return a result after counting the steps that it took.

    Raises:
        TemplateError: the result is too large.
    """
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise TemplateError(f"a whole number of more than {_BITS:,} bits")
    if isinstance(value, str | list | tuple | dict):
        if len(value) > LONGEST:
            raise TemplateError(
                f"a {type(value).__name__} with {len(value):,} items; at most {LONGEST:,} are allowed"
            )
        _spend(len(value) // _A_STEP)
    return value


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _limit(operation: str, size: int) -> None:
    if size > LONGEST:
        raise TemplateError(f"the result of {operation!r} would be too large")


def _joined(*parts: object) -> str:
    """Evaluate ``a ~ b``."""
    _limit("~", sum(_length(part, LONGEST) for part in parts))
    text = "".join(map(str, parts))
    _checked(text)
    return text


def _check_format(
    name: str, template: str, widths: Iterable[str], fields: int, values: Iterable[object]
) -> None:
    """Refuse a format whose result would be too large if each field held the longest value."""
    widest = max((min(int(width[:9]), LONGEST + 1) for width in widths if width), default=0)
    longest = max(
        (350 if isinstance(value, float) else _length(value, LONGEST) for value in values), default=0
    )
    _limit(name, len(template) + fields * max(longest, widest))


def _check_percent(name: str, template: str, values: object) -> None:
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


def _check_call(
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
    wide = max((value if isinstance(value, int) else _length(value, LONGEST) for value in given), default=0)
    match name:
        case "format":
            _check_percent(plain, str(receiver), named or arguments)
        case ".format":
            _check_braces(plain, str(receiver), given)
        case ".format_map":
            values = arguments[0] if arguments else None
            _check_braces(plain, str(receiver), values.values() if isinstance(values, dict) else [values])
        case "replace" | ".replace":
            text, (old, new, *_) = str(receiver), [*arguments, "", ""]
            old, new = str(named.get("old", old)), str(named.get("new", new))
            _limit(plain, len(text) + text.count(old) * len(new))
        case "join" | ".join":
            items = receiver if name == "join" else (arguments or [()])[0]
            if isinstance(items, jinja2.Undefined):
                return
            if not isinstance(items, (str, *_CONTAINERS)):
                raise TemplateError(f"a {type(items).__name__} cannot be joined")
            _limit(
                plain, _length(items, LONGEST) + len(items) * (wide if name == "join" else len(str(receiver)))
            )
        case ".expandtabs":
            text = str(receiver)
            _limit(plain, len(text) + text.count("\t") * max(wide, 8))
        case "indent":
            text = str(receiver)
            _limit(plain, len(text) + (len(text.splitlines()) + 1) * max(wide, 4))
        case "tojson" if given:  # each line is indented by the nesting depth of its list
            _limit(plain, _length(receiver, LONGEST) * wide * 10)
        case "sum" if any(isinstance(value, list | tuple) for value in given):
            raise TemplateError("'sum' adds numbers only")


class BoundedEnvironment(SandboxedEnvironment):
    """Jinja's sandbox, with limits on the time and size of each rendering within :func:`bounded`."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, *, finalize: Callable[[object], object], keep_trailing_newline: bool = False) -> None:
        # The optimizer would evaluate constant expressions before any limit applies.
        super().__init__(
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            optimized=False,
            finalize=finalize,
            keep_trailing_newline=keep_trailing_newline,
        )
        self.globals.clear()
        self.globals["range"] = _range
        tests: dict[str, Callable[..., object]] = dict(self.tests)  # type: ignore[arg-type]
        for name in _UNBOUNDED:
            del self.filters[name]
        self.filters = {name: self.bounded_filter(name, found) for name, found in self.filters.items()}
        self.tests = {name: self.bounded_filter(name, found) for name, found in tests.items()}
        self.filters |= {"_counted": _counted, "_joined": _joined, "_weighed": _weighed}

    @staticmethod
    def bounded_filter(name: str, found: Callable[..., object]) -> Callable[..., object]:
        """Wrap a filter or test: count its input, and refuse a call whose result would be too large."""
        passes = getattr(found, "jinja_pass_arg", None)
        skip = 1 if passes is not None else 0

        def call(*arguments: object, **named: object) -> object:
            receiver, *given = arguments[skip:]
            _weighed(*given, *named.values(), *([] if name in _CHEAP else [receiver]))
            _check_call(name, receiver, tuple(given), named)
            result = found(*arguments, **named)
            # An iterator is consumed here: the next filter could not measure it.
            return _checked(list(result) if isinstance(result, Iterator) else result)

        if passes is not None:
            call.jinja_pass_arg = passes  # type: ignore[attr-defined]
        return call

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Evaluate ``left operator right``, unless the result would be too large."""
        bits = 0
        if operator == "*" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() + right.bit_length()
        elif operator == "*":
            _limit(operator, max(_size(left) * _times(right), _size(right) * _times(left)))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(right, 0)
        elif operator == "%" and isinstance(left, str | bytes):
            _weighed(left, right)
            _check_percent(operator, left if isinstance(left, str) else str(left, "latin-1"), right)
        elif operator == "+":
            _limit(operator, _size(left) + _size(right))
        _limit(operator, LONGEST + 1 if bits > _BITS else 0)
        return _checked(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:  # noqa: N805
        """Count a call, and refuse it if its result would be too large."""
        # The sandbox wraps str.format().
        receiver = getattr(__obj, "__self__", getattr(getattr(__obj, "__wrapped__", None), "__self__", None))
        name = f".{getattr(__obj, '__name__', '')}"
        builtin = isinstance(receiver, str | bytes | list | dict | tuple | int)
        _weighed(*args, *kwargs.values(), *([receiver] if builtin and name not in _CHEAP else []))
        if receiver in (
            str,
            bytes,
            int,
            float,
            dict,
        ):  # a method of the type: maketrans, fromkeys, from_bytes
            raise TemplateError(f"a template cannot call {name[1:]!r}")
        if builtin:
            for kind, methods in _METHODS.items():
                if isinstance(receiver, kind) and name not in methods:
                    raise TemplateError(f"a template cannot call {name[1:]!r}")
            _check_call(name, receiver, args, kwargs)
        return _checked(super().call(__context, __obj, *args, **kwargs))

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        _Bounds().visit(source)
        source.set_environment(self)
        return super()._generate(source, name, filename, defer_init)


class _Bounds(NodeTransformer):
    """Insert counting filters where Jinja bypasses the environment.

    These are loops, ``~``, comparisons, slices and keys.
    """

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            raise jinja2.TemplateSyntaxError("a loop cannot be recursive", node.lineno)
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _filter(node.iter, "_counted", nodes.Const(text))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        first, *rest = node.nodes
        return _filter(first, "_joined", *rest)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _weigh(node.expr)
        for operand in node.ops:
            operand.expr = _weigh(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _weigh(node.node)
        else:
            node.arg = _weigh(node.arg)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.key = _weigh(node.key)
        return node


def _filter(value: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), [], None, None, lineno=value.lineno)


def _weigh(value: nodes.Expr) -> nodes.Expr:
    return value if isinstance(value, nodes.Const) else _filter(value, "_weighed")


def _times(value: object) -> int:
    return value if isinstance(value, int) else 0
