"""The interface of a file format: its options, how files are scanned, and how their columns are detected.

A format is registered under its TYPE. Installed packages name theirs under the entry-point group
``snowpipe_ml.file_formats``; most derive from :class:`~snowpipe_ml.local.files.formats.columnar.ColumnarFormat`
and define only ``source``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from snowpipe_ml.errors import PluginError
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.registry import Registry

Columns = dict[str, tuple[str, str, list[StagedFile]]]
"""Detected columns by name: the type, the expression that reads it, and the files that contain it."""


@dataclass
class Wanted:
    """The columns of staged files that a query reads.

    Attributes:
        highest: the highest ``$n``.
        metadata: the METADATA$ columns.
    """

    highest: int = 1
    metadata: set[str] = field(default_factory=set)


class FileFormat(ABC):
    """A file format.

    Attributes:
        name: its TYPE.
        defaults: its options with Snowflake's defaults, as DESCRIBE FILE FORMAT shows them.
        shown_defaults: the defaults that DESCRIBE FILE FORMAT shows in another form than the values.
        accepted: the options that are accepted besides TYPE and COMMENT; None if ``scan`` checks them itself.
        known: the options that Snowflake has besides these; they are refused by name.
        fixed: the options that are accepted only with one value.
        is_text: whether records are lines of fields, ``$1`` to ``$n``, and not one VARIANT in ``$1``.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Option]] = {}
    shown_defaults: ClassVar[Mapping[str, Option]] = {}
    accepted: ClassVar[Collection[str] | None] = None
    known: ClassVar[Collection[str]] = ()
    fixed: ClassVar[Mapping[str, Option]] = {}
    is_text: ClassVar[bool] = False

    def check(self, options: Mapping[str, Option]) -> None:
        """Refuse options that are not supported.

        Raises:
            ProgrammingError: Snowflake has no such option for the type.
            UnsupportedError: it names the option.
        """
        if self.accepted is None:
            return
        for key, value in options.items():
            if key in ("TYPE", "COMMENT"):
                continue
            if key not in self.accepted and key not in self.known:
                raise errors.invalid_property(key, "FILE_FORMAT")
            if key not in self.accepted:
                raise errors.UnsupportedError(f"the {self.name} file format option {key}")
            if key in self.fixed and str(value).upper() != str(self.fixed[key]).upper():
                raise errors.UnsupportedError(f"{key} = {value!r} in a {self.name} file format")

    @abstractmethod
    def scan(
        self, compiler: Compiler, options: Options, files: Sequence[StagedFile], wanted: Wanted
    ) -> tuple[str, dict[str, tuple[str, str]]]:
        """Return a DuckDB query of files: columns ``_1``, ``_2``... and the wanted metadata.

        Returns:
            The query; and by field name the columns that hold a field in its own type, each with the type,
            where there are some: reading these is faster than reading the field from the VARIANT.
        """

    def row_count(self, file: StagedFile) -> int | None:
        """Return the number of rows of a file if it is known without reading them."""
        return None

    @abstractmethod
    def infer(self, compiler: Compiler, options: Options, files: Sequence[StagedFile]) -> Columns:
        """Detect the columns of files, for INFER_SCHEMA."""

    @abstractmethod
    def fields(self, compiler: Compiler, options: Options, file: StagedFile) -> list[str]:
        """Return the names of the fields of a file's records, for MATCH_BY_COLUMN_NAME."""


def _check(name: str, fmt: FileFormat) -> None:
    if not isinstance(fmt, FileFormat):
        raise PluginError(f"the file format {name!r} is not a FileFormat: {fmt!r}")


FORMATS: Registry[FileFormat] = Registry(
    "file format",
    "snowpipe_ml.file_formats",
    builtin=tuple(
        f"snowpipe_ml.local.files.formats.{name}" for name in ("delimited", "json", "parquet", "orc", "avro")
    ),
    check=_check,
    key=str.upper,
)
_Format = TypeVar("_Format", bound=type[FileFormat])


def file_format_type(name: str) -> Callable[[_Format], _Format]:
    """Register a class as the file format of a TYPE.

    Raises:
        PluginError: the name is taken, or the class is not a FileFormat.
    """

    def decorate(cls: _Format) -> _Format:
        cls.name = name
        FORMATS.add(name, cls())
        return cls

    return decorate


def format_of(options: Mapping[str, Option]) -> FileFormat:
    """Return the format that a file format's TYPE names; CSV without one.

    Raises:
        UnsupportedError: the type is not supported.
    """
    kind = str(options.get("TYPE") or "CSV").upper()
    if kind not in FORMATS:
        raise errors.UnsupportedError(f"file formats of type {kind}", f"{', '.join(FORMATS)} are supported")
    return FORMATS[kind]


def fields_of(compiler: Compiler, options: Options, files: Sequence[StagedFile]) -> list[str]:
    """Return the names of the fields of the files' records, in the order in which they first appear."""
    fmt = format_of(options)
    return list(dict.fromkeys(name for file in files for name in fmt.fields(compiler, options, file)))


def union(parts: Sequence[str], wanted: Wanted) -> str:
    """Return the union of queries of records; a query of no rows if there are none."""
    if parts:
        return " UNION ALL BY NAME ".join(parts)
    nulls = "".join(f', NULL AS "{name}"' for name in sorted(wanted.metadata))
    return f'SELECT NULL::JSON AS "_1"{nulls} LIMIT 0'
