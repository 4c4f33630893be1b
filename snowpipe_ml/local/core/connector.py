"""The error classes of Snowflake's connector, imported when the first error is raised or handled.

Importing the connector takes most of a second, most of it for pandas. A program that runs statements without
Snowpark needs neither, unless a statement fails.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from snowflake.connector.errors import Error as Error
    from snowflake.connector.errors import IntegrityError as IntegrityError
    from snowflake.connector.errors import NotSupportedError as NotSupportedError
    from snowflake.connector.errors import OperationalError as OperationalError
    from snowflake.connector.errors import ProgrammingError as ProgrammingError

    LateOperationalError = OperationalError
    LateProgrammingError = ProgrammingError
else:

    class _Late(Exception):
        """Base of an error class that becomes a subclass of the connector's with its first instance.

        An instance is caught both as the class that is named in the code and as the connector's.
        """

        base: ClassVar[str]

        def __new__(cls, *args: Any, **named: Any) -> Self:
            return super().__new__(_completed(cls), *args)

    class LateOperationalError(_Late):
        """Base of errors that are also the connector's OperationalError."""

        base = "OperationalError"

    class LateProgrammingError(_Late):
        """Base of errors that are also the connector's ProgrammingError."""

        base = "ProgrammingError"

    @cache
    def _completed(cls: type[_Late]) -> type[_Late]:
        base = _error(cls.base)
        return cls if issubclass(cls, base) else type(cls.__name__, (cls, base), dict(cls.__dict__))

    def _error(name: str) -> type[Exception]:
        return getattr(import_module("snowflake.connector.errors"), name)

    def __getattr__(name: str) -> type[Exception]:
        if name in ("Error", "IntegrityError", "NotSupportedError", "OperationalError", "ProgrammingError"):
            return _error(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
