"""The file of a record: JSON lines, each of one of the models here. ``schemas/record.schema.json`` describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from snowpipe_ml.errors import UsageError

VERSION = 1
"""The version of the format. A file of another version is refused."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Line):
    """A column of a result.

    Attributes:
        name: its name, masked where it is the text of an expression.
        type: the connector's name of its type, such as FIXED or TEXT.
        length: of texts and binaries, where the target says it.
        precision: of numbers.
        scale: of numbers, times and timestamps.
        nullable: whether it can be NULL.
    """

    name: str
    type: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    nullable: bool | None = None

    def __str__(self) -> str:
        sizes = [str(size) for size in (self.length, self.precision, self.scale) if size is not None]
        size = f"({', '.join(sizes)})" if sizes else ""
        return f"{self.name} {self.type}{size}{' NOT NULL' if self.nullable is False else ''}"


class Failure(_Line):
    """An error.

    Attributes:
        number: Snowflake's number of the error.
        sqlstate: its SQLSTATE.
        message: its message without values.
    """

    number: int | None = None
    sqlstate: str | None = None
    message: str = ""

    def __str__(self) -> str:
        return f"{self.number or 0:06d} ({self.sqlstate or '-'}): {self.message}"


class Statement(_Line):
    """A statement and its answer.

    Attributes:
        step: the step that ran when it was sent; None before the first one.
        statement: the text without values.
        described: whether only its columns were asked for.
        columns: the columns of its result.
        rows: the number of rows that it returned or changed.
        status: the text with which a target answers a statement without a result.
        error: its error.
    """

    kind: Literal["statement"] = "statement"
    step: str | None = None
    statement: str
    described: bool = False
    columns: tuple[Column, ...] = ()
    rows: int | None = None
    status: str | None = None
    error: Failure | None = None


class StepEnd(_Line):
    """The end of a step, with its status: ``success``, ``failed`` or ``skipped``."""

    kind: Literal["step"] = "step"
    step: str
    status: str


class Header(_Line):
    """The first line.

    Attributes:
        version: the version of the format.
        pipeline: the pipeline's name.
        target: the target's name in the spec.
        target_type: the type of the target, such as snowflake.
        snowflake: what ``CURRENT_VERSION()`` answered.
        snowpipe_ml: the version of this package.
        recorded: the date of the record, in UTC.
        salt: with what names are hashed; None if they are kept.
    """

    kind: Literal["header"] = "header"
    version: int
    pipeline: str
    target: str
    target_type: str
    snowflake: str
    snowpipe_ml: str
    recorded: str
    salt: str | None = None


class Record(_Line):
    """A whole record."""

    header: Header
    statements: tuple[Statement, ...]
    steps: tuple[StepEnd, ...]


Line = Annotated[Header | Statement | StepEnd, Field(discriminator="kind")]
LINES: TypeAdapter[Header | Statement | StepEnd] = TypeAdapter(Line)
"""Reads one line of a file."""


def write(record: Record, path: Path) -> None:
    """Write a record to a file."""
    lines = (record.header, *record.statements, *record.steps)
    text = "".join(line.model_dump_json(exclude_none=True) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def read(path: Path) -> Record:
    """Read the record in a file.

    Raises:
        UsageError: the file cannot be read, is no record, or has another version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the record {path}: {error}") from error
    lines: list[Header | Statement | StepEnd] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            lines.append(LINES.validate_json(line))
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UsageError(f"{path}:{number}: not a line of a record: {reason}") from error
        first = lines[0]
        if isinstance(first, Header) and first.version != VERSION:
            raise UsageError(
                f"{path} has version {first.version} of the format, and this version of snowpipe-ml reads {VERSION}"
            )
    if not lines or not isinstance(lines[0], Header):
        raise UsageError(
            f"{path} is not a record: its first line is not a header; `record --output` writes one"
        )
    return Record(
        header=lines[0],
        statements=tuple(line for line in lines if isinstance(line, Statement)),
        steps=tuple(line for line in lines if isinstance(line, StepEnd)),
    )
