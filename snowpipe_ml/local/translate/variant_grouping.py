"""Group, deduplicate and unite rows by VARIANTs, whose texts can differ although their values are equal."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin
from snowpipe_ml.local.translate.functions.aggregates import SAME_AGGREGATES
from snowpipe_ml.local.translate.functions.collections import COLLECTING
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.types import VARIANTS, kind
from snowpipe_ml.local.translate.variant_comparisons import is_variant, same

# As they are called after the translation, which has names of DuckDB's own.
_AGGREGATES = frozenset({*SAME_AGGREGATES, *COLLECTING, "ARG_MAX", "ARG_MIN", "LIST"})

GROUPINGS: tuple[type[exp.Expr], ...] = (exp.Select, exp.SetOperation)
"""The nodes that can compare whole rows."""


def variant_grouping(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate GROUP BY, DISTINCT and UNION where they compare VARIANTs."""
    if isinstance(node, exp.SetOperation):
        return _united(node)
    assert isinstance(node, exp.Select)
    if node.args.get("group") is not None:
        _group(node, node.args["group"])
    if node.args.get("distinct") is not None:
        _distinct(node, node.args["distinct"])
    return node


def _group(select: exp.Select, group: exp.Group) -> None:
    """``SELECT v, COUNT(*) GROUP BY v``: group by equal values, and show one of them."""
    if group.args.get("all"):
        shown = [item.unalias() for item in select.expressions]
        if select.is_star or not any(map(is_variant, shown)):
            return
        keys = [item.copy() for item in shown if not _has_aggregate(item)]
        group.set("all", None)
    else:
        keys = [_resolved(select, key) for key in group.expressions]
    variants = [key for key in keys if is_variant(key)]
    special = [key for key in group.args if key != "expressions" and group.args[key]]
    if special and any(is_variant(node) for node in group.find_all(exp.Column, exp.JSONExtract)):
        raise UnsupportedError("grouping sets of a VARIANT", "Add a cast, as in v::STRING")
    if not variants:
        return
    group.set("expressions", [same(key) if is_variant(key) else key.copy() for key in keys])
    for key in variants:
        for part in ("expressions", "having", "qualify", "order"):
            value = select.args.get(part)
            for root in value if isinstance(value, list) else [value] if value is not None else []:
                _show_one(root, key)


def _resolved(select: exp.Select, key: exp.Expr) -> exp.Expr:
    """Return the expression of a GROUP BY key that is a position or an alias."""
    if key.is_int and not select.is_star and 0 < int(key.name) <= len(select.expressions):
        found: exp.Expr = select.expressions[int(key.name) - 1].unalias()
        return found if is_variant(found) else key
    if isinstance(key, exp.Column) and not key.table and kind(key) is None:
        shown = [
            item.this for item in select.expressions if isinstance(item, exp.Alias) and item.alias == key.name
        ]
        if len(shown) == 1 and is_variant(shown[0]):
            key = shown[0]
    return key


def _show_one(root: exp.Expr, key: exp.Expr) -> None:
    for node in list(root.find_all(type(key))):
        if node != key or _in_aggregate(node, root):
            continue
        shown = builtin("any_value", node.copy())
        shown.type = node.type
        is_output = isinstance(node.parent, exp.Select) and isinstance(node, exp.Column)
        node.replace(exp.alias_(shown, node.name, quoted=True) if is_output else shown)


def _in_aggregate(node: exp.Expr, root: exp.Expr) -> bool:
    while node is not root and node.parent is not None:
        node = node.parent
        if _is_aggregate(node):
            return True
    return False


def _has_aggregate(root: exp.Expr) -> bool:
    return any(_is_aggregate(node) for node in root.find_all(exp.Func))


def _is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, exp.AggFunc) or (
        isinstance(node, exp.Anonymous) and node.name.upper().rpartition(".")[2] in _AGGREGATES
    )


def _distinct(select: exp.Select, distinct: exp.Expr) -> None:
    """``SELECT DISTINCT v``: keep one row of those with equal values."""
    shown = outputs(select)
    if distinct.args.get("on") is not None or not any(found in VARIANTS for _, found in shown):
        return
    keys: list[exp.Expr] = []
    if select.is_star:
        keys = [exp.column(exp.to_identifier(name, quoted=True)) for name, _ in shown]
    else:
        keys = [item.unalias().copy() for item in select.expressions]
    if len(keys) != len(shown):
        raise UnsupportedError("DISTINCT of a VARIANT here", "List the columns")
    keys = [same(key) if found in VARIANTS else key for key, (_, found) in zip(keys, shown, strict=True)]
    distinct.set("on", exp.Tuple(expressions=keys))


def _united(node: exp.SetOperation) -> exp.Expr:
    """``a UNION b``: keep one row of those with equal values."""
    shown = outputs(_first_select(node))
    kinds = [found in VARIANTS for _, found in shown]
    if not any(kinds) or (isinstance(node, exp.Union) and not node.args.get("distinct")):
        return node
    if not isinstance(node, exp.Union):
        raise UnsupportedError(f"{node.key.upper()} of VARIANTs", "Add a cast, as in v::STRING")
    if isinstance(node.parent, exp.SetOperation):
        outer: exp.Expr | None = node.parent
        while isinstance(outer, exp.Union) and outer.args.get("distinct"):
            outer = outer.parent
        if isinstance(outer, exp.SetOperation):
            raise UnsupportedError("UNION and UNION ALL of VARIANTs in one statement")
        node.set("distinct", False)  # the outer UNION removes the duplicates
        return node
    moved = {key: node.args[key].pop() for key in ("with_", "order", "limit", "offset") if node.args.get(key)}
    names = [exp.column(exp.to_identifier(name, quoted=True)) for name, _ in shown]
    inner = node.copy()
    inner.set("distinct", False)
    united = exp.select("*").from_(
        exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_sf_united", quoted=True)))
    )
    keys = [same(name) if variant else name for name, variant in zip(names, kinds, strict=True)]
    united.set("distinct", exp.Distinct(on=exp.Tuple(expressions=keys)))
    for key, value in moved.items():
        united.set(key, value)
    return united


def _first_select(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    return node
