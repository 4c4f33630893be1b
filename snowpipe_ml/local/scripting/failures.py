"""Exceptions of a running block, with the codes and messages of Snowflake.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/exceptions
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.scripting.nodes import Place

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

STATEMENT_ERROR = "STATEMENT_ERROR"
EXPRESSION_ERROR = "EXPRESSION_ERROR"
OTHER = "OTHER"
RAISED = "P0001"
"""The SQLSTATE of exceptions that a block declares."""

# Errors that no handler catches: the statement was canceled or ran out of time.
_UNCAUGHT = (604, 630)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as handlers see it.

    Attributes:
        name: STATEMENT_ERROR, EXPRESSION_ERROR or the name of a declared exception.
        code: SQLCODE.
        message: SQLERRM; empty for an exception that is declared without a message.
        state: SQLSTATE.
        place: the statement that raised it.
    """

    name: str
    code: int
    message: str
    state: str
    place: Place


class ScriptError(Exception):
    """A failure on its way to a handler."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    @property
    def uncaught(self) -> ProgrammingError:
        """The error of the block that has no handler for it."""
        failure = self.failure
        detail = f" : {failure.message}" if failure.message else ""
        return errors.error(
            failure.code,
            failure.state,
            f"Uncaught exception of type '{failure.name}' on line {failure.place.line} at position "
            f"{failure.place.position}{detail}",
        )


def may_be_handled(raised: ProgrammingError) -> bool:
    """Return whether handlers see an error: those that only this warehouse has are not hidden by a handler."""
    return not isinstance(raised, errors.UnsupportedError) and raised.errno not in _UNCAUGHT


def failed(name: str, raised: ProgrammingError, place: Place) -> ScriptError:
    """Make the exception of a statement or expression that raised an error."""
    return ScriptError(
        Failure(name, raised.errno or 0, str(raised.raw_msg), raised.sqlstate or "P0000", place)
    )


def script_error(number: int, state: str, message: str, place: Place) -> ScriptError:
    """Make a STATEMENT_ERROR of the interpreter itself, such as FETCH from a closed cursor."""
    return ScriptError(Failure(STATEMENT_ERROR, number, message, state, place))
