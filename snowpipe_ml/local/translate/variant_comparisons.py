"""Compare, order and group VARIANTs by value, and use them as numbers and truth values.

VARIANTs are stored as JSON, whose text and order differ from Snowflake's: 10 sorts before 9, and 1.0 is not 1.
Equality compares the texts of ``sf_same``, an order the keys of ``sf_order``. Beside a value of another type, a
VARIANT is converted to that type, as Snowflake does.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import text_of, variant_of
from snowpipe_ml.local.translate.expressions import builtin, once, stored_cast
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

_NUMBERS = INTEGERS | DECIMALS | FLOATS
_EQUALITIES = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.IntDiv)
_NUMERIC_FUNCTIONS = (
    exp.Sum,
    exp.Avg,
    exp.Median,
    exp.Stddev,
    exp.StddevPop,
    exp.StddevSamp,
    exp.Variance,
    exp.VariancePop,
    exp.Abs,
    exp.Round,
    exp.Ceil,
    exp.Floor,
    exp.Sqrt,
    exp.Ln,
    exp.Exp,
    exp.Pow,
    exp.Sign,
)
_LOGICAL = (exp.And, exp.Or, exp.Not, exp.Where, exp.Having)
COMPARISONS: tuple[type[exp.Expr], ...] = (
    *_EQUALITIES,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    *_ARITHMETIC,
    *_NUMERIC_FUNCTIONS,
    *_LOGICAL,
    exp.Between,
    exp.In,
    exp.Min,
    exp.Max,
    exp.Ordered,
    exp.Window,
    exp.Distinct,
    exp.Coalesce,
    exp.Greatest,
    exp.Least,
    exp.Nullif,
    exp.If,
    exp.Case,
    exp.Anonymous,
)
"""The nodes that compare values, or combine values of different types."""


def is_variant(node: exp.Expr | None) -> bool:
    """Return whether an expression is known to be a VARIANT, OBJECT or ARRAY."""
    return node is not None and (kind(node) in VARIANTS or isinstance(node.unnest(), exp.JSONExtract))


def same(node: exp.Expr) -> exp.Expr:
    """Return a text that is equal for equal VARIANTs."""
    return once("sf_same", node.copy())


def variant_comparison(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate a node that compares, orders or combines VARIANTs; other nodes are returned unchanged."""
    match node:
        case exp.EQ() if isinstance(node.parent, exp.Update):
            return node  # an assignment
        case exp.EQ() | exp.NEQ() | exp.NullSafeEQ() | exp.NullSafeNEQ() | exp.Predicate() if isinstance(
            node, exp.Binary
        ):
            return _compare(node)
        case exp.Between():
            return _between(node)
        case exp.In():
            return _in(node)
        case exp.Min() | exp.Max() if is_variant(node.this):
            return _extreme(node.key, node.this)
        case exp.Anonymous():
            return _call(node)
        case exp.Ordered():
            _order(node)
        case exp.Window():
            node.set("partition_by", [_grouped(key) for key in node.args.get("partition_by") or []])
        case exp.Distinct():
            _distinct(node)
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            _unify([node.this, *node.expressions], node)
        case exp.Nullif() if is_variant(node.this) or is_variant(node.expression):
            equal = _compare(exp.EQ(this=node.this.copy(), expression=node.expression.copy()))
            return exp.Case(ifs=[exp.If(this=equal, true=exp.Null())], default=node.this.copy())
        case exp.If():
            _logical(node)
            if not isinstance(node.parent, exp.Case):
                _unify([node.args.get("true"), node.args.get("false")], node)
        case exp.Case():
            _case(node)
        case _:
            _operands(node)
    return node


def _compare(node: exp.Expr) -> exp.Expr:
    left, right = node.this, node.expression
    if not (is_variant(left) or is_variant(right)):
        return node
    key = "sf_same" if isinstance(node, _EQUALITIES) else "sf_order"
    if is_variant(left) and is_variant(right):
        sides = once(key, left.copy()), once(key, right.copy())
    elif is_variant(left):
        sides = _beside(left, right, key)
    else:
        sides = _beside(right, left, key)[::-1]
    node.set("this", sides[0])
    node.set("expression", sides[1])
    return node


