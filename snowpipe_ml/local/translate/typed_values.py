"""Bind values that have Snowflake types, such as the variables of Snowflake Scripting."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.expressions import stored_cast


def typed_node(value: TypedValue) -> exp.Expr:
    """Return the node of a value in a tree that is not translated yet."""
    plain = value.python
    kind = value.type
    match kind.name:
        case "VARCHAR" if isinstance(plain, str):
            return exp.Literal.string(plain)
        case "NUMBER" | "INT" if plain is not None and kind.complete.parameters[1] == 0:
            return exp.convert(int(str(plain)))
        case "BOOLEAN" if isinstance(plain, bool):
            return exp.convert(plain)
        case "VARIANT" | "ARRAY" | "OBJECT" if isinstance(plain, str):
            # As it is stored: a VARIANT can hold values that JSON does not have.
            stored = stored_cast(exp.Literal.string(plain), "JSON")
            stored.type = exp.DataType.build(kind.name, dialect="snowflake")
            return stored
    tree = parse(f"SELECT {value.literal}")
    node: exp.Expr = tree.expressions[0].pop()
    return node
