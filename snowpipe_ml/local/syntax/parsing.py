"""Parse a Snowflake statement to a sqlglot tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isinf
from typing import Any, ClassVar, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.parser import SENTINEL_NONE
from sqlglot.parsers.snowflake import SnowflakeParser
from sqlglot.tokenizer_core import Token, TokenType

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.collection import collector_paused
from snowpipe_ml.local.syntax.call_arguments import check_arguments
from snowpipe_ml.local.syntax.clauses import check_clauses, check_definitions
from snowpipe_ml.local.syntax.depth import deeply
from snowpipe_ml.local.syntax.match_tokens import complete_skip
from snowpipe_ml.local.syntax.parse_errors import AT_END, syntax_error
from snowpipe_ml.local.syntax.spread import spread

_Entry = TypeVar("_Entry")

AS_WRITTEN: set[str] = set()
"""The functions that are parsed as plain calls, with their arguments as they are written, although sqlglot has
a class for them. The registry of functions fills it."""

STAGE_CALLS: set[str] = set()
"""The functions whose first argument can be a stage, as in ``GET_STAGE_LOCATION(@stage)``; the registered functions
fill it."""

PREPARATIONS: list[Callable[[], None]] = []
"""Called before a statement is parsed, so that ``AS_WRITTEN`` is complete; each may be called often."""

# The functions with a part of a date, and the position of that argument.
_PARTS = dict.fromkeys(
    ("DATEADD", "TIMEADD", "TIMESTAMPADD", "DATEDIFF", "TIMEDIFF", "TIMESTAMPDIFF", "DATE_TRUNC"), 0
) | {"LAST_DAY": 1}


def _name_part(call: exp.Expr | None) -> None:
    """Parse the part in ``DATEADD(day, 1, d)`` as a name, even if a column has the same name."""
    place = _PARTS.get(call.name.upper()) if isinstance(call, exp.Anonymous) else None
    if call is not None and place is not None and len(call.expressions) > place:
        part = call.expressions[place]
        if isinstance(part, exp.Column) and not part.table:
            part.replace(exp.Var(this=part.name))


# The first words of Snowflake's statements; a statement that begins otherwise is a syntax error.
# https://docs.snowflake.com/en/sql-reference/sql-all
_VERBS = frozenset(
    {
        *("ALTER", "BEGIN", "CALL", "COMMENT", "COMMIT", "COPY", "CREATE", "DECLARE", "DELETE"),
        *("DESC", "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "GET", "GRANT", "INSERT", "LIST"),
        *("LS", "MERGE", "PUT", "REMOVE", "REVOKE", "RM", "ROLLBACK", "SELECT", "SET"),
        *("SHOW", "START", "TRUNCATE", "UNDROP", "UNSET", "UPDATE", "USE", "VALUES", "WITH"),
    }
)


def _only(table: Mapping[TokenType, _Entry], *tokens: TokenType) -> dict[TokenType, _Entry]:
    """Return a table of the parser without the tokens that Snowflake does not have."""
    return {token: value for token, value in table.items() if token in tokens}


def _hexadecimal(parser: SnowflakeParser, token: Token) -> exp.Expr:
    """Parse ``x'AB'``, but not ``0xAB``, which other dialects read as a number."""
    if parser.sql[token.start] not in "xX":
        parser.raise_error("Unexpected token", token)
    return exp.HexString(this=token.text)


def _number(parser: SnowflakeParser, token: Token) -> exp.Expr:
    """Parse a number: ``1e10`` is a NUMBER(11, 0), unless it has too many digits for a NUMBER, as ``1e40`` has.

    A number beyond the range of a FLOAT would be an infinity in DuckDB.

    https://docs.snowflake.com/en/sql-reference/functions/system_typeof
    """
    text = token.text
    if "e" in text or "E" in text:
        if text.endswith("."):  # such as 1e3.x
            parser.raise_error("Unexpected token", token)
        if isinf(float(text)):
            raise errors.error(100038, "22018", f"Numeric value '{text}' is not recognized")
        _, digits, exponent = Decimal(text).as_tuple()
        if isinstance(exponent, int) and exponent > -38 and len(digits) + max(exponent, 0) <= 38:
            text = f"{Decimal(text):f}"
    return parser.expression(exp.Literal(this=text, is_string=False), token)


def _short_call(name: str) -> Exception:
    return errors.error(
        938, "42601", f"SQL compilation error:\nnot enough arguments for function [{name.upper()}]"
    )


class _Parser(SnowflakeParser):
    """Snowflake's parser without the syntax of other dialects, and with details that the translation needs.

    In the ``meta`` of nodes it records the name of each called function ("called") and the source text of
    each expression in a SELECT list ("written"), which is the name of an unnamed result column. It keeps the
    keys of object constants unchanged.
    """

    EQUALITY: ClassVar = _only(SnowflakeParser.EQUALITY, TokenType.EQ, TokenType.NEQ)
    BITWISE: ClassVar = {}
    TERM: ClassVar = _only(SnowflakeParser.TERM, TokenType.PLUS, TokenType.DASH, TokenType.COLLATE)
    FACTOR: ClassVar = _only(SnowflakeParser.FACTOR, TokenType.STAR, TokenType.SLASH, TokenType.MOD)
    RANGE_PARSERS: ClassVar = _only(
        SnowflakeParser.RANGE_PARSERS,
        TokenType.BETWEEN,
        TokenType.ILIKE,
        TokenType.IN,
        TokenType.IS,
        TokenType.LIKE,
        TokenType.RLIKE,
    )
    UNARY_PARSERS: ClassVar = _only(
        SnowflakeParser.UNARY_PARSERS, TokenType.DASH, TokenType.NOT, TokenType.PLUS
    )
    COLUMN_OPERATORS: ClassVar = _only(
        SnowflakeParser.COLUMN_OPERATORS, TokenType.DCOLON, TokenType.DOT, TokenType.EXCLAMATION
    )
    QUERY_MODIFIER_PARSERS: ClassVar = {
        token: parse
        for token, parse in SnowflakeParser.QUERY_MODIFIER_PARSERS.items()
        if token
        not in (
            TokenType.CLUSTER_BY,
            TokenType.DISTRIBUTE_BY,
            TokenType.SORT_BY,
            TokenType.PREWHERE,
            TokenType.USING,
            TokenType.WINDOW,
        )
    }
    CAST_COLUMN_OPERATORS: ClassVar = {TokenType.DCOLON}
    PRIMARY_PARSERS: ClassVar = {
        **_only(
            SnowflakeParser.PRIMARY_PARSERS,
            TokenType.FALSE,
            TokenType.HEREDOC_STRING,
            TokenType.NULL,
            TokenType.RAW_STRING,
            TokenType.STAR,
            TokenType.STRING,
            TokenType.TRUE,
        ),
        TokenType.HEX_STRING: _hexadecimal,
        TokenType.NUMBER: _number,
    }

    def _kv_to_prop_eq(self, expressions: list[exp.Expr], parse_map: bool = False) -> list[exp.Expr]:
        """Keep the keys of ``{'a': 1}`` as strings; as identifiers their case would change."""
        return super()._kv_to_prop_eq(
            [
                exp.PropertyEQ(this=e.this, expression=e.expression)
                if isinstance(e, exp.Slice) and e.this.is_string
                else e
                for e in expressions
            ],
            parse_map,
        )

    def _parse_interval(
        self, require_interval: bool = True, parse_function_unit: bool = True
    ) -> exp.Add | exp.Interval | None:
        """Mark ``INTERVAL '3' DAY``, whose unit is not in the text."""
        text = self._next.text if self._next is not None else ""
        node = super()._parse_interval(require_interval, parse_function_unit)
        if isinstance(node, exp.Interval) and node.args.get("unit") is not None:
            node.meta["qualified"] = text.strip().lstrip("+-").isdigit()
        return node

    def _parse_part_call(self, name: str) -> exp.Expr | None:
        """Parse ``EXTRACT(year FROM x)``, which can also be written as ``DATE_PART('year', x)``."""
        self._advance(2)
        part = self._parse_string() or self._parse_var(any_token=True)
        if not self._match(TokenType.FROM):
            self._match(TokenType.COMMA)
        value = self._parse_bitwise()
        if value is None:
            raise _short_call(name)
        call = exp.Anonymous(this=name, expressions=[part, value])
        self._match_r_paren(call)
        call.meta["called"] = name
        return call

    def _parse_stage_call(self, name: str) -> exp.Expr | None:
        """Parse ``GET_ABSOLUTE_PATH(@stage, 'file')``; the stage becomes a text."""
        self._advance(2)
        start = self._curr.start
        while self._curr is not None and self._curr.text not in (",", ")"):
            self._advance()
        stage = exp.Literal.string(self.sql[start : self._prev.end + 1])
        rest = self._parse_csv(self._parse_expression) if self._match(TokenType.COMMA) else []
        call = exp.Anonymous(this=name, expressions=[stage, *rest])
        self._match_r_paren(call)
        call.meta["called"] = name
        return call

    def _parse_function_call(
        self,
        functions: dict[str, Callable[..., exp.Expr]] | None = None,
        anonymous: bool = False,
        optional_parens: bool = True,
        any_token: bool = False,
    ) -> exp.Expr | None:
        """Record the name in the function call, because one sqlglot class represents several names."""
        name = self._curr.text if self._curr is not None else ""
        anonymous = anonymous or name.upper() in AS_WRITTEN
        if self._next is not None and self._next.token_type == TokenType.L_PAREN:
            check_arguments(name.upper(), self._tokens, self._index, self.sql)
        if name.upper() in ("EXTRACT", "DATE_PART") and self._next and self._next.text == "(":
            return self._parse_part_call(name)
        after = self._tokens[self._index + 2] if self._index + 2 < len(self._tokens) else None
        if name.upper() in STAGE_CALLS and after is not None and after.text == "@":
            return self._parse_stage_call(name)
        node: exp.Expr | None
        try:
            node = super()._parse_function_call(functions, anonymous, optional_parens, any_token)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as raised:
            # sqlglot builds the function's node from arguments that it does not count.
            raise _short_call(name) from raised
        call = node
        while isinstance(
            call, exp.Window | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls | exp.Filter
        ):
            call = call.this
        _name_part(call)
        if call is not None and name:
            call.meta.setdefault("called", name)
        return node

    def _parse_select_query(
        self,
        nested: bool = False,
        table: bool = False,
        parse_subquery_alias: bool = True,
        parse_set_operation: bool = True,
    ) -> exp.Expr | None:
        """Refuse ``FROM t SELECT a``, which DuckDB has."""
        if self._curr is not None and self._curr.token_type == TokenType.FROM:
            self.raise_error("Unexpected token", self._curr)
        node: exp.Expr | None = super()._parse_select_query(
            nested, table, parse_subquery_alias, parse_set_operation
        )
        return node

    def _parse_limit(
        self, this: exp.Expr | None = None, top: bool = False, skip_limit_token: bool = False
    ) -> exp.Expr | None:
        """Refuse ``LIMIT 1, 2``, which MySQL has."""
        node: exp.Expr | None = super()._parse_limit(this, top, skip_limit_token)
        if isinstance(node, exp.Limit) and node.args.get("offset") is not None:
            self.raise_error("Unexpected token", self._prev)
        return node

    def _parse_window(self, this: exp.Expr | None, alias: bool = False) -> exp.Expr | None:
        """Write the words of a window frame in upper case, in which the rules look for them."""
        node: exp.Expr | None = super()._parse_window(this, alias)
        spec = node.args.get("spec") if isinstance(node, exp.Window) else None
        if spec is not None:
            spec.args.update({key: word.upper() for key, word in spec.args.items() if isinstance(word, str)})
        return node

    def _parse_parameter(self) -> exp.Parameter:
        """Refuse ``@x``, a variable of other dialects."""
        if self._prev is not None and self._prev.text == "@":
            self.raise_error("Unexpected token", self._prev)
        node: exp.Parameter = super()._parse_parameter()
        return node

    def _parse_bracket(self, this: exp.Expr | None = None) -> exp.Expr | None:
        """Refuse ``ARRAY[1]`` and ``MAP {'a': 1}``, which DuckDB has."""
        opening = self._curr
        node: exp.Expr | None = super()._parse_bracket(this)
        if this is not None and node is not this and isinstance(node, exp.Array | exp.Struct | exp.ToMap):
            self.raise_error("Unexpected token", opening)
        return node

    def _parse_in(self, this: exp.Expr | None, alias: bool = False) -> exp.In:
        """Refuse ``x IN [1, 2]``, which DuckDB has."""
        if self._curr is not None and self._curr.token_type == TokenType.L_BRACKET:
            self.raise_error("Unexpected token", self._curr)
        node: exp.In = super()._parse_in(this, alias)
        return node

    def _parse_match_recognize(self) -> exp.MatchRecognize | None:
        """Parse MATCH_RECOGNIZE, also with ``SKIP TO b``."""
        if self._curr is not None and self._curr.token_type == TokenType.MATCH_RECOGNIZE:
            self._tokens_size += complete_skip(self._tokens, self._index)
        node: exp.MatchRecognize | None = super()._parse_match_recognize()
        return node

    def _parse_wrapped(self, parse_method: Callable[[], Any], optional: bool = False) -> Any:
        """Parse any condition in ``MATCH_CONDITION (...)``; the translation of the join says which are valid."""
        of_match = self._prev is not None and self._prev.token_type == TokenType.MATCH_CONDITION
        parse = self._parse_disjunction if of_match else parse_method
        return super()._parse_wrapped(parse, optional)

    def raise_error(self, message: str, token: Token = SENTINEL_NONE) -> None:
        """Raise or record an error, at the AS of an alias inside an expression, where sqlglot takes it."""
        before = self._tokens[self._index - 2] if self._index > 1 else None
        if (
            not token
            and before is not None
            and before.token_type == TokenType.ALIAS
            and self._in_expression()
        ):
            token = before
        at_end = not self._curr and (not token or token is self._prev)
        super().raise_error(AT_END + message if at_end else message, token)

    def _in_expression(self) -> bool:
        """Return whether the current token is in parentheses that are not those of a query."""
        depth = 0
        for place in range(self._index - 1, -1, -1):
            kind = self._tokens[place].token_type
            depth += (kind == TokenType.R_PAREN) - (kind == TokenType.L_PAREN)
            if depth < 0:
                return self._tokens[place + 1].token_type not in (TokenType.SELECT, TokenType.WITH)
        return False

    def _warn_unsupported(self) -> None:
        """Do nothing: a statement that sqlglot does not know is refused by name."""

    def _parse_projections(self) -> tuple[list[exp.Expr], list[exp.Expr] | None]:
        return self._parse_csv(self._parse_projection), None

    def _parse_projection(self) -> exp.Expr | None:
        first = self._curr
        node: exp.Expr | None = self._parse_expression()
        if node is not None and first is not None and self._prev is not None:
            node.meta["written"] = self.sql[first.start : self._prev.end + 1]
        return node


class _Dialect(Snowflake):
    Parser = _Parser


def _trees(text: str) -> list[exp.Expr | None]:
    if "**" not in text:
        return sqlglot.parse(text, read=_Dialect)
    dialect = _Dialect()
    return (
        dialect.parse(text)
        if (tokens := spread(dialect.tokenize(text))) is None
        else dialect.parser().parse(tokens, text)
    )


@collector_paused()
def parse(text: str) -> exp.Expr:
    """Parse a statement to a tree.

    Raises:
        ProgrammingError: the statement has a syntax error; the message has the line and position as Snowflake
            counts them.
    """
    for prepare in PREPARATIONS:
        prepare()
    try:
        statements = [tree for tree in deeply(lambda: _trees(text)) if tree is not None]
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        raise syntax_error(text, details[0]) from error
    if len(statements) != 1:
        raise errors.statement_count(len(statements), 1)
    tree: exp.Expr = statements[0]
    if isinstance(tree, exp.Query | exp.Values | exp.DML):
        check_clauses(tree)
    if isinstance(tree, exp.Create):
        check_definitions(tree)
    if isinstance(tree, exp.Command):
        raise unknown_statement(text)
    return tree


def unknown_statement(text: str) -> Exception:
    """Make the error of an unsupported statement, which names it if Snowflake has it."""
    words = text.split()
    if words and words[0].upper() not in _VERBS:
        return errors.syntax(f"syntax error line 1 at position 0 unexpected '{words[0]}'.")
    return errors.UnsupportedError(f"the statement {' '.join(words[:3])}")
