"""Translate MATCH_RECOGNIZE: the matches are found when the statement is translated.

The rows, in their order and with the conditions of DEFINE as columns, are read first. The matches become a relation with a
row for each row of a match; the measures are computed from it by the query itself. Expressions that Snowflake evaluates
only during a match are refused by name.

https://docs.snowflake.com/en/sql-reference/constructs/match_recognize
"""

from __future__ import annotations

import re
from typing import cast

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.syntax.trees import copied, nodes
from snowpipe_ml.local.translate.arrow_relation import arrow_relation
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.match_conditions import condition, stored_name, windowed
from snowpipe_ml.local.translate.match_measures import SHOWN, Line, Measures
from snowpipe_ml.local.translate.row_patterns import Matcher, Skip, parse_pattern, symbols_of

_PARTITION, _PLACE, _CONDITION = "match partition", "match place", "match condition {}"
_ROWS = re.compile(
    r"(?P<all>ALL ROWS|ONE ROW) PER MATCH(?: (?P<empty>SHOW EMPTY MATCHES|OMIT EMPTY MATCHES|WITH UNMATCHED ROWS))?\Z",
    re.I,
)
_AFTER = re.compile(
    r"AFTER MATCH SKIP (?:(?P<past>PAST LAST ROW)|(?P<next>TO NEXT ROW)|TO (?:(?P<which>FIRST|LAST) )?(?P<symbol>\S.*))\Z",
    re.I,
)


def rewrite_matches(tree: exp.Expr, compiler: Compiler) -> None:
    """Replace every relation with MATCH_RECOGNIZE by its matches.

    Raises:
        ProgrammingError: Snowflake refuses the clause.
        UnsupportedError: a part of it cannot be computed before the statement runs.
    """
    for clause in reversed(nodes(tree, exp.MatchRecognize)):
        _rewrite(clause, compiler)


def _rewrite(clause: exp.MatchRecognize, compiler: Compiler) -> None:
    holder = clause.parent
    source = _source(holder)
    if compiler.in_view:
        raise UnsupportedError("MATCH_RECOGNIZE in a view")
    rows = clause.args.get("rows")
    shown = _ROWS.match(" ".join(rows.name.split()) if rows is not None else "ONE ROW PER MATCH")
    if shown is None:
        raise errors.syntax(f"syntax error unexpected '{rows}'.")
    every, empty = shown["all"].upper() == "ALL ROWS", (shown["empty"] or "").upper()
    if clause.args.get("pattern") is None:
        raise errors.syntax("MATCH_RECOGNIZE needs a PATTERN")
    pattern = parse_pattern(clause.args["pattern"].name)
    names = {symbol.name for symbol in symbols_of(pattern)}
    if empty == "WITH UNMATCHED ROWS" and any(symbol.excluded for symbol in symbols_of(pattern)):
        raise errors.compilation("WITH UNMATCHED ROWS cannot be used with a PATTERN that excludes rows")
    partition, given = clause.args.get("partition_by") or [], clause.args.get("measures") or []
    if not every and not partition and not given:
        raise errors.compilation("SELECT with no columns")
    columns, table, defined = _read(clause, source, names, compiler)
    width = table.num_columns - 2 - len(defined)
    measures = Measures(given, names, columns[:width], every=every, unmatched=empty == "WITH UNMATCHED ROWS")
    lines = _lines(
        table, width, defined, Matcher(pattern), _skip(clause.args.get("after"), names), every, empty
    )
    made, found = measures.relation(table.select(range(width)), lines)
    result = _query(arrow_relation(compiler, made, found), columns[:width], partition, measures, every)
    alias = clause.args.get("alias")
    clause.pop()
    if alias is not None:
        result.set("alias", copied(alias))
    source.replace(result)


def _source(holder: exp.Expr | None) -> exp.Expr:
    """Return the relation that the clause belongs to."""
    if isinstance(holder, exp.Subquery):
        return holder
    from_ = holder.args.get("from_") if isinstance(holder, exp.Select) else None
    if holder is None or from_ is None:
        raise errors.syntax("syntax error unexpected 'MATCH_RECOGNIZE'.")
    clause, joins = holder.args["match"], holder.args.get("joins") or []
    own = [node.meta["start"] for node in nodes(clause, exp.Identifier) if "start" in node.meta]
    others = [n.meta["start"] for join in joins for n in nodes(join, exp.Identifier) if "start" in n.meta]
    if joins and (not own or not others or min(others) < min(own)):
        raise UnsupportedError("MATCH_RECOGNIZE of a joined relation", "Put the join into a subquery")
    return cast(exp.Expr, from_.this)


def _skip(after: exp.Expr | None, names: set[str]) -> Skip:
    if after is None:
        return Skip("PAST")
    found = _AFTER.match(" ".join(after.name.split()))
    if found is None:
        raise errors.syntax(f"syntax error unexpected '{after.name}'.")
    if found["past"] or found["next"]:
        return Skip("PAST" if found["past"] else "NEXT")
    symbol = found["symbol"]  # without its quotes
    name = symbol if symbol in names else symbol.upper()
    if name not in names:
        raise errors.compilation(f"AFTER MATCH SKIP TO {name}: the PATTERN does not have the symbol")
    return Skip("FIRST" if (found["which"] or "").upper() == "FIRST" else "LAST", name)


