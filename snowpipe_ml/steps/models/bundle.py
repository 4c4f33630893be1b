"""The parts of a Python function: its code on a stage, its wheels and its declared packages."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.packages.channel import distribution_name, parse_package
from snowpipe_ml.plugins import (
    Finding,
    Kind,
    ObjectName,
    PlanContext,
    Resource,
    RunContext,
    StepSettings,
    declared,
)
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.steps.declared.imports import ImportStep, StagedWheel, put_all_statement, staged_files

# https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages
CHANNEL = QualifiedName.of("SNOWFLAKE", "SNOWPARK", "ANACONDA_SHARED_REPOSITORY")
"""Snowflake's Anaconda channel as an artifact repository."""
MOST_COLUMNS = 500
"""The most arguments of a function, and the most columns that it returns.

https://docs.snowflake.com/en/sql-reference/sql/create-function
"""


@dataclass(frozen=True)
class Bundle:
    """A function's files and packages.

    Attributes:
        folder: the folder of its code, named after the content.
        files: the code and settings, by file name.
        wheels: staged wheels.
        staged: other files on stages, such as a model.
        packages: the values of PACKAGES.
        repository: the artifact repository of the packages; None for Snowflake's Anaconda channel.
        python: the version of Python.
    """

    folder: StagePath
    files: Mapping[str, bytes]
    wheels: tuple[StagedWheel, ...]
    staged: tuple[StagePath, ...]
    packages: tuple[str, ...]
    repository: QualifiedName | None
    python: str

    def puts(self) -> list[Sql]:
        """Return the statement that uploads the files to the stage, as ``plan`` shows it."""
        return [put_all_statement(self.folder)]

    def upload(self, ctx: RunContext) -> None:
        """Upload the files that are not on the stage yet; a staged file always has the same content."""
        there = staged_files(ctx, self.folder)
        missing = {
            name: data for name, data in self.files.items() if self.folder.child(name).path not in there
        }
        ctx.put_contents(missing, self.folder)

    def options(self, handler: str) -> Sql:
        """Return the clauses ``LANGUAGE PYTHON ... HANDLER = ...`` of the function.

        The repository is always named: without it, PACKAGES means the one that the account, the database or the
        schema has as DEFAULT_PYTHON_ARTIFACT_REPOSITORY.
        """
        places = [self.folder.child(name) for name in self.files] + [wheel.place for wheel in self.wheels]
        return sql(
            "LANGUAGE PYTHON RUNTIME_VERSION = {runtime} ARTIFACT_REPOSITORY = {repository} "
            "PACKAGES = {packages} IMPORTS = {imports} HANDLER = {handler}",
            runtime=Literal(self.python),
            repository=self.repository or CHANNEL,
            packages=Literal(list(self.packages)),
            imports=Literal([place.text for place in [*places, *self.staged]]),
            handler=Literal(handler),
        )


