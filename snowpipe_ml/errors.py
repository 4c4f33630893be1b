"""The exceptions of snowpipe-ml.

Everything that the package raises on purpose derives from one base::

    SnowpipeMLError
    ├── SpecError           the YAML file is wrong; holds every problem found (exit code 2)
    ├── UsageError          a command line or a call is wrong (exit code 2)
    ├── PluginError         a step type does not keep the contract, or is registered twice
    ├── UnsafeSqlError      a bare value was about to become SQL text
    ├── TargetError         the target cannot be reached (exit code 3)
    │   └── MissingExtraError   an optional dependency of the target is not installed
    ├── PackageError        a package, a wheel or the lock file of an import cannot be used (exit code 1)
    ├── LockedError         another run or process holds the target (exit code 4)
    ├── TemplateError       a template that cannot be rendered (exit code 2)
    ├── StatementError      a statement of the `sql` command failed (exit code 1)
    ├── SchemaDriftError    the schemas on disk are not those of the code (exit code 1)
    └── StepError           a step failed while it ran (exit code 1)
        ├── SourceFileError     an input file cannot be read; knows the file and the line
        └── ExpectationError    a table is not as it is expected to be; knows every check

The embedded warehouse raises what the Snowflake connector raises, so that code above it cannot
tell the two targets apart: see :mod:`snowpipe_ml.local.core.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from snowpipe_ml.text.problems import Problem
from snowpipe_ml.text.redaction import redact

__all__ = [
    "Check",
    "ExpectationError",
    "LockedError",
    "MissingExtraError",
    "PackageError",
    "PluginError",
    "SchemaDriftError",
    "SnowpipeMLError",
    "SourceFileError",
    "SpecError",
    "StatementError",
    "StepError",
    "TargetError",
    "TemplateError",
    "UnsafeSqlError",
    "UsageError",
]


class SnowpipeMLError(Exception):
    """Base of every error of this package. ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class SpecError(SnowpipeMLError):
    """A spec that cannot be used, with all that is wrong in it.

    Args:
        problems: every mistake found, in the order of the file.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(SnowpipeMLError):
    """A command line option or an argument of the Python API that makes no sense."""

    exit_code = 2


class PluginError(SnowpipeMLError):
    """A step type that does not keep the plugin contract, or whose name is taken."""


class UnsafeSqlError(SnowpipeMLError, TypeError):
    """A plain value was given where only an identifier, a literal or trusted SQL may stand."""


class TargetError(SnowpipeMLError):
    """The target cannot be reached or opened."""

    exit_code = 3


class MissingExtraError(TargetError):
    """An optional dependency is not installed.

    Args:
        extra: the extra of this package that brings it, such as ``local``.
        needed_for: what could not be done, as a noun phrase.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(
            f"{needed_for} needs the extra {extra!r}, which is not installed: pip install 'snowpipe-ml[{extra}]'"
        )


class PackageError(SnowpipeMLError):
    """A requirement that nothing fits, a wheel that cannot be used, or a lock that is not the spec's."""


class LockedError(SnowpipeMLError):
    """Another run, or another process, holds the target."""

    exit_code = 4


class TemplateError(SnowpipeMLError):
    """A template that cannot be rendered.

    Args:
        message: what is wrong.
        hint: what to do.
        line: where in the template, counted from 1.
        file: the template's file; None for a text in the spec.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None, line: int = 1, file: str | None = None) -> None:
        self.message, self.hint, self.line, self.file = message, hint, line, file
        super().__init__(message)


class StatementError(SnowpipeMLError):
    """A statement of the ``sql`` command that failed."""


class SchemaDriftError(SnowpipeMLError):
    """The schemas on disk are not those of the code."""


class StepError(SnowpipeMLError):
    """A step that failed while it ran.

    Args:
        message: what went wrong.
        step: the step's name in the spec, where it is known.
    """

    def __init__(self, message: str, *, step: str | None = None) -> None:
        self.step = step
        super().__init__(message)


class SourceFileError(StepError):
    """An input file that cannot be read.

    Args:
        message: what is wrong with it.
        file: the file's name; a member of an archive is written ``archive.zip!member.csv``.
        line: the first bad line, counted from 1; None where the file has no lines.
        record: that line's text, cut to a sensible length.
    """

    def __init__(
        self, message: str, *, file: str, line: int | None = None, record: str | None = None
    ) -> None:
        self.file = file
        self.line = line
        self.record = record
        self.reason = message
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {message}")


@dataclass(frozen=True)
class Check:
    """Whether something that was expected is so. ``failing`` counts the rows of which it is not."""

    name: str
    ok: bool
    failing: int | None = None
    message: str = ""


class ExpectationError(StepError):
    """A table is not as it is expected to be.

    Args:
        message: what is not so.
        checks: every check that was made, those that hold too.
    """

    def __init__(self, message: str, checks: Sequence[Check]) -> None:
        self.checks = tuple(checks)
        super().__init__(message)
