"""The exceptions of snowpipe-ml.

Every exception that the package raises on purpose derives from one base class::

    SnowpipeMLError
    ├── SpecError           the spec is invalid; holds every problem found (exit code 2)
    ├── UsageError          a command-line option or an argument is invalid (exit code 2)
    ├── PluginError         a step type breaks the plugin contract, or is registered twice
    ├── UnsafeSqlError      a plain value was passed where SQL text is expected
    ├── TargetError         the target cannot be reached (exit code 3)
    │   └── MissingExtraError   an optional dependency is not installed
    ├── PackageError        a package, a wheel or the lock file of an import cannot be used (exit code 1)
    ├── LockedError         another run or process holds the target (exit code 4)
    ├── TemplateError       a template cannot be rendered (exit code 2)
    ├── StatementError      the statement of the `sql` command failed (exit code 1)
    ├── SchemaDriftError    the schema files on disk are out of date (exit code 1)
    └── StepError           a step failed while it ran (exit code 1)
        ├── SourceFileError     an input file cannot be read; holds the file and the line
        └── ExpectationError    a table does not meet its expectations; holds every check

The embedded warehouse raises the exceptions of the Snowflake connector, so that calling code need
not distinguish the two targets: see :mod:`snowpipe_ml.local.core.errors`.
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
    """Base class of every error of this package. ``exit_code`` is the exit code of the command line."""

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class SpecError(SnowpipeMLError):
    """An invalid spec, with every problem found in it.

    Args:
        problems: the problems, in the order of the file.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(SnowpipeMLError):
    """An invalid command-line option, or an invalid argument of the Python API."""

    exit_code = 2


class PluginError(SnowpipeMLError):
    """A step type breaks the plugin contract, or its name is taken."""


class UnsafeSqlError(SnowpipeMLError, TypeError):
    """A plain value was passed where only an identifier, a literal or trusted SQL is allowed."""


class TargetError(SnowpipeMLError):
    """The target cannot be reached or opened."""

    exit_code = 3


class MissingExtraError(TargetError):
    """An optional dependency is not installed.

    Args:
        extra: the extra of this package that installs it, such as ``local``.
        needed_for: the feature that needs it, as a noun phrase.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(
            f"{needed_for} needs the extra {extra!r}, which is not installed: pip install 'snowpipe-ml[{extra}]'"
        )


class PackageError(SnowpipeMLError):
    """A requirement that cannot be met, an unusable wheel, or a lock file that does not match the spec."""


class LockedError(SnowpipeMLError):
    """Another run or another process holds the target.

    Attributes:
        run_key: the key of the run that holds the lock, if it was begun with one.
    """

    exit_code = 4
    run_key: str | None = None


class TemplateError(SnowpipeMLError):
    """A template that cannot be rendered.

    Args:
        message: what is wrong.
        hint: what to do.
        line: the line of the template, counted from 1.
        file: the template's file; None for a template inside the spec.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None, line: int = 1, file: str | None = None) -> None:
        self.message, self.hint, self.line, self.file = message, hint, line, file
        super().__init__(message)


class StatementError(SnowpipeMLError):
    """The statement of the ``sql`` command failed."""


class SchemaDriftError(SnowpipeMLError):
    """The schema files on disk differ from those that the code generates."""


class StepError(SnowpipeMLError):
    """A step failed while it ran.

    Args:
        message: what went wrong.
        step: the step's name in the spec, if it is known.
    """

    def __init__(self, message: str, *, step: str | None = None) -> None:
        self.step = step
        super().__init__(message)


class SourceFileError(StepError):
    """An input file that cannot be read.

    Args:
        message: what is wrong with it.
        file: the file's name; a member of an archive is written ``archive.zip!member.csv``.
        line: the first bad line, counted from 1; None if the file has no lines.
        record: the text of that line, truncated.
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
    """The result of one expectation. ``failing`` is the number of rows that do not meet it."""

    name: str
    ok: bool
    failing: int | None = None
    message: str = ""


class ExpectationError(StepError):
    """A table does not meet its expectations.

    Args:
        message: which expectations failed.
        checks: the results of all checks, including those that passed.
    """

    def __init__(self, message: str, checks: Sequence[Check]) -> None:
        self.checks = tuple(checks)
        super().__init__(message)
