"""Translate access to elements of a VARIANT: ``v:a.b``, ``v['a'][0]``, ``v[i]``, ``v[name]``.

https://docs.snowflake.com/en/user-guide/querying-semistructured
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake

from snowpipe_ml.local.core.errors import UnsupportedError, syntax
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)


def rewrite_brackets(tree: exp.Expr) -> exp.Expr:
    """Translate each chain of constant steps to one path: ``v['a'][0]`` -> ``v:a[0]``.

    Chains are processed from the outermost bracket, so that a constant chain is one path.
    """
    for bracket in reversed(nodes(tree, exp.Bracket)):
        if (
            isinstance(bracket.parent, exp.Bracket)
            and bracket.arg_key == "this"
            and _step(bracket.parent) is not None
        ):
            continue  # part of a longer chain
        replaced = _chain(bracket)
        if bracket is tree:
            tree = replaced
        else:
            bracket.replace(replaced)
    return tree


def _chain(bracket: exp.Bracket) -> exp.Expr:
    steps: list[exp.Expr] = []
    node: exp.Expr = bracket
    while isinstance(node, exp.Bracket) and (step := _step(node)) is not None:
        steps.insert(0, step)
        node = node.this
    if not steps:
        return _computed(bracket)
    if isinstance(node, exp.Bracket):
        node = _computed(node)
    path = exp.JSONPath(expressions=[exp.JSONPathRoot(), *steps])
    return _typed(exp.JSONExtract(this=node.copy(), expression=path))


def _step(bracket: exp.Bracket) -> exp.Expr | None:
    """Return the step of a path for a literal index or key; None for any other expression."""
    if len(bracket.expressions) != 1 or not isinstance(bracket.expressions[0], exp.Literal):
        return None
    index = bracket.expressions[0]
    if index.is_string:
        return exp.JSONPathKey(this=index.name)
    return exp.JSONPathSubscript(this=int(index.name))


def _computed(bracket: exp.Bracket) -> exp.Expr:
    """Translate access by an index or key that is known only when the query runs."""
    if len(bracket.expressions) != 1 or isinstance(bracket.expressions[0], exp.Slice):
        raise UnsupportedError("a slice of an array", "Use ARRAY_SLICE")
    inner = _chain(bracket.this) if isinstance(bracket.this, exp.Bracket) else bracket.this.copy()
    return element(inner, bracket.expressions[0])


def element(value: exp.Expr, index: exp.Expr) -> exp.Expr:
    """Return the element of a VARIANT at a position or with a key."""
    check_container(value, index)
    found = kind(index)
    if index.is_string:
        steps = [exp.JSONPathRoot(), exp.JSONPathKey(this=index.name)]
        return extract(value, exp.JSONPath(expressions=steps))
    if found in TEXTS:
        return _typed(once("sf_field", value, index.copy()))
    if found in INTEGERS | DECIMALS | FLOATS:
        return _typed(once("sf_element", value, index.copy()))
    return _typed(once("sf_get", value, variant_of(index)))


def variant_path(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``v:a.b[0]``."""
    assert isinstance(node, exp.JSONExtract)
    first = next((step.this for step in node.expression.expressions if step.this is not None), "")
    check_container(node.this, exp.Literal.string(first) if isinstance(first, str) else _number(first))
    return extract(node.this.copy(), node.expression)


def check_container(value: exp.Expr, index: exp.Expr, function: str = "GET") -> None:
    """Refuse access to an element of a value that is known to be no VARIANT, ARRAY, OBJECT or MAP.

    Raises:
        ProgrammingError: the value is of another type.
    """
    found = kind(value)
    if found is not None and found not in VARIANTS:
        raise wrong_type(function, value, index)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def json_path(text: exp.Expr) -> exp.Expr:
    """Parse the path of GET_PATH: ``a.b[0]``, ``['a']``."""
    path = Snowflake().to_json_path(text)
    if not isinstance(path, exp.JSONPath):
        raise syntax(f"invalid path '{text.name}'")
    return path


def extract(value: exp.Expr, path: exp.Expr) -> exp.Expr:
    """Return the element at a path; NULL if it does not exist or is a missing element of an array."""
    text = "$"
    for step in path.expressions:
        match step, step.this:
            case exp.JSONPathRoot(), _:
                continue
            case ((exp.JSONPathKey() | exp.JSONPathSubscript()), str(key)) if not set(key) & set('"\\*'):
                text += f'."{key}"'
            case ((exp.JSONPathKey() | exp.JSONPathSubscript()), str(key)):
                value = once("sf_field", _extracted(value, text), exp.Literal.string(key))
                text = "$"
            case exp.JSONPathSubscript(), int(place):
                # A negative position does not exist.
                text += f"[{place}]" if place >= 0 else "[4294967295]"
            case _:
                raise UnsupportedError("this path into a VARIANT")
    made = _extracted(value, text)
    return _typed(macro("sf_defined", made) if text.endswith("]") else made)


def _extracted(value: exp.Expr, path: str) -> exp.Expr:
    return builtin("json_extract", value, exp.Literal.string(path)) if path != "$" else value


def _typed(node: exp.Expr) -> exp.Expr:
    node.type = exp.DataType(this=T.VARIANT)
    return node