def _beside(variant: exp.Expr, other: exp.Expr, key: str) -> tuple[exp.Expr, exp.Expr]:
    """Convert a VARIANT to the type of the value that it is compared with."""
    found = kind(other)
    if isinstance(other.unnest(), exp.Null):
        return variant.copy(), other.copy()
    if found in TEXTS:
        return text_of(variant), other.copy()
    if found in _NUMBERS:
        return (
            once("sf_as_number_key", variant.copy()),
            once("sf_as_number_key", variant_of(other)),
        )
    if found == T.BOOLEAN:
        return stored_cast(text_of(variant), "BOOLEAN"), other.copy()
    if found is None:
        return once(key, variant.copy()), once(key, variant_of(other))
    return exp.Cast(this=variant.copy(), to=exp.DataType(this=found)), other.copy()


def _between(node: exp.Between) -> exp.Expr:
    low, high = node.args["low"], node.args["high"]
    if not any(map(is_variant, (node.this, low, high))):
        return node
    above = _compare(exp.GTE(this=node.this.copy(), expression=low.copy()))
    below = _compare(exp.LTE(this=node.this.copy(), expression=high.copy()))
    return exp.Paren(this=exp.And(this=above, expression=below))


def _in(node: exp.In) -> exp.Expr:
    query = node.args.get("query")
    if query is not None:
        return _in_query(node, query)
    if not any(map(is_variant, (node.this, *node.expressions))) or not node.expressions:
        return node
    equal = [
        _compare(exp.EQ(this=node.this.copy(), expression=item.copy())) if not item.is_string else None
        for item in node.expressions
    ]
    if None in equal and is_variant(node.this):
        texts = [item.copy() for item in node.expressions if item.is_string]
        equal = [
            exp.In(this=text_of(node.this), expressions=texts),
            *(found for found in equal if found is not None),
        ]
    return exp.Paren(this=exp.or_(*(found for found in equal if found is not None), copy=False))


def _in_query(node: exp.In, query: exp.Expr) -> exp.Expr:
    select = query.this if isinstance(query, exp.Subquery) else query
    shown = outputs(select)
    if not is_variant(node.this) and not (shown and shown[0][1] in VARIANTS):
        return node
    if not isinstance(select, exp.Select) or len(select.expressions) != 1 or select.is_star or not shown:
        raise UnsupportedError("IN of a VARIANT and this query", "Add a cast, as in v::STRING")
    selected = select.expressions[0].unalias()
    selected_kind = shown[0][1]
    compared: exp.Expr
    if is_variant(node.this) and selected_kind in VARIANTS:
        node_side, compared = same(node.this), same(selected)
    elif is_variant(node.this):
        stand_in = exp.column("_")
        stand_in.type = exp.DataType(this=selected_kind) if selected_kind is not None else None
        node_side, _ = _beside(node.this, stand_in, "sf_same")
        key = "sf_as_number_key" if selected_kind in _NUMBERS else None
        typed = selected.copy()
        typed.type = stand_in.type
        compared = once(key, variant_of(typed)) if key else typed
    else:
        compared, node_side = _beside(selected, node.this, "sf_same")
    node.set("this", node_side)
    select.set("expressions", [compared])
    return node


def _extreme(name: str, argument: exp.Expr) -> exp.Expr:
    """Translate MIN and MAX of VARIANTs."""
    made = builtin(f"arg_{name}", argument.copy(), once("sf_order", argument.copy()))
    made.type = exp.DataType(this=T.VARIANT)
    return made


_UNIFYING = {"COALESCE": 0, "IFNULL": 0, "NVL": 0, "IFF": 1, "NVL2": 1}


