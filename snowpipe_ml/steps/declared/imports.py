"""``imports``: stage wheels, each once, for functions to import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from snowpipe_ml.errors import StepError
from snowpipe_ml.packages.channel import distribution_name, parse_package
from snowpipe_ml.packages.lock import ImportLock, problems, read_lock
from snowpipe_ml.packages.wheels import fetch, inspect, sha256_of
from snowpipe_ml.plugins import Finding, Kind, PlanContext, Resource, RunContext, StepPlan, StepResult
from snowpipe_ml.spec.packages import WheelImport
from snowpipe_ml.sql import Literal, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.steps.declared.step import DeclaredStep
from snowpipe_ml.steps.declared.wheels import distribution_of, fetch_wheels, wheel_fault


@dataclass(frozen=True)
class StagedWheel:
    """A wheel and its place on a stage, which is unique to its content."""

    place: StagePath
    sha256: str

    @property
    def file(self) -> str:
        """The file name."""
        return self.place.path.rsplit("/", 1)[-1]


class ImportStep(DeclaredStep):
    """Wheels on a stage: those of the lock file, or exactly those that the spec names."""

    type_name = "import"
    kind = Kind.IMPORT
    model: WheelImport

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield Resource(Kind.STAGE, QualifiedName((self.model.stage,)), ("stage",))
        if self.model.packages is not None:
            yield Resource(Kind.PACKAGES, QualifiedName.of(self.model.packages), ("packages",))

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        faults = ((index, wheel_fault(text, ctx.base_dir)) for index, text in enumerate(self.model.wheels))
        return [Finding(fault, ("wheels", index)) for index, fault in faults if fault is not None]

    def python(self, ctx: PlanContext) -> str:
        """Return the version of Python that the wheels are for."""
        return self.model.python or ctx.python

    def lock(self, ctx: PlanContext) -> ImportLock:
        """Return the lock of this import from the lock file.

        Raises:
            StepError: there is none, or it does not match the spec; the message lists every mismatch.
        """
        model = self.model
        lock = read_lock(ctx.lock_file).get(self.object.name.lower())
        listed = ctx.package_list(model.packages).packages if model.packages else ()
        found = problems(
            lock,
            requirements=model.requirements,
            python=self.python(ctx),
            packages=listed,
            listed=model.packages,
        )
        if found or lock is None:
            raise StepError("; ".join(found))
        return lock

    def staged(self, ctx: PlanContext, *, offline: bool = False) -> list[StagedWheel]:
        """Return the wheels with their places.

        Args:
            offline: leave out wheels whose hash is unknown until they are fetched.
        """
        if self.model.requirements:
            locked = self.lock(ctx).wheels.values()
            return [self._place(str(wheel.file), str(wheel.sha256)) for wheel in locked]
        return [] if offline else [self._place(path.name, digest) for path, digest in self._exactly(ctx)]

    def _place(self, file: str, sha256: str) -> StagedWheel:
        return StagedWheel(
            StagePath(QualifiedName((self.model.stage,)), f"wheels/{sha256[:16]}/{file}"), sha256
        )

    def _exactly(self, ctx: PlanContext) -> list[tuple[Path, str]]:
        return [(path, sha256_of(path)) for path in fetch_wheels(self.model.wheels, ctx.base_dir)]

    def local_files(self, ctx: PlanContext) -> list[Path]:
        """Return the files of the wheels on this machine, fetched if necessary."""
        return [path for _, path in self._files(ctx, self.staged(ctx))]

    def modules(self, ctx: PlanContext) -> list[str] | None:
        """Return the modules that the wheels provide; None if unknown until the wheels are fetched."""
        return list(self.lock(ctx).modules) if self.model.requirements else None

    def packages(self, ctx: PlanContext) -> list[str]:
        """Return the channel packages that a function with this import must declare besides its own list."""
        return self.lock(ctx).declared_here if self.model.requirements else []

    def distributions(self, ctx: PlanContext) -> set[str]:
        """Return the PyPI names of what a function with this import can import."""
        if not self.model.requirements:
            return {distribution_of(text) for text in self.model.wheels}
        channel = (distribution_name(parse_package(text).name) for text in self.packages(ctx))
        return {canonicalize_name(name) for name in self.lock(ctx).wheels} | set(channel)

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        # What the lock file has, although it may not match the spec: it is checked where it is used.
        lock = read_lock(ctx.lock_file).get(self.object.name.lower()) if self.model.requirements else None
        wheels = lock.wheels.values() if lock is not None else ()
        files = tuple(self._place(str(wheel.file), str(wheel.sha256)).place for wheel in wheels)
        yield Resource(self.kind, QualifiedName((self.object,)), files=files)

    def always_runs(self, ctx: PlanContext) -> str | None:
        return None if self.model.requirements else "it checks that its wheels are staged"

    def plan(self, ctx: PlanContext) -> StepPlan:
        if not self.model.requirements:
            return StepPlan(f"stage {', '.join(self.model.wheels)} on {self.model.stage}")
        wheels = self.staged(ctx)
        summary = f"stage {', '.join(self.model.requirements)}: {len(wheels)} wheels on {self.model.stage}"
        return StepPlan(summary, tuple(put_statement(wheel.file, wheel.place) for wheel in wheels))

    def run(self, ctx: RunContext) -> StepResult:
        wheels = self.staged(ctx)
        there = staged_files(ctx, StagePath(QualifiedName((self.model.stage,)), "wheels/"))
        fresh = [wheel for wheel in wheels if wheel.place.path not in there]
        for wheel, path in self._files(ctx, fresh):
            ctx.put([path], _folder(wheel.place))
        return StepResult(message=f"{len(fresh)} of {len(wheels)} wheels uploaded")

    def _files(self, ctx: PlanContext, wheels: list[StagedWheel]) -> list[tuple[StagedWheel, Path]]:
        """Return the files, after all of them have been fetched and inspected."""
        if not self.model.requirements:
            by_name = {path.name: path for path, _ in self._exactly(ctx)}
            return [(wheel, by_name[wheel.file]) for wheel in wheels]
        names = {locked.file: (name, locked.version) for name, locked in self.lock(ctx).wheels.items()}
        folder = ctx.path(self.model.find_links) if self.model.find_links else None
        wanted = {wheel.file: (*names[wheel.file], wheel.sha256) for wheel in wheels}
        found = fetch(wanted, python=self.python(ctx), folder=folder)
        for path in found.values():
            inspect(path, self.python(ctx))
        return [(wheel, found[wheel.file]) for wheel in wheels]


def _folder(place: StagePath) -> StagePath:
    return StagePath(place.stage, place.path.rpartition("/")[0] + "/")


def staged_files(ctx: RunContext, place: StagePath) -> set[str]:
    """Return the paths of the files below a place, relative to its stage."""
    stage = place.stage.name.name.lower()
    return {
        str(row["name"]).removeprefix(f"{stage}/").removeprefix(f"{place.stage.name.name}/")
        for row in ctx.execute(sql("LIST {place}", place=place))
    }


def put_statement(file: str, place: StagePath) -> Sql:
    """Return the PUT statement that uploads a file to its place, as Snowpark sends it."""
    return _put(file, _folder(place))


def put_all_statement(folder: StagePath) -> Sql:
    """Return the PUT statement that uploads the files of a step to a folder on a stage, as Snowpark sends it."""
    return _put("*", folder)


def _put(file: str, folder: StagePath) -> Sql:
    # Snowpark writes the options in this way, and two spaces before them.
    return sql(
        "PUT {file} {folder}  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True",
        file=Literal(f"file://{file}"),
        folder=folder,
    )
