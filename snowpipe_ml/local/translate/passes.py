"""The passes that translate a Snowflake statement to DuckDB, in order."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.trees import Present, nodes, unchanged
from snowpipe_ml.local.translate.argument_counts import check_argument_counts
from snowpipe_ml.local.translate.bindings import bind, literal
from snowpipe_ml.local.translate.change_events import count_changes
from snowpipe_ml.local.translate.checks import check_ambiguous, check_query
from snowpipe_ml.local.translate.clauses import rewrite_clauses
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.exact_names import check_aliases, check_case
from snowpipe_ml.local.translate.guard import check_functions, check_relations, name_identifiers, name_tables
from snowpipe_ml.local.translate.hierarchies import rewrite_hierarchies
from snowpipe_ml.local.translate.joins import rewrite_joins
from snowpipe_ml.local.translate.match_recognize import rewrite_matches
from snowpipe_ml.local.translate.names import (
    name_projections,
    own_columns,
    part_case_twins,
    qualify_tables,
    store_identifiers,
)
from snowpipe_ml.local.translate.pivots import rewrite_pivots
from snowpipe_ml.local.translate.positions import name_positions, unquote_positions
from snowpipe_ml.local.translate.random_orders import order_randomly
from snowpipe_ml.local.translate.registry import USER_QUERIES
from snowpipe_ml.local.translate.relations import expand_relations
from snowpipe_ml.local.translate.rules import apply_rules
from snowpipe_ml.local.translate.sequences import generated_values, next_values
from snowpipe_ml.local.translate.star_options import expand_stars
from snowpipe_ml.local.translate.streams import expand_streams
from snowpipe_ml.local.translate.time_travel import expand_versions


def new_compiler(
    session: Session, *, describing: bool = False, in_view: bool = False, consuming: bool = False
) -> Compiler:
    """Create a compiler that runs all passes; see :class:`Compiler` for the arguments."""
    return Compiler(session, translate, describing=describing, in_view=in_view, consuming=consuming)


def translate(tree: exp.Expr, compiler: Compiler, params: Params = None) -> exp.Expr:
    """Run all passes on a tree, in place, and return it.

    Raises:
        ProgrammingError: the statement is invalid; the error is Snowflake's.
        UnsupportedError: a part of the statement is not supported.
    """
    session = compiler.session
    bind(tree, params, describing=compiler.describing)
    for expand in USER_QUERIES:
        expand(tree, session)
    written = Present(tree)
    if written.has(exp.MatchRecognize):
        rewrite_matches(tree, compiler)
        written = Present(tree)
    if written.has(exp.Parameter):
        replace_variables(tree, session)
    if written.has(exp.TableFromRows):
        name_tables(tree)
    if written.has(exp.DynamicIdentifier):
        name_identifiers(tree)
    if written.has(exp.Connect):
        rewrite_hierarchies(tree)
    with unchanged(tree):  # but for an empty text in LIMIT, for which none of them searches
        check_functions(tree, session)
        check_query(tree)
        check_argument_counts(tree)
    name_projections(tree)
    store_identifiers(tree)
    with unchanged(tree):
        check_ambiguous(tree)
        check_aliases(tree)
        check_case(tree, session)
    positions = unquote_positions(tree, session) or written.has(exp.Parameter)
    if written.has(exp.Star):
        expand_stars(tree, session)
    rewrite_clauses(tree, session)
    own_columns(tree, session)
    with unchanged(tree):
        part_case_twins(tree, session)
        next_values(tree, session)
    expand_versions(tree, compiler)
    if written.has(exp.TableFromRows):
        generated_values(tree, session)
    expand_streams(tree, compiler)
    rewrite_joins(tree, session)
    if written.has(exp.Window):
        order_randomly(tree)
        count_changes(tree)
    if written.has(exp.Pivot):
        rewrite_pivots(tree, compiler)
    tree = expand_relations(tree, compiler)
    if positions:
        name_positions(tree, session)
    with unchanged(tree):
        check_relations(tree)
        qualify_tables(tree, session, tree.key.upper())
    return apply_rules(tree, session)


def replace_variables(tree: exp.Expr, session: Session) -> None:
    """Replace ``$name`` with the variable's value, but not ``$1``, a column of VALUES or a staged file."""
    for node in nodes(tree, exp.Parameter):
        name = node.name.upper()
        if name in session.variables:
            node.replace(literal(session.variables[name]))
        elif not name.isdigit() and isinstance(node.this, exp.Var | exp.Identifier):
            raise errors.error(
                2211, "42601", f"SQL compilation error:\nSession variable '${name}' does not exist"
            )