def _read(
    clause: exp.MatchRecognize, source: exp.Expr, names: set[str], compiler: Compiler
) -> tuple[list[Column], pa.Table, list[str]]:
    """Read the rows in their order: their columns, the partition, the place in it, and a column for each condition.

    Returns:
        the columns, the rows, and the symbols of the conditions.
    """
    partition, order = clause.args.get("partition_by") or [], clause.args.get("order")
    keys = order.expressions if order is not None else [exp.Ordered(this=exp.Null())]
    made: list[exp.Expr] = [exp.Star()]
    grouped = [exp.Ordered(this=copied(key)) for key in partition] or [exp.Ordered(this=exp.Null())]
    made.append(
        exp.alias_(
            exp.Window(this=exp.DenseRank(), order=exp.Order(expressions=grouped)), _PARTITION, quoted=True
        )
    )
    made.append(exp.alias_(windowed(exp.RowNumber(), partition, keys), _PLACE, quoted=True))
    defined: list[str] = []
    for definition in clause.args.get("define") or []:
        defined.append(stored_name(definition.args["alias"]))
        value = condition(definition.this, names, partition, keys)
        made.append(exp.alias_(value, _CONDITION.format(len(defined)), quoted=True))
    relation = copied(source)
    relation.set("match", None)
    ordered = [exp.Ordered(this=exp.column(name, quoted=True)) for name in (_PARTITION, _PLACE)]
    query = exp.Select(
        expressions=made,
        from_=exp.From(this=relation),
        order=exp.Order(expressions=ordered),
        with_=_ctes(clause),
    )
    inner = compiler.nested(describing=compiler.describing)
    inner.consuming = compiler.consuming or isinstance(clause.root(), exp.DML)
    try:
        text = to_sql(inner.compile(query))
        columns, table = select(
            compiler.session, f"SELECT * FROM ({text}) LIMIT 0" if compiler.describing else text
        )
        compiler.consumed += inner.consumed
    finally:
        compiler.reads_rows = True
        inner.release()
    return columns, table, defined


def _ctes(clause: exp.Expr) -> exp.With | None:
    """Copy the WITH queries that are visible to a clause."""
    found: list[exp.Expr] = []
    node = clause
    while node.parent is not None:
        if isinstance(node, exp.CTE) and isinstance(node.parent, exp.With):
            if node.parent.args.get("recursive"):
                raise UnsupportedError("MATCH_RECOGNIZE below WITH RECURSIVE")
            found = [copied(each) for each in node.parent.expressions[: node.index]] + found
        with_ = node.parent.args.get("with_")
        if with_ is not None and with_ is not node:
            found = [copied(each) for each in with_.expressions] + found
        node = node.parent
    return exp.With(expressions=found) if found else None


def _lines(
    table: pa.Table,
    width: int,
    defined: list[str],
    matcher: Matcher,
    skip: Skip,
    every: bool,
    empty: str,
) -> list[Line]:
    """Find the matches of all partitions; list their rows, those of empty matches and those without a match."""
    partitions = table.column(width).to_pylist()
    flags = {name: table.column(width + 2 + place).to_pylist() for place, name in enumerate(defined)}
    lines: list[Line] = []
    first = 0
    while first < len(partitions):
        end = first
        while end < len(partitions) and partitions[end] == partitions[first]:
            end += 1
        has = {name: values[first:end] for name, values in flags.items()}
        matched: set[int] = set()
        for number, match in enumerate(matcher.find(end - first, has, skip), 1):
            rows = range(first + match.start, first + max(match.end, match.start + 1))
            matched.update(rows)
            if not match.symbols:
                lines.append(Line(rows[0], match, number, 0, empty != "OMIT EMPTY MATCHES"))
            for place, symbol in enumerate(match.symbols):
                shown = not symbol.excluded if every else place == len(rows) - 1
                lines.append(Line(rows[place], match, number, place, shown))
        if empty == "WITH UNMATCHED ROWS":
            lines += [Line(row, None, None, 0, True) for row in range(first, end) if row not in matched]
        first = end
    return lines


def _query(
    relation: exp.Subquery,
    columns: list[Column],
    keys: list[exp.Expr],
    measures: Measures,
    every: bool,
) -> exp.Subquery:
    """Make the relation that the statement reads: the columns, and the measures of the shown rows."""
    if not every and not all(isinstance(key, exp.Column) for key in keys):
        raise UnsupportedError("ONE ROW PER MATCH with PARTITION BY an expression", "Name it in a subquery")
    names = [column.name for column in columns] if every else [stored_name(key.this) for key in keys]
    inner = exp.Select(
        expressions=[
            *(exp.column(name, quoted=True) for name in names),
            *measures.expressions,
            exp.column(SHOWN, quoted=True),
        ],
        from_=exp.From(this=relation),
    )
    shown = [exp.column(name, quoted=True) for name in (*names, *measures.names)]
    return exp.Subquery(
        this=exp.Select(expressions=shown, from_=exp.From(this=exp.Subquery(this=inner))).where(
            exp.column(SHOWN, quoted=True)
        )
    )
