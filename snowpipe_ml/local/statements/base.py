"""Statements that are parsed token by token, and the registry of their handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Protocol

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options, Params
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.registry import Registry


class Run(Protocol):
    """Runs another statement as a part of a statement, with the values of its placeholders."""

    def __call__(self, text: str, params: Params = None) -> Result:
        """Run the statement."""
        ...


def _refuse_inner(text: str, params: Params = None) -> Result:
    raise errors.UnsupportedError("a statement inside a statement that is only described")


@dataclass
class Statement:
    """A statement that is parsed token by token, and its context.

    Attributes:
        session: the session that runs it.
        text: the whole statement.
        reader: its tokens, from the first.
        query_id: the id under which its result is kept.
        file_stream: the stream that a PUT uploads, if it does not upload files.
        run: runs another statement as a part of this one.
        params: the values of its placeholders, for the statements of :data:`BINDING`.
    """

    session: Session
    text: str
    reader: Reader
    query_id: str
    file_stream: IO[bytes] | None = None
    run: Run = _refuse_inner
    options: Options = field(default_factory=dict)
    params: Params = None


Handler = Callable[[Statement], Result]


STATEMENTS: Registry[Handler] = Registry("statement", "snowpipe_ml.statements")


def command(*beginnings: str) -> Callable[[Handler], Handler]:
    """Register a handler for the statements that begin with these words; the longest beginning wins.

    Modifiers between CREATE and the kind of object are ignored: ``CREATE OR REPLACE TABLE`` is
    ``CREATE TABLE``.
    """
    return STATEMENTS.register(*beginnings)


BINDING: set[Handler] = set()
"""The handlers that bind placeholders themselves; in other statements they are replaced by literals."""


def binds(handler: Handler) -> Handler:
    """Let a handler bind the placeholders of its statements."""
    BINDING.add(handler)
    return handler


Description = Callable[[Statement], list[Column]]
DESCRIPTIONS: dict[str, Description] = {}


def describes(*words: str) -> Callable[[Description], Description]:
    """Register the result columns of the statements that begin with a word; by default ``status``."""

    def decorate(describe: Description) -> Description:
        DESCRIPTIONS.update(dict.fromkeys(words, describe))
        return describe

    return decorate
