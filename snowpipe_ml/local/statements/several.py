"""Several statements in one text, as ``execute(text, num_statements=2)`` of the connector allows.

https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-example
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.syntax.script import end_of_statement, placeholders, split


def check_single(reader: Reader) -> None:
    """Refuse a command that another statement follows.

    Raises:
        ProgrammingError: 000008, as Snowflake does without ``num_statements``.
    """
    if ";" not in reader.text:
        return
    end = end_of_statement(reader.tokens, 0)
    if any(token.text != ";" for token in reader.tokens[end + 1 :]):
        raise errors.statement_count(len(list(split(reader.text))), 1)


def several(text: str, params: Params, wanted: int) -> list[tuple[str, Params]]:
    """Return the statements of a text, each with its values of ``?``.

    Args:
        text: the statements, separated by semicolons.
        params: the bound values of all statements, in order.
        wanted: the number of statements that the client expects; 0 for any number.

    Raises:
        ProgrammingError: 000008, the text has another number of statements.
    """
    statements = list(split(text))
    if wanted and len(statements) != wanted:
        raise errors.statement_count(len(statements), wanted)
    marks = [placeholders(statement) for statement in statements]
    if params is None or isinstance(params, Mapping) or not any(marks):
        return [(statement, params) for statement in statements]
    values = iter(params)
    return [
        (statement, list(islice(values, count))) for statement, count in zip(statements, marks, strict=True)
    ]