def _call(call: exp.Anonymous) -> exp.Expr:
    """Translate calls that are kept as they are written, of functions that combine values."""
    name = call.name.upper()
    if call.meta.get("ours") or isinstance(call.parent, exp.Dot):
        return call
    if name in ("MIN", "MAX") and len(call.expressions) == 1 and is_variant(call.expressions[0]):
        return _extreme(name.lower(), call.expressions[0])
    if name in _UNIFYING:
        _unify(call.expressions[_UNIFYING[name] :], call)
    if name == "EQUAL_NULL" and len(call.expressions) == 2 and any(map(is_variant, call.expressions)):
        left, right = call.expressions
        return _compare(exp.NullSafeEQ(this=left.copy(), expression=right.copy()))
    return call


def _unify(values: list[exp.Expr | None], node: exp.Expr) -> None:
    """Convert all values to VARIANT if one of them is a VARIANT, as Snowflake does."""
    given = [value for value in values if value is not None]
    if not any(map(is_variant, given)):
        return
    if isinstance(node, exp.Greatest | exp.Least):
        raise UnsupportedError(f"{node.key.upper()} of a VARIANT", "Add a cast, as in v::STRING")
    for value in given:
        if not is_variant(value):
            value.replace(variant_of(value))
    node.type = exp.DataType(this=T.VARIANT)


def _case(node: exp.Case) -> None:
    if node.this is not None and (
        is_variant(node.this) or any(is_variant(branch.this) for branch in node.args["ifs"])
    ):
        for branch in node.args["ifs"]:
            equal = exp.EQ(this=node.this.copy(), expression=branch.this.copy())
            branch.set("this", _compare(equal))
        node.set("this", None)
    _unify([*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")], node)


def _operands(node: exp.Expr) -> None:
    """Convert the VARIANTs of an arithmetic operator or function to FLOAT, and of a logical one to BOOLEAN."""
    if isinstance(node, _LOGICAL):
        _logical(node)
        return
    for part in list(node.iter_expressions()):
        inner = part.expressions if isinstance(part, exp.Distinct) else [part]
        for item in inner:
            if is_variant(item):
                number = stored_cast(text_of(item), "DOUBLE")
                item.replace(number)
                node.type = exp.DataType(this=T.DOUBLE)


def _logical(node: exp.Expr) -> None:
    parts = [node.this] if isinstance(node, exp.If) else list(node.iter_expressions())
    for part in parts:
        if is_variant(part):
            part.replace(stored_cast(text_of(part), "BOOLEAN"))


def _order(node: exp.Ordered) -> None:
    clause = node.parent
    select = clause.parent if clause is not None else None
    key = node.this
    shown = outputs(select) if isinstance(select, exp.Select) else []
    if key.is_int and isinstance(clause, exp.Order) and isinstance(select, exp.Query):
        place = int(key.name) - 1
        if place < len(shown) and shown[place][1] in VARIANTS:
            if not isinstance(select, exp.Select) or select.is_star:
                raise UnsupportedError("ORDER BY a position that is a VARIANT here", "Name the column")
            node.set("this", once("sf_order", select.expressions[place].unalias().copy()))
        return
    found = kind(key)
    if found is None and isinstance(key, exp.Column) and not key.table:
        found = next((output for name, output in shown if name == key.name), None)
    if found in VARIANTS or is_variant(key):
        node.set("this", once("sf_order", key.copy()))


def _grouped(key: exp.Expr) -> exp.Expr:
    return same(key) if is_variant(key) else key


def _distinct(node: exp.Distinct) -> None:
    parent = node.parent
    if isinstance(parent, exp.Select) or not any(map(is_variant, node.expressions)):
        return
    name = parent.name.upper() if isinstance(parent, exp.Anonymous) else ""
    if isinstance(parent, exp.Count | exp.ApproxDistinct) or name in ("COUNT", "APPROX_COUNT_DISTINCT"):
        node.set("expressions", [_grouped(item) for item in node.expressions])
