"""The types of expressions: the kinds of types, and the type of a node that has been annotated.

:mod:`snowpipe_ml.local.translate.annotation` annotates the nodes.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.syntax.trees import Matches

T = exp.DataType.Type
INTEGERS = {T.INT, T.BIGINT, T.SMALLINT, T.TINYINT, T.INT128, T.UBIGINT, T.UINT}
FLOATS = {T.DOUBLE, T.FLOAT}
DECIMALS = {T.DECIMAL}
TIMESTAMPS = {T.TIMESTAMP, T.TIMESTAMPNTZ, T.TIMESTAMPLTZ, T.TIMESTAMPTZ, T.DATETIME}
TEXTS = {T.TEXT, T.VARCHAR, T.CHAR, T.NVARCHAR}
VARIANTS = {T.JSON, T.VARIANT, T.OBJECT, T.ARRAY, T.STRUCT, T.MAP}
BINARIES = {T.BINARY, T.VARBINARY, T.BLOB}
MOMENTS = TIMESTAMPS | {T.DATE, T.TIME}
DIGITS = "snowpipe_digits"
"""In the meta of the type of a column that is an alias of a whole number: the number of its digits."""
PLAIN = {T.TIMESTAMP: T.TIMESTAMPNTZ, T.DATETIME: T.TIMESTAMPNTZ}
"""The names of TIMESTAMP_NTZ."""


# The nodes whose type follows from their class; those of others have been annotated.
_OWN_KIND = Matches(
    (
        *(exp.Paren, exp.Neg, exp.Cast, exp.TryCast, exp.Literal, exp.CurrentTimestamp),
        *(exp.Count, exp.RowNumber, exp.Length, exp.DateDiff),
        *(exp.Boolean, exp.Predicate, exp.Not, exp.Connector),
    )
)


def kind(node: exp.Expr | None) -> exp.DType | None:
    """Return the type of an annotated node; None if it is not known."""
    if node is None:
        return None
    if not _OWN_KIND[node.__class__]:
        return _inferred(node.type)
    if isinstance(node, exp.Paren | exp.Neg):
        return kind(node.this)
    if isinstance(node, exp.Cast | exp.TryCast):
        if node.to.meta.get("stored") and node.to.this == T.TIMESTAMPTZ:
            return T.TIMESTAMPLTZ  # a DuckDB type: TIMESTAMPTZ there is Snowflake's TIMESTAMP_LTZ
        written: exp.DType | None = node.to.meta.get("kind") or node.to.this
        return written
    if isinstance(node, exp.Literal):
        if node.is_string:
            return T.VARCHAR
        return T.DOUBLE if "E" in node.name.upper() else T.DECIMAL if "." in node.name else T.BIGINT
    if isinstance(node, exp.CurrentTimestamp):
        return T.TIMESTAMPLTZ
    if isinstance(node, exp.Count | exp.RowNumber | exp.Length | exp.DateDiff):
        return T.BIGINT
    return T.BOOLEAN


def _inferred(type_: exp.DataType | None) -> exp.DType | None:
    found: exp.DType | None = type_.this if type_ is not None else None
    if found is None or found is T.UNKNOWN or found is T.NULL:
        return None
    return T.BIGINT if found is T.DECIMAL and type_ is not None and _scale(type_) == 0 else found


def is_decimal(node: exp.Expr) -> bool:
    """Return whether DuckDB computes a whole number as a DECIMAL, such as FLOOR(2.5), and not as a BIGINT."""
    if isinstance(node, exp.Paren | exp.Neg):
        return is_decimal(node.this)
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    return type_ is not None and type_.this == T.DECIMAL


def moment_kind(node: exp.Expr) -> exp.DType | None:
    """Return the type of the date or time that a date function converts an argument to; None if unknown."""
    if isinstance(node, exp.Null):
        return T.TIMESTAMPNTZ
    found = kind(node)
    return T.TIMESTAMPNTZ if found in TEXTS | VARIANTS else PLAIN.get(found, found) if found else None


def scale_of(node: exp.Expr | None) -> int | None:
    """Return the scale of a NUMBER; None if it is not known."""
    if isinstance(node, exp.Paren | exp.Neg):
        return scale_of(node.this)
    if isinstance(node, exp.Literal):
        return len(node.name.partition(".")[2])
    if node is None or kind(node) in INTEGERS:
        return 0 if node is not None else None
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    return _scale(type_) if type_ is not None else None


def precision_of(node: exp.Expr | None) -> int | None:
    """Return the precision of a NUMBER; None if it is not known."""
    if isinstance(node, exp.Paren | exp.Neg):
        return precision_of(node.this)
    if isinstance(node, exp.Literal):
        return max(len(node.name.replace(".", "").lstrip("0")), len(node.name.partition(".")[2]), 1)
    if node is None:
        return None
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    if type_ is not None and type_.this == T.DECIMAL and _parameters(type_):
        return _parameters(type_)[0]
    if kind(node) not in INTEGERS:
        return None
    return 38 if type_ is None else type_.meta.get(DIGITS) or 38


def number_type(precision: int, scale: int) -> exp.DataType:
    """Make the type NUMBER(precision, scale), with at most 38 digits."""
    parameters = [
        exp.DataTypeParam(this=exp.Literal.number(value)) for value in (min(precision, 38), min(scale, 37))
    ]
    return exp.DataType(this=T.DECIMAL, expressions=parameters)


def _scale(type_: exp.DataType) -> int | None:
    parameters = _parameters(type_)
    return parameters[1] if len(parameters) > 1 else None


def _parameters(type_: exp.DataType) -> list[int]:
    found = []
    for parameter in type_.args.get("expressions") or ():
        value = parameter.args.get("this")
        text = value.args.get("this") if isinstance(value, exp.Literal) else value
        if isinstance(text, str) and text.isdigit():
            found.append(int(text))
    return found


def vector_data_type(element: str, dimension: int) -> exp.DataType:
    """Make the type ``VECTOR(element, dimension)``; the element is FLOAT or INT."""
    of = exp.DataType(this=T.FLOAT if element == "FLOAT" else T.INT)
    size = exp.DataTypeParam(this=exp.Literal.number(dimension))
    return exp.DataType(this=T.VECTOR, expressions=[of, size])


def vector_type_of(node: exp.Expr | None) -> tuple[str, int] | None:
    """Return the type of the elements, FLOAT or INT, and the dimension of a VECTOR; None for another type."""
    if kind(node) != T.VECTOR or node is None:
        return None
    inner = node.unnest()
    type_ = inner.to if isinstance(inner, exp.Cast | exp.TryCast) else inner.type
    if type_ is not None and "vector" in type_.meta:
        found: tuple[str, int] = type_.meta["vector"]
        return found
    if type_ is None or len(type_.expressions) != 2:
        return None
    element, dimension = type_.expressions
    return ("FLOAT" if element.this in FLOATS else "INT", int(dimension.name))
