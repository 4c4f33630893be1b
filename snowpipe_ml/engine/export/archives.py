"""The files that a procedure on Snowflake needs to run a step: the engine, and the folder of the spec."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.steps.declared.imports import ImportStep
from snowpipe_ml.text.redaction import known_secrets

_PACKAGE = Path(__file__).resolve().parents[2]
# What no step needs: the command line, its output, other orchestrators, and the embedded warehouse.
_LEFT_OUT = (
    "cli",
    "dashboard",
    "doctor",
    "exploration",
    "integrations",
    "local",
    "pipelines",
    "pytest_plugin.py",
    "answers",
    "testing",
    "ui",
    "unit_tests",
)
# Modules that the rest imports, and that import the rest of their folders later.
_KEPT = ("local/__init__.py", "local/server/__init__.py")
# Packages that a procedure does without: those of the command line, and one that is only faster than the standard library
# and that Snowflake's Anaconda channel may lack.
_NOT_IN_PROCEDURES = {"click", "rich", "isal"}
CACHE = ".cache"
_MOST_BYTES = 200 * 2**20
_MOST_SEARCHED = 2**20


@dataclass(frozen=True)
class Archive:
    """A zip archive that is staged under the hash of its content."""

    name: str
    data: bytes

    @property
    def file(self) -> str:
        """The file name on the stage."""
        return f"{self.name}-{hashlib.sha256(self.data).hexdigest()[:16]}.zip"


def engine_archive(*also: str) -> Archive:
    """Return the engine as an archive, without the folders that no step needs, except for some."""
    return Archive("engine", _zipped((f"snowpipe_ml/{name}", path) for name, path in _engine_files(also)))


def _engine_files(also: Collection[str]) -> Iterator[tuple[str, Path]]:
    left_out = [folder for folder in _LEFT_OUT if folder not in also]
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE).as_posix()
        if path.suffix in (".pyc", ".pyi") or not path.is_file():
            continue
        if name in _KEPT or name.split("/")[0] not in left_out:
            yield name, path


def pipeline_archive(spec_file: Path, graph: Graph, ctx: PlanContext) -> Archive:
    """Return the folder of a spec as an archive, with the wheels that its imports stage.

    Hidden files are omitted.

    Raises:
        UsageError: the folder is too large, or a file in it has a secret.
        StepError: a wheel cannot be fetched.
    """
    base = ctx.base_dir
    files = list(_visible(base))
    _refuse_secrets(base, files)
    size = sum(path.stat().st_size for _, path in files)
    if size > _MOST_BYTES:
        raise UsageError(
            f"the folder {base} has {size / 2**20:,.0f} MiB of files, and all of them would be staged for the tasks: "
            "move the spec and its files into a separate folder"
        )
    for node in graph.nodes.values():
        if isinstance(node.step, ImportStep):
            files += [
                (f"{CACHE}/snowpipe-ml/wheels/{path.name}", path) for path in node.step.local_files(ctx)
            ]
    return Archive(spec_file.stem, _zipped(dict(files).items()))


def _refuse_secrets(base: Path, files: Iterable[tuple[str, Path]]) -> None:
    for name, path in files:
        if path.stat().st_size > _MOST_SEARCHED:
            continue  # data
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        place = next((start for start, _ in known_secrets(text)), None)
        if place is not None:
            raise UsageError(
                f"{base / name}:{text.count(chr(10), 0, place) + 1} has a secret, and all files of this folder would be "
                "staged for the tasks, where everyone who may read the stage can read them: move it out of the folder"
            )


def _visible(base: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(base).as_posix(), path


def _zipped(files: Iterable[tuple[str, Path]]) -> bytes:
    """Zip files so that equal contents make equal archives."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files:
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return out.getvalue()


def engine_packages(modules: Iterable[tuple[str, str]]) -> list[str]:
    """Return the packages that the engine needs in a procedure, as PACKAGES has them.

    Args:
        modules: the optional modules that steps import, each with the extra that installs it.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-packages
    """
    wanted: dict[str, str] = {}
    for requirement in map(Requirement, metadata.requires("snowpipe-ml") or ()):
        name = canonicalize_name(requirement.name)
        if requirement.marker is None:
            needed = name not in _NOT_IN_PROCEDURES
        else:
            needed = any(
                requirement.marker.evaluate({"extra": extra})
                and (name == canonicalize_name(module) or name.startswith(f"{canonicalize_name(module)}-"))
                for module, extra in modules
            )
        if needed:
            wanted[name] = f"{name}{_major(requirement)}"
    return sorted(wanted.values())


def _major(requirement: Requirement) -> str:
    """Return the newest major version that a requirement allows, as a pattern that PACKAGES takes."""
    for specifier in requirement.specifier:
        if specifier.operator == "==":
            return f"=={specifier.version}"
        if specifier.operator == "<" and specifier.version.isdigit():
            return f"=={int(specifier.version) - 1}.*"
    return ""
