"""Translate access to elements of a VARIANT by index and key: ``v['a'][0]``, ``v[i]``, ``v[name]``.

https://docs.snowflake.com/en/user-guide/querying-semistructured
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.translate.casts import macro
from snowpipe_ml.local.translate.types import DECIMALS, INTEGERS, TEXTS, kind


def rewrite_brackets(tree: exp.Expr) -> exp.Expr:
    """Translate each chain of constant steps to one path: ``v['a'][0]`` -> ``v -> '$."a"[0]'``.

    Chains are processed from the outermost bracket, because with an operator for each step DuckDB's
    precedence would bind the parts in another order.
    """
    for bracket in reversed(list(tree.find_all(exp.Bracket))):
        if (
            isinstance(bracket.parent, exp.Bracket)
            and bracket.arg_key == "this"
            and _step(bracket.parent) is not None
        ):
            continue  # part of a longer chain
        replaced = _element(bracket)
        if bracket is tree:
            tree = replaced
        else:
            bracket.replace(replaced)
    return tree


def _element(bracket: exp.Bracket) -> exp.Expr:
    steps: list[str] = []
    node: exp.Expr = bracket
    while isinstance(node, exp.Bracket) and (step := _step(node)) is not None:
        steps.insert(0, step)
        node = node.this
    if not steps:
        return _computed(bracket)
    if isinstance(node, exp.Bracket):
        node = _computed(node)
    parent = bracket.parent
    as_text = isinstance(parent, exp.Cast) and parent.to.this in TEXTS
    of = exp.JSONExtractScalar if as_text else exp.JSONExtract
    return of(this=node.copy(), expression=exp.Literal.string("$" + "".join(steps)))


def _step(bracket: exp.Bracket) -> str | None:
    """Return the step of a path for a literal index or key; None for any other expression."""
    if len(bracket.expressions) != 1 or not isinstance(bracket.expressions[0], exp.Literal):
        return None
    index = bracket.expressions[0]
    return '."' + index.name.replace('"', '\\"') + '"' if index.is_string else f"[{index.name}]"


def _computed(bracket: exp.Bracket) -> exp.Expr:
    """Translate access by an index or key that is known only when the query runs."""
    if len(bracket.expressions) != 1:
        raise UnsupportedError("a slice of an array")
    index = bracket.expressions[0]
    found = kind(index)
    inner = _element(bracket.this) if isinstance(bracket.this, exp.Bracket) else bracket.this.copy()
    if found in TEXTS:
        return macro("sf_field", inner, index.copy())
    if found in INTEGERS | DECIMALS:
        return macro("sf_element", inner, index.copy())
    raise UnsupportedError(
        "an index of unknown type into a VARIANT", "Cast the index: v[i::INT] or v[k::STRING]"
    )
