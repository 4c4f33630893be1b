"""Translate functions, operators and types to equivalent DuckDB expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.parameters import input_formats
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import Matches, copied, nodes, unchanged
from snowpipe_ml.local.translate.annotation import Relations, annotate, relations
from snowpipe_ml.local.translate.argument_types import check_argument_types
from snowpipe_ml.local.translate.assignments import check_assigned
from snowpipe_ml.local.translate.branches import branch_kinds, unite_types
from snowpipe_ml.local.translate.casts import cast
from snowpipe_ml.local.translate.conversions import FORMATTED
from snowpipe_ml.local.translate.expressions import macro
from snowpipe_ml.local.translate.frames import window_frame
from snowpipe_ml.local.translate.functions.aggregates import AGGREGATES, RULES
from snowpipe_ml.local.translate.functions.arrays import array_construct
from snowpipe_ml.local.translate.functions.date_arithmetic import date_operator
from snowpipe_ml.local.translate.functions.lambdas import declare_variables
from snowpipe_ml.local.translate.functions.numbers import arithmetic, division
from snowpipe_ml.local.translate.functions.regular_expressions import regexp_operator
from snowpipe_ml.local.translate.functions.variants import object_construct
from snowpipe_ml.local.translate.functions.windows import from_last
from snowpipe_ml.local.translate.implicit_casts import (
    choice,
    comparison,
    concatenation,
    membership,
    null_if,
    number_operands,
)
from snowpipe_ml.local.translate.number_types import CHOICES
from snowpipe_ml.local.translate.outputs import note_structures, set_precisions, typed_outputs
from snowpipe_ml.local.translate.paths import rewrite_brackets, variant_path
from snowpipe_ml.local.translate.registry import SCALAR_FUNCTIONS, USER_SCALARS
from snowpipe_ml.local.translate.stored_values import convert_stored
from snowpipe_ml.local.translate.types import (
    T,
)
from snowpipe_ml.local.translate.variant_comparisons import COMPARISONS, variant_comparison
from snowpipe_ml.local.translate.variant_grouping import GROUPINGS, variant_grouping
from snowpipe_ml.local.translate.variant_storing import store
from snowpipe_ml.local.translate.variant_texts import (
    BINARY_FUNCTIONS,
    TEXT_FUNCTIONS,
    has_variants,
    text_function,
)
from snowpipe_ml.local.translate.vectors import vector_comparison

_OF_NUMBERS: tuple[type[exp.Expr], ...] = (exp.Neg, exp.Booland, exp.Boolnot, exp.Boolor, exp.Xor)
_TYPED: tuple[type[exp.Expr], ...] = (
    exp.Div,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Mod,
    *AGGREGATES,
    exp.Distinct,
    exp.SetOperation,
    exp.Cast,
    *CHOICES,
    exp.Nullif,
    exp.Ordered,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
    exp.In,
    exp.DPipe,
    exp.Concat,
    exp.ConcatWs,
    exp.Array,
    exp.StarMap,
    exp.Struct,
    exp.JSONObject,
    exp.Bracket,
    exp.PropertyEQ,
    exp.JSONKeyValue,
    exp.RegexpLike,
    exp.HexString,
    exp.CountIf,
    *_OF_NUMBERS,
    exp.Anonymous,
)

# In statements with VARIANTs the types of more nodes matter: text functions, comparisons and assignments.
_TYPED_BESIDE_VARIANTS: tuple[type[exp.Expr], ...] = (
    *TEXT_FUNCTIONS,
    *BINARY_FUNCTIONS,
    *COMPARISONS,
    exp.Group,
    exp.Tuple,
    exp.Insert,
    exp.JSONExtract,
)


def apply_rules(tree: exp.Expr, session: Session) -> exp.Expr:
    """Translate the expressions of a tree whose names are qualified."""
    with unchanged(tree):
        known = relations(tree, session)
        variants = has_variants(tree, known)
        if not variants:
            _infer_types(tree, known, _TYPED, session)
    if variants:
        tree = rewrite_brackets(tree)
        declare_variables(tree)
        with unchanged(tree):
            _infer_types(tree, known, (*_TYPED, *_TYPED_BESIDE_VARIANTS), session)
        store(tree, session)
    unite_types(tree)
    convert_stored(tree, known, session)
    precise = typed_outputs(tree)
    shown = branch_kinds(tree) if isinstance(tree, exp.Query) else []
    every, changed = nodes(tree, exp.Expr), False
    present = {type(node) for node in every}
    for rule, covers in (*_VARIANT_COVERED, *_COVERED) if variants else _COVERED:
        if changed:
            every, changed = nodes(tree, exp.Expr), False
            present = {type(node) for node in every}
        wanted = {of for of in present if covers[of]}
        # Innermost nodes first, because a rule may copy the arguments of its node.
        for node in [found for found in reversed(every) if found.__class__ in wanted] if wanted else ():
            changed = rule not in _CHECKS
            type_ = copied(node.to) if isinstance(node, exp.Cast | exp.TryCast) else node.type
            replacement = rule(node, session)
            if replacement is not node:
                if replacement.type is None and not isinstance(
                    replacement, exp.Cast | exp.TryCast | exp.Literal
                ):
                    replacement.type = type_  # rules of the surrounding nodes need it
                while isinstance(node, exp.Anonymous) and isinstance(node.parent, exp.Dot):
                    node = node.parent  # a call with a qualified name: DB.SCHEMA.F(x)
                if node is tree:
                    tree = replacement
                else:
                    node.replace(replacement)
    set_precisions(precise)
    note_structures(tree, shown)
    return tree


def _infer_types(
    tree: exp.Expr, known: Relations, typed: tuple[type[exp.Expr], ...], session: Session
) -> None:
    """Infer the types of the nodes of these classes, and check what depends on them."""
    annotate(tree, known, (*typed, exp.Tuple) if isinstance(tree, exp.Merge) else typed)
    if input_formats(session.parameters):
        for text in nodes(tree, exp.Literal):
            text.meta[FORMATTED] = True
    check_assigned(tree, known, session)
    check_argument_types(tree)


Rule = Callable[[exp.Expr, Session], exp.Expr]


def _refuse(what: str) -> Rule:
    def rule(node: exp.Expr, session: Session) -> exp.Expr:
        raise UnsupportedError(what)

    return rule


def anonymous(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate functions without a sqlglot class: user-defined, SYSTEM$... and other supported functions."""
    name = node.name.upper()
    if node.meta.get("ours"):
        return node
    if name.startswith("_FS_"):
        return macro(name.lower(), *(argument.copy() for argument in node.expressions))
    return call_scalar(node, session)


