"""A sandbox for templates that limits their loops, calls, text sizes and numbers.

A spec may come from an untrusted author, and ``validate`` must still finish. Jinja's own sandbox protects the
interpreter from templates; it does not prevent them from looping or growing without limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from snowpipe_ml.errors import TemplateError
from snowpipe_ml.spec.limits import (
    BITS,
    CHEAP,
    LONGEST,
    bounded_range,
    check_call,
    check_percent,
    checked,
    counted,
    joined,
    limit,
    names,
    size_of,
    weighed,
)

_METHODS: dict[type, frozenset[str]] = {
    str: names(
        ".capitalize .casefold .center .count .endswith .expandtabs .find .format .format_map .index "
        ".isalnum .isalpha .isascii .isdecimal .isdigit .isidentifier .islower .isnumeric "
        ".isprintable .isspace .istitle .isupper .join .ljust .lower .lstrip .partition "
        ".removeprefix .removesuffix .replace .rfind .rindex .rjust .rpartition .rsplit .rstrip "
        ".split .splitlines .startswith .strip .swapcase .title .upper .zfill"
    ),
    int: frozenset({".bit_length"}),
    bytes: frozenset(),
}
# Their running time or their result grows faster than their input.
_UNBOUNDED = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")


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
        self.globals["range"] = bounded_range
        tests: dict[str, Callable[..., object]] = dict(self.tests)  # type: ignore[arg-type]
        for name in _UNBOUNDED:
            del self.filters[name]
        self.filters = {name: self.bounded_filter(name, found) for name, found in self.filters.items()}
        self.tests = {name: self.bounded_filter(name, found) for name, found in tests.items()}
        self.filters |= {"_counted": counted, "_joined": joined, "_weighed": weighed}

    @staticmethod
    def bounded_filter(name: str, found: Callable[..., object]) -> Callable[..., object]:
        """Wrap a filter or test: count its input, and refuse a call whose result would be too large."""
        passes = getattr(found, "jinja_pass_arg", None)
        skip = 1 if passes is not None else 0

        def call(*arguments: object, **named: object) -> object:
            receiver, *given = arguments[skip:]
            weighed(*given, *named.values(), *([] if name in CHEAP else [receiver]))
            check_call(name, receiver, tuple(given), named)
            result = found(*arguments, **named)
            # An iterator is consumed here: the next filter could not measure it.
            return checked(list(result) if isinstance(result, Iterator) else result)

        if passes is not None:
            call.jinja_pass_arg = passes  # type: ignore[attr-defined]
        return call

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Evaluate ``left operator right``, unless the result would be too large."""
        bits = 0
        if operator == "*" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() + right.bit_length()
        elif operator == "*":
            limit(operator, max(size_of(left) * _times(right), size_of(right) * _times(left)))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(right, 0)
        elif operator == "%" and isinstance(left, str | bytes):
            weighed(left, right)
            check_percent(operator, left if isinstance(left, str) else str(left, "latin-1"), right)
        elif operator == "+":
            limit(operator, size_of(left) + size_of(right))
        limit(operator, LONGEST + 1 if bits > BITS else 0)
        return checked(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:  # noqa: N805
        """Count a call, and refuse it if its result would be too large."""
        # The sandbox wraps str.format().
        receiver = getattr(__obj, "__self__", getattr(getattr(__obj, "__wrapped__", None), "__self__", None))
        name = f".{getattr(__obj, '__name__', '')}"
        builtin = isinstance(receiver, str | bytes | list | dict | tuple | int)
        weighed(*args, *kwargs.values(), *([receiver] if builtin and name not in CHEAP else []))
        if receiver in (str, bytes, int, float, dict):  # a method of the type, such as maketrans or fromkeys
            raise TemplateError(f"a template cannot call {name[1:]!r}")
        if builtin:
            for kind, methods in _METHODS.items():
                if isinstance(receiver, kind) and name not in methods:
                    raise TemplateError(f"a template cannot call {name[1:]!r}")
            check_call(name, receiver, args, kwargs)
        return checked(super().call(__context, __obj, *args, **kwargs))

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
