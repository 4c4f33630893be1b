"""The measures of MATCH_RECOGNIZE, computed from a relation with a row for each row of a match.

https://docs.snowflake.com/en/sql-reference/constructs/match_recognize
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.syntax.trees import copied, nodes
from snowpipe_ml.local.translate.match_conditions import called_name, is_aggregate, stored_name
from snowpipe_ml.local.translate.row_patterns import Found

# The columns that the relation has beside those of the rows.
_MATCH, _NUMBER, _SEQUENCE, _CLASSIFIER = "match", "match number", "match sequence number", "match classifier"
_MATCHED, SHOWN = "is matched", "is shown"
_FUNCTIONS = {"MATCH_NUMBER": _NUMBER, "MATCH_SEQUENCE_NUMBER": _SEQUENCE, "CLASSIFIER": _CLASSIFIER}
_AGGREGATES = (exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Count)
_NAVIGATION = (exp.First, exp.FirstValue, exp.Last, exp.LastValue, exp.Lag, exp.Lead)
_CALLED = ("PREV", "NEXT")


@dataclass(frozen=True)
class Line:
    """A row of the partition in a match, or without one.

    Attributes:
        row: its number among all rows.
        match: the match; one without symbols is empty.
        number: the number of the match in its partition.
        place: the place of the row in the match.
        shown: whether it is in the result.
    """

    row: int
    match: Found | None
    number: int | None
    place: int
    shown: bool


@dataclass(frozen=True)
class _Navigation:
    """Another row of the match."""

    kind: str
    symbol: str | None
    offset: int
    final: bool

    def place(self, line: Line) -> int | None:
        """Return the place of the other row in the match; None if there is none."""
        symbols = line.match.symbols if line.match is not None else ()
        if not symbols:
            return None
        last = len(symbols) - 1
        current = last if self.final else line.place
        if self.kind in ("PREV", "NEXT"):
            place = current + (self.offset if self.kind == "NEXT" else -self.offset)
            return place if 0 <= place <= last else None
        places = range(current + 1) if self.kind == "FIRST" else range(current, -1, -1)
        return next((p for p in places if self.symbol is None or symbols[p].name == self.symbol), None)


class Measures:
    """The measures of a clause.

    Args:
        measures: the measures as parsed.
        symbols: the symbols of the pattern.
        columns: the columns of the rows.
        every: whether all rows of a match are shown, so that functions see the rows up to the current one.
        unmatched: whether rows without a match are shown: their measures are NULL.

    Raises:
        ProgrammingError: Snowflake refuses a measure.
        UnsupportedError: a measure has a function that is not served.
    """

    def __init__(
        self,
        measures: Sequence[exp.Expr],
        symbols: set[str],
        columns: list[Column],
        *,
        every: bool,
        unmatched: bool,
    ) -> None:
        self._symbols = symbols
        self._columns = columns
        self._names = [column.name for column in columns]
        self._navigations: list[_Navigation] = []
        self._read: dict[tuple[int, str], None] = {}
        self._every = every
        self.names: list[str] = []
        self.expressions: list[exp.Expr] = []
        for measure in measures:
            alias = measure.this
            if not isinstance(alias, exp.Alias):
                raise errors.compilation("a measure of MATCH_RECOGNIZE has no name")
            value = self._measure(alias.this, measure.args.get("window_frame"))
            if unmatched:
                value = exp.Case(ifs=[exp.If(this=_column(_NUMBER).is_(exp.Null()).not_(), true=value)])
            self.names.append(stored_name(alias.args["alias"]))
            self.expressions.append(
                exp.alias_(value, exp.to_identifier(self.names[-1], quoted=True), copy=False)
            )

    def _measure(self, node: exp.Expr, frame: object) -> exp.Expr:
        functions = [
            n for n in nodes(node, exp.Expr) if is_aggregate(n) or isinstance(n, _NAVIGATION) or _called(n)
        ]
        if frame and not (len(functions) == 1 and functions[0] is node):
            raise UnsupportedError(
                f"{frame} before a measure that is not one function", "Compute it in the SELECT list"
            )
        final = str(frame).upper() == "FINAL" if frame else not self._every
        holder = exp.Paren(this=copied(node))
        self._translate(holder.this, final, None)
        made: exp.Expr = holder.this.copy()
        return made

    def _translate(self, node: exp.Expr, final: bool, navigation: int | None) -> None:
        """Translate an expression in place.

        Args:
            node: the expression.
            final: whether functions see all rows of the match, and not only those up to the current one.
            navigation: the number of the navigation whose row the expression is computed for.
        """
        match node:
            case exp.Query() | exp.Subquery():
                raise UnsupportedError("a subquery in MEASURES")
            case exp.Window() | exp.IgnoreNulls() | exp.RespectNulls():
                raise UnsupportedError("OVER and IGNORE NULLS in MEASURES")
            case exp.Anonymous() if called_name(node) in _FUNCTIONS and not node.expressions:
                node.replace(self._function(called_name(node), navigation))
            case exp.Column() if isinstance(node.this, exp.Star):
                raise errors.syntax("syntax error unexpected '*'.")
            case exp.Column():
                node.replace(self._column(node, final, navigation))
            case _ if isinstance(node, _NAVIGATION) or _called(node):
                if navigation is not None:
                    raise UnsupportedError(f"{called_name(node)} inside of another function in MEASURES")
                node.replace(self._navigated(node, final))
            case _ if isinstance(node, _AGGREGATES):
                if navigation is not None:
                    raise UnsupportedError(f"{called_name(node)} inside of another function in MEASURES")
                node.replace(self._aggregate(node, final))
            case _ if is_aggregate(node):
                raise UnsupportedError(f"{called_name(node)} in MEASURES")
            case _:
                for child in list(node.iter_expressions()):
                    self._translate(child, final, navigation)

    def _function(self, name: str, navigation: int | None) -> exp.Expr:
        if navigation is None:
            return _column(_FUNCTIONS[name])
        if name != "CLASSIFIER":
            raise UnsupportedError(f"{name} inside of another function in MEASURES")
        return self._of(navigation, _CLASSIFIER)

    def _of(self, navigation: int, name: str) -> exp.Expr:
        self._read[navigation, name] = None
        return _column(f"{name} of {navigation}")

    def _column(self, column: exp.Column, final: bool, navigation: int | None) -> exp.Expr:
        name, symbol = stored_name(column.this), self._symbol(column)
        if name == "CLASSIFIER" and name not in self._names and not column.table:
            return self._function(name, navigation)
        if name not in self._names:
            raise errors.invalid_identifier(".".join(map(stored_name, column.parts)))
        if navigation is not None:
            return self._of(navigation, name)
        if symbol is None:
            return _column(name)
        return self._of(self._navigate("LAST", symbol, 1, final), name)

    def _symbol(self, column: exp.Column) -> str | None:
        """Return the symbol that a column is predicated with."""
        name = stored_name(column.args["table"]) if column.args.get("table") is not None else None
        return name if name in self._symbols else None

    def _one_symbol(self, node: exp.Expr) -> str | None:
        found = {self._symbol(column) for column in nodes(node, exp.Column)}
        if len(found) > 1:
            raise errors.compilation("all columns of a function have to be those of one symbol, or of none")
        return next(iter(found), None)

    def _navigate(self, kind: str, symbol: str | None, offset: int, final: bool) -> int:
        if symbol is not None and not final:
            raise errors.compilation(
                f"a column of the symbol {symbol} needs FINAL where all rows are returned"
            )
        self._navigations.append(_Navigation(kind, symbol, offset, final))
        return len(self._navigations) - 1

    def _navigated(self, call: exp.Expr, final: bool) -> exp.Expr:
        name = called_name(call)
        kind = {"FIRST_VALUE": "FIRST", "LAST_VALUE": "LAST", "LAG": "PREV", "LEAD": "NEXT"}.get(name, name)
        if isinstance(call, exp.Anonymous):
            value, *rest = call.expressions
        else:
            value, *rest = call.this, *(each for each in call.iter_expressions() if each is not call.this)
        if len(rest) > (kind in ("PREV", "NEXT")) or any(
            not isinstance(each, exp.Literal) or not each.is_int for each in rest
        ):
            raise UnsupportedError(
                f"{name} in MEASURES with a default, or with an offset that is not a constant"
            )
        symbol = self._one_symbol(value)
        if symbol is not None and kind in ("PREV", "NEXT"):
            raise errors.compilation(f"{name} does not take columns of a symbol")
        number = self._navigate(kind, symbol, int(rest[0].name) if rest else 1, final)
        holder = exp.Paren(this=copied(value))
        self._translate(holder.this, final, number)
        made: exp.Expr = holder.this
        if isinstance(made, exp.Column):
            return made
        self._of(number, _MATCHED)
        return exp.Case(ifs=[exp.If(this=_column(f"{_MATCHED} of {number}"), true=made)])

    def _aggregate(self, call: exp.Expr, final: bool) -> exp.Expr:
        """Compute an aggregate over the rows of the match, or of those with a symbol."""
        symbol = self._one_symbol(call)
        condition: exp.Expr = _column(_MATCHED)
        if symbol is not None:
            condition = exp.and_(condition, _column(_CLASSIFIER).eq(exp.Literal.string(symbol)))
        distinct = isinstance(call.this, exp.Distinct)
        values = call.this.expressions if distinct else [call.this, *call.expressions]
        if distinct and not final:
            raise UnsupportedError(
                "DISTINCT in MEASURES of ALL ROWS PER MATCH", "Write FINAL before the function"
            )
        if len(values) != 1:
            raise UnsupportedError(f"{called_name(call)} of several expressions in MEASURES")
        value: exp.Expr = exp.Literal.number(1)
        if not values[0].is_star:
            holder = exp.Paren(this=copied(values[0]))
            for column in nodes(holder, exp.Column):
                column.set("table", None)
            self._translate(holder.this, final, None)
            value = holder.this
        chosen: exp.Expr = exp.Case(ifs=[exp.If(this=condition, true=value)])
        made = call.__class__(this=exp.Distinct(expressions=[chosen]) if distinct else chosen)
        made.meta.update(call.meta)
        if final:
            return exp.Window(this=made, partition_by=[_column(_MATCH)])
        return exp.Window(
            this=made,
            partition_by=[_column(_MATCH)],
            order=exp.Order(expressions=[exp.Ordered(this=_column(_SEQUENCE))]),
            spec=exp.WindowSpec(
                kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW", end_side=None
            ),
        )

    def relation(self, rows: pa.Table, lines: list[Line]) -> tuple[list[Column], pa.Table]:
        """Return the columns and the rows from which the measures are computed.

        Args:
            rows: all rows.
            lines: those of the matches, and those without a match.
        """
        found = rows.take(pa.array([line.row for line in lines], pa.int64()))
        columns, arrays = list(self._columns), list(found.columns)
        matches = {id(line.match): number for number, line in enumerate(lines)}

        def add(name: str, duckdb: str, values: list[object], type_: pa.DataType) -> None:
            columns.append(Column(name, duckdb))
            arrays.append(pa.array(values, type_))

        symbols = [line.match.symbols if line.match is not None else () for line in lines]
        add(_MATCH, "BIGINT", [matches[id(line.match)] for line in lines], pa.int64())
        add(_NUMBER, "BIGINT", [line.number for line in lines], pa.int64())
        add(_SEQUENCE, "BIGINT", [line.place + 1 for line in lines], pa.int64())
        own = [of[line.place].name if of else None for of, line in zip(symbols, lines, strict=True)]
        add(_CLASSIFIER, "VARCHAR", list(own), pa.string())
        add(_MATCHED, "BOOLEAN", [bool(of) for of in symbols], pa.bool_())
        add(SHOWN, "BOOLEAN", [line.shown for line in lines], pa.bool_())
        for number, navigation in enumerate(self._navigations):
            places = [navigation.place(line) for line in lines]
            others = pa.array(
                [
                    None if p is None else line.row + p - line.place
                    for p, line in zip(places, lines, strict=True)
                ],
                pa.int64(),
            )
            for name in [name for of, name in self._read if of == number]:
                if name == _CLASSIFIER:
                    classified = [
                        None if p is None else of[p].name for p, of in zip(places, symbols, strict=True)
                    ]
                    add(f"{name} of {number}", "VARCHAR", list(classified), pa.string())
                elif name == _MATCHED:
                    add(f"{name} of {number}", "BOOLEAN", [p is not None for p in places], pa.bool_())
                else:
                    place = self._names.index(name)
                    columns.append(Column(f"{name} of {number}", self._columns[place].duckdb))
                    arrays.append(rows.column(place).take(others))
        return columns, pa.table(arrays, names=[str(place) for place in range(len(arrays))])


def _called(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and called_name(node) in _CALLED


def _column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)