def call_scalar(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate a call of a registered or user-defined function; return any other call unchanged."""
    if call.name.upper() in SCALAR_FUNCTIONS:
        return SCALAR_FUNCTIONS[call.name](call, session)
    for serve in USER_SCALARS:
        replaced = serve(call, session)
        if replaced is not None:
            return replaced
    return call


def list_agg(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate LISTAGG: the default separator is empty, and the result for no rows is an empty string."""
    if not node.args.get("separator"):
        node.set("separator", exp.Literal.string(""))
    if isinstance(node.parent, exp.Coalesce | exp.WithinGroup | exp.Window):
        return node
    return exp.Coalesce(this=node.copy(), expressions=[exp.Literal.string("")])


def hex_string(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``X'0aff'``, a binary constant."""
    made = macro("sf_unhex", exp.Literal.string(node.name))
    made.type = exp.DataType(this=T.VARBINARY)
    return made


# Context functions with a sqlglot class; newer versions of sqlglot have more of them. SCALAR_FUNCTIONS has
# the implementations, by name.
_SESSION_FUNCTIONS: tuple[type[exp.Expr], ...] = tuple(
    cls
    for name in (
        "Localtime",
        "Localtimestamp",
        "CurrentWarehouse",
        "CurrentDatabase",
        "CurrentSchema",
        "CurrentSchemas",
        "CurrentRole",
        "CurrentUser",
        "CurrentAccount",
        "CurrentSession",
        "CurrentVersion",
        "CurrentAccountName",
        "CurrentTransaction",
        "CurrentClient",
        "CurrentDate",
        "CurrentTime",
        "CurrentTimestamp",
        "CurrentRoleType",
        "CurrentIpAddress",
        "CurrentRegion",
        "CurrentStatement",
    )
    if (cls := getattr(exp, name, None)) is not None
)


def session_function(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``CURRENT_WAREHOUSE()`` and similar context functions."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(node).__name__).upper()
    given = [node.this] if isinstance(node.args.get("this"), exp.Expr) else []
    call = exp.Anonymous(this=name, expressions=given)
    return SCALAR_FUNCTIONS[name](call, session) if name in SCALAR_FUNCTIONS else node


_VARIANT_RULES: tuple[tuple[tuple[type[exp.Expr], ...], Rule], ...] = (
    ((*TEXT_FUNCTIONS, *BINARY_FUNCTIONS), text_function),
    (COMPARISONS, variant_comparison),
    (GROUPINGS, variant_grouping),
    ((exp.JSONExtract,), variant_path),
)
_RULES: tuple[tuple[tuple[type[exp.Expr], ...], Rule], ...] = (
    ((exp.HexString,), hex_string),
    ((exp.RegexpLike,), regexp_operator),
    ((exp.Struct, exp.JSONObject, exp.StarMap), object_construct),
    ((exp.Window,), window_frame),
    (CHOICES, choice),
    ((exp.Nullif,), null_if),
    (_OF_NUMBERS, number_operands),
    ((exp.Div,), division),
    *RULES,
    ((exp.Window,), from_last),
    ((exp.GT, exp.GTE, exp.LT, exp.LTE), vector_comparison),
    ((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), comparison),
    ((exp.Between, exp.In), membership),
    ((exp.GroupConcat,), list_agg),
    ((exp.DPipe, exp.Concat, exp.ConcatWs), concatenation),
    ((exp.Array,), array_construct),
    ((exp.Add, exp.Sub), date_operator),
    ((exp.Mul, exp.Add, exp.Sub), arithmetic),
    ((exp.Cast, exp.TryCast), cast),
    ((exp.Anonymous,), anonymous),
    (_SESSION_FUNCTIONS, session_function),
)


_VARIANT_COVERED, _COVERED = (
    tuple((rule, Matches(classes)) for classes, rule in rules) for rules in (_VARIANT_RULES, _RULES)
)
# The rules that refuse nodes, and change none.
_CHECKS = frozenset({window_frame, vector_comparison})
