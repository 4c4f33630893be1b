"""Translate FLATTEN and SPLIT_TO_TABLE, which return a row for each element of a value.

https://docs.snowflake.com/en/sql-reference/functions/flatten
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes

_FLATTEN = ("INPUT", "PATH", "OUTER", "RECURSIVE", "MODE")


def laterals(tree: exp.Expr) -> None:
    """Translate ``LATERAL FLATTEN(INPUT => v, PATH => 'a', OUTER => TRUE) f``."""
    for lateral in nodes(tree, exp.Lateral):
        if isinstance(lateral.this, exp.Explode):
            call = _flatten(lateral.this)
        elif _is_split(lateral.this):
            call = _split(lateral.this)
        else:
            continue
        alias = lateral.args.get("alias")
        plain = exp.TableAlias(this=alias.this.copy()) if alias is not None and alias.this else None
        lateral.replace(exp.Lateral(this=call, alias=plain))


def table_call(node: exp.TableFromRows) -> exp.Expr | None:
    """Translate ``TABLE(FLATTEN(...))`` and ``TABLE(SPLIT_TO_TABLE(...))``; return None for other calls."""
    call = node.this
    if isinstance(call, exp.Explode):
        made = _flatten(call)
    elif _is_split(call):
        made = _split(call)
    elif isinstance(call, exp.Anonymous) and call.name.upper() == "FLATTEN":
        made = _flatten(call)
    else:
        return None
    join = node.parent
    if isinstance(join, exp.Join):
        outer = join.args.get("side") == "LEFT"
        if not outer:
            for key in ("kind", "side", "on", "using"):
                join.set(key, None)
            join.set("kind", "CROSS")
        elif not join.args.get("on"):
            join.set("on", exp.true())
    return exp.Lateral(this=made)


def _flatten(call: exp.Expr) -> exp.Expr:
    options: dict[str, exp.Expr] = {}
    places = iter(_FLATTEN)
    arguments = [call.this, *call.expressions] if isinstance(call, exp.Explode) else call.expressions
    for argument in arguments:
        if isinstance(argument, exp.Kwarg):
            options[argument.name.upper()] = argument.expression
        else:
            options[next(places)] = argument
    for unknown in set(options) - set(_FLATTEN):
        raise errors.syntax(f"FLATTEN has no argument {unknown}")
    recursive = _truth(options.get("RECURSIVE"))
    path = options.get("PATH")
    if path is not None and not (isinstance(path, exp.Literal) and path.is_string):
        raise errors.UnsupportedError("a PATH of FLATTEN that is not a constant string")
    mode = options.get("MODE")
    prefix = path.name if path is not None else ""
    value = options["INPUT"].copy()
    if prefix:
        json_path = "$" + (prefix if prefix.startswith("[") else f".{prefix}")
        value = _ours("json_extract", value, exp.Literal.string(json_path))
    return _ours(
        f"_MACROS.main.sf_flatten{'_recursive' if recursive else ''}",
        value,
        exp.Literal.string(mode.name.upper() if mode is not None else "BOTH"),
        exp.Boolean(this=_truth(options.get("OUTER"))),
        exp.Literal.string(prefix),
        exp.Literal.number(1),
    )


_SPLITS = ("SPLIT_TO_TABLE", "STRTOK_SPLIT_TO_TABLE")


def _is_split(call: exp.Expr) -> bool:
    return _split_name(call) in _SPLITS


def _split_name(call: exp.Expr) -> str:
    return (
        call.name.upper()
        if isinstance(call, exp.Anonymous)
        else call.sql_name()
        if isinstance(call, exp.Func)
        else ""
    )


def _split(call: exp.Expr) -> exp.Expr:
    given = call.expressions if isinstance(call, exp.Anonymous) else [call.this, call.expression]
    arguments = [argument.expression if isinstance(argument, exp.Kwarg) else argument for argument in given]
    if _split_name(call) == "STRTOK_SPLIT_TO_TABLE":
        marks = arguments[1] if len(arguments) > 1 else exp.Literal.string(" ")
        return _ours(
            "_MACROS.main.sf_strtok_split_to_table", arguments[0].copy(), marks.copy(), exp.Literal.number(1)
        )
    return _ours(
        "_MACROS.main.sf_split_to_table", arguments[0].copy(), arguments[1].copy(), exp.Literal.number(1)
    )


def _truth(node: exp.Expr | None) -> bool:
    return node is not None and node.sql().upper() == "TRUE"


# For each macro, the column that identifies a row among the rows of one input.
_ROW_KEYS = {
    "_MACROS.main.sf_flatten": "PATH",
    "_MACROS.main.sf_flatten_recursive": "PATH",
    "_MACROS.main.sf_split_to_table": "INDEX",
    "_MACROS.main.sf_strtok_split_to_table": "INDEX",
}


_ELEMENTS = {
    "SEQ": "BIGINT",
    "KEY": "TEXT",
    "PATH": "TEXT",
    "INDEX": "BIGINT",
    "VALUE": "JSON",
    "THIS": "JSON",
}
_PARTS = {"SEQ": "BIGINT", "INDEX": "BIGINT", "VALUE": "TEXT"}


def show_columns(lateral: exp.Lateral) -> None:
    """Replace a call with a query of the same columns and types, from which sqlglot can infer types."""
    row_key = _row_key(lateral)
    if row_key is None:
        return
    columns = _ELEMENTS if row_key == "PATH" else _PARTS
    typed = [
        exp.alias_(exp.cast(exp.Null(), kind, dialect="duckdb"), name, quoted=True)
        for name, kind in columns.items()
    ]
    shown = exp.Subquery(this=exp.select(*typed))
    if lateral.args.get("alias") is not None:
        shown.set("alias", lateral.args["alias"].copy())
    lateral.replace(shown)


def number_inputs(tree: exp.Expr) -> None:
    """Number the input rows of each call for its column ``SEQ``, only if the query selects that column."""
    # Innermost queries first: the relation that a query reads is replaced by a copy.
    for select in reversed(nodes(tree, exp.Select)):
        calls = [join.this for join in select.args.get("joins") or [] if _row_key(join.this)]
        if (
            calls
            and select.args.get("from_") is not None
            and _shows_seq(select)
            and not _number_outside(select)
        ):
            _number_inputs(select)
        if calls and select.args.get("from_") is not None:
            _keep_order(select.args["from_"].this)


def _keep_order(source: exp.Expr) -> None:
    """Hide from DuckDB that a relation is constant: it would join it with the elements, in any order."""
    if not isinstance(source, exp.Values | exp.Subquery) or source.find(exp.Table) is not None:
        return
    hidden = exp.GTE(this=_ours("random"), expression=exp.Literal.number(0))
    inner = exp.select(exp.Star()).from_(source.copy()).where(hidden)
    name = source.alias_or_name
    alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True)) if name else None
    source.replace(exp.Subquery(this=inner, alias=alias))


def _row_key(source: exp.Expr) -> str | None:
    call = source.this if isinstance(source, exp.Lateral) else None
    return _ROW_KEYS.get(call.name) if isinstance(call, exp.Anonymous) else None


def _shows_seq(select: exp.Select) -> bool:
    return any(
        isinstance(node, exp.Star) or (isinstance(node, exp.Column) and node.name.upper() == "SEQ")
        for node in select.find_all(exp.Star, exp.Column)
    )


def _number_outside(select: exp.Select) -> bool:
    """Number the rows of the one relation that calls read, and show the number in place of ``SEQ``.

    A call that reads a second column, the number, would be executed as a join, many times slower and without
    the order of the elements. The row that a further call reads is identified by that number and the elements of
    the earlier calls.

    Returns:
        Whether it was done; otherwise nothing is changed.
    """
    joins = select.args.get("joins") or []
    source = select.args["from_"].this
    inside = {id(node) for node in source.walk()}  # a relation does not see the columns of the calls
    named = [
        column
        for column in select.find_all(exp.Column)
        if column.name.upper() == "SEQ" and not isinstance(column.this, exp.Star) and id(column) not in inside
    ]
    if (
        any(join.args.get("side") for join in joins)  # rows of the left side without elements have no number
        or not all(_row_key(join.this) for join in joins)
        or not isinstance(source, exp.Table | exp.Subquery | exp.Values)
        or any(column.parent_select is not select for column in named)
        or any(projection.alias.upper() == "SEQ" for projection in select.expressions)
        or any(
            star.parent_select is not select or any(star.args.values())
            for star in select.find_all(exp.Star)
            if id(star) not in inside
        )
    ):
        return False
    calls = [join.this for join in joins]
    left = source.alias_or_name or "_source_0"
    shown_as = [call.alias or f"_source_{n}" for n, call in enumerate(calls, 1)]
    by_alias = {alias.upper(): n for n, alias in enumerate(shown_as)}
    if any(column.table.upper() not in by_alias for column in named if column.table or len(calls) > 1):
        return False
    for call, alias in zip(calls, shown_as, strict=True):
        if not call.alias:
            call.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    numbered = exp.select(
        exp.Star(), exp.alias_(exp.Window(this=exp.RowNumber()), "_row_0", quoted=True)
    ).from_(source.copy())
    source.replace(
        exp.Subquery(this=numbered, alias=exp.TableAlias(this=exp.to_identifier(left, quoted=True)))
    )
    keys: list[exp.Expr] = [exp.column("_row_0", table=left, quoted=True)]
    for call, alias in zip(calls, shown_as, strict=True):
        keys.append(exp.column(str(_row_key(call)), table=alias, quoted=True))
    numbers = [keys[0] if n == 1 else _row_hash(keys[:n]) for n in range(1, len(keys))]
    for column in named:
        number = numbers[by_alias.get(column.table.upper(), 0)].copy()
        shown = column.parent is select and column.arg_key == "expressions"
        column.replace(exp.alias_(number, "SEQ", quoted=True) if shown else number)
    named_numbers = dict(zip(shown_as, numbers, strict=True))
    select.set(
        "expressions", [made for each in select.expressions for made in _stars(each, left, named_numbers)]
    )
    return True


def _stars(shown: exp.Expr, left: str, numbers: dict[str, exp.Expr]) -> list[exp.Expr]:
    """Return ``*`` as ``l.*, r.*``, each star without the number and with it as the column ``SEQ``."""
    star = shown.this if isinstance(shown, exp.Column) else shown
    if not isinstance(star, exp.Star):
        return [shown]
    made: list[exp.Expr] = []
    for name in (left, *numbers):
        if isinstance(shown, exp.Column) and shown.table.upper() != name.upper():
            continue
        part = star.copy()
        if name == left:
            hidden = exp.to_identifier("_row_0", quoted=True)
            part.set("except_", [hidden])
        else:
            sequence = exp.alias_(numbers[name].copy(), "SEQ", quoted=True)
            part.set("replace", [sequence])
        made.append(exp.Column(this=part, table=exp.to_identifier(name, quoted=True)))
    return made


def _number_inputs(select: exp.Select) -> None:
    keys: list[exp.Expr] = []
    hidden: dict[str, str] = {}
    for position, source in enumerate(
        [select.args["from_"].this, *(j.this for j in select.args.get("joins") or [])]
    ):
        alias = source.alias_or_name or f"_source_{position}"
        row_key = _row_key(source)
        if row_key is not None:
            if keys:
                source.this.expressions[-1].replace(keys[0].copy() if len(keys) == 1 else _row_hash(keys))
            if not source.alias:
                source.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            keys.append(exp.column(row_key, table=alias, quoted=True))
        elif isinstance(source, exp.Table | exp.Subquery | exp.Values):
            hidden[alias] = f"_row_{position}"
            keys.append(exp.column(hidden[alias], table=alias, quoted=True))
            number = exp.Window(this=exp.RowNumber())
            numbered = exp.select(exp.Star(), exp.alias_(number, hidden[alias], quoted=True)).from_(
                source.copy()
            )
            source.replace(
                exp.Subquery(this=numbered, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            )
        else:
            raise errors.UnsupportedError(
                "the column SEQ of a FLATTEN that is joined to this relation",
                "List the columns you need instead of *",
            )
    for shown in select.expressions:
        star = shown.this if isinstance(shown, exp.Column) else shown
        if isinstance(star, exp.Star):
            names = [n for a, n in hidden.items() if star is shown or a.upper() == shown.table.upper()]
            excluded = [exp.to_identifier(name, quoted=True) for name in names]
            star.set("except_", [*(star.args.get("except_") or []), *excluded] or None)


def _row_hash(keys: list[exp.Expr]) -> exp.Expr:
    """Return a number that identifies a joined row; Snowflake's SEQ may be unordered and have gaps."""
    texts = [exp.cast(key.copy(), "TEXT", dialect="duckdb") for key in keys]
    return _ours("_MACROS.main.sf_row_hash", exp.Array(expressions=texts))


def _ours(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    call = exp.Anonymous(this=name, expressions=list(arguments))
    call.meta["ours"] = True
    return call