def bundle(
    ctx: PlanContext,
    *,
    name: Identifier,
    stage: Identifier,
    files: Mapping[str, bytes],
    packages: str,
    imports: Sequence[Identifier],
    staged: Iterable[StagePath] = (),
    more: Sequence[str] = (),
    offline: bool = False,
) -> Bundle:
    """Assemble the parts of a function.

    Args:
        name: the name of the function, for its folder.
        stage: the stage of its code.
        files: its own files, in addition to ``snowpipe_ml.models``.
        packages: the declared list of packages.
        imports: declared imports.
        staged: other files on stages.
        more: packages that it needs in addition to the list.
        offline: leave out wheels whose hash is not known yet.

    Raises:
        StepError: an import conflicts with the artifact repository, the Python version or another import.
    """
    listed = ctx.package_list(packages)
    wheels: dict[str, StagedWheel] = {}
    extra: list[str] = []
    for declared_import in imports:
        step = import_step(ctx, declared_import)
        channel = (
            step.model.packages is not None
            and ctx.package_list(step.model.packages).artifact_repository is None
        )
        if listed.artifact_repository is not None and (channel or step.packages(ctx)):
            # https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages
            raise StepError(
                f"{declared_import} uses packages of Snowflake's Anaconda channel, but packages.{packages} "
                f"uses {listed.artifact_repository}: a function can use only one of them"
            )
        if step.model.requirements and step.python(ctx) != ctx.python:
            raise StepError(
                f"{declared_import} is resolved for Python {step.python(ctx)}, but functions use {ctx.python}"
            )
        for wheel in step.staged(ctx, offline=offline):
            same = next(
                (w for w in wheels.values() if w.file.split("-")[0] == wheel.file.split("-")[0]), wheel
            )
            if same.sha256 != wheel.sha256:
                raise StepError(
                    f"the imports contain both {same.file} and {wheel.file}: combine them into one import"
                )
            wheels[wheel.file] = wheel
        extra += step.packages(ctx)
    all_files = {
        "snowpipe_models.zip": models_archive(),
        "wheels.json": json.dumps(
            [{"file": w.file, "sha256": w.sha256} for w in wheels.values()], indent=1
        ).encode(),
        **files,
    }
    digest = hashlib.sha256()
    for file, data in sorted(all_files.items()):
        digest.update(hashlib.sha256(file.encode()).digest() + hashlib.sha256(data).digest())
    folder = StagePath(QualifiedName((stage,)), f"functions/{name.name.lower()}/{digest.hexdigest()[:16]}/")
    names = {_name(text) for text in listed.packages}
    needed = [text for text in (*extra, *more) if _name(text) not in names]
    return Bundle(
        folder,
        all_files,
        tuple(wheels.values()),
        tuple(staged),
        tuple(dict.fromkeys([*listed.packages, *needed])),
        listed.artifact_repository,
        ctx.python,
    )


def too_many(counts: Mapping[str, int], *at: str) -> Iterator[Finding]:
    """Yield a problem for each count of arguments or result columns that Snowflake does not allow.

    Args:
        counts: what is counted, with its number.
        at: the path of the setting that decides it.
    """
    for what, count in counts.items():
        if count > MOST_COLUMNS:
            yield Finding(
                f"the function has {count} {what}, and Snowflake allows {MOST_COLUMNS}",
                at,
                hint="use fewer features",
            )


def _name(text: str) -> str:
    return distribution_name(parse_package(text).name)


def import_step(ctx: PlanContext, name: Identifier) -> ImportStep:
    """Return the step of a declared import."""
    return ctx.producer_of(declared(Kind.IMPORT, name), ImportStep)


class BundleSettings(StepSettings):
    """Settings of every step that creates a Python function or procedure."""

    stage: ObjectName = Field(description="Stage for the code of the function")
    packages: str = Field(description="Declared list of packages")
    imports: tuple[ObjectName, ...] = Field((), description="Declared imports")

    def bundle_reads(self) -> Iterable[Resource]:
        """Yield the resources that the step reads for its bundle."""
        yield Resource(Kind.STAGE, QualifiedName((self.stage,)), ("stage",))
        yield Resource(Kind.PACKAGES, QualifiedName.of(self.packages), ("packages",))
        for index, name in enumerate(self.imports):
            yield declared(Kind.IMPORT, name, "imports", index)


@cache
def models_archive() -> bytes:
    """Return ``snowpipe_ml.models`` as a zip: the same bytes for the same code, on every machine."""
    root = Path(str(resources.files("snowpipe_ml")))
    files = {f"snowpipe_ml/{name}": data for name, data in _sources(root, root / "models")}
    return _archive({"snowpipe_ml/__init__.py": b"", **files})


def package_archive(package: str) -> bytes:
    """Return the source of an import package as a zip: the same bytes for the same code.

    Raises:
        StepError: the package is not installed.
    """
    try:
        root = Path(str(resources.files(package)))
    except ModuleNotFoundError as error:
        raise StepError(f"the package {package} of a forecaster is not installed") from error
    return _archive({f"{package}/{name}": data for name, data in _sources(root, root)})


def _sources(root: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*.py")):
        yield file.relative_to(root).as_posix(), file.read_bytes()


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()
