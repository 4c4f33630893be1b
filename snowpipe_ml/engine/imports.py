"""Resolving and locking of the imports of a spec, for the command ``packages``."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.run.opening import opener
from snowpipe_ml.errors import PackageError, SpecError, UsageError
from snowpipe_ml.packages import lock_path
from snowpipe_ml.packages.channel import distribution_name
from snowpipe_ml.packages.decide import Channel, lock_import
from snowpipe_ml.packages.lock import ImportLock, lock_text, read_lock, write_lock
from snowpipe_ml.spec.loader import load_spec
from snowpipe_ml.spec.packages import WheelImport
from snowpipe_ml.text.problems import did_you_mean


class Imports:
    """The imports of a pipeline that are declared by requirements.

    Args:
        pipeline: the pipeline. Its spec may lack a valid lock file, which this class creates.
        target: the target's name; the default target if None.
    """

    def __init__(self, pipeline: Pipeline, target: str | None = None) -> None:
        self.pipeline = pipeline
        self.target = target
        self.spec = load_spec(pipeline.path, target=target, variables=pipeline.variables)
        if self.spec.problems:
            raise SpecError(self.spec.problems)
        self.path = lock_path(pipeline.path.resolve())
        self.declared: Mapping[str, WheelImport] = {
            name: model for name, model in self.spec.pipeline.imports.items() if model.requirements
        }

    def resolved(
        self, only: str | None = None, *, fresh: bool = False, channel: str | None = None
    ) -> dict[str, ImportLock]:
        """Return the locks of the imports, from the lock file or else newly resolved.

        Args:
            only: the name of one import; all imports if None.
            fresh: resolve the imports again, whatever the lock file says.
            channel: the source of the channel's package list: ``target``, or the path of a CSV file.

        Raises:
            UsageError: the import does not exist.
            PackageError: an import cannot be resolved.
        """
        if only is not None and only not in self.declared:
            hint = did_you_mean(only, self.declared)
            raise UsageError(f"no import {only!r} with requirements" + (f"; {hint}" if hint else ""))
        names = [only] if only is not None else list(self.declared)
        if not names:
            raise UsageError("the spec has no import with requirements")
        there = {} if fresh else read_lock(self.path)
        known = self._channel(channel) if channel is not None else None
        return {name: there.get(name.lower()) or self._resolve(name, known) for name in names}

    def _resolve(self, name: str, channel: Channel | None) -> ImportLock:
        model = self.declared[name]
        lists = self.spec.pipeline.packages
        if model.packages is not None and model.packages not in lists:
            raise PackageError(f"imports.{name}: no list {model.packages!r} under `packages`")
        folder = None
        if model.find_links is not None:
            folder = (self.pipeline.path.resolve().parent / Path(model.find_links).expanduser()).resolve()
            if not folder.is_dir():
                raise PackageError(f"imports.{name}: no such folder of wheels: {folder}")
        try:
            return lock_import(
                model.requirements,
                python=self._python(model),
                listed=model.packages,
                native=model.native,
                folder=folder,
                packages=lists[model.packages].packages if model.packages else (),
                source=model.find_links or "index",
                channel=channel,
            )
        except PackageError as error:
            raise PackageError(f"imports.{name}: {error}") from error

    def _python(self, model: WheelImport) -> str:
        """Return the version of Python that the wheels of an import are for."""
        return model.python or self.spec.pipeline.python

    def _channel(self, source: str) -> Channel:
        """The packages of Snowflake's Anaconda channel: distribution -> versions."""
        if source == "target":
            # Not Pipeline.session(), which needs a valid spec: without its lock file, this one may
            # be invalid.
            session = opener(self.spec, self.pipeline.path)()
            try:
                rows = [
                    tuple(row)
                    for row in session.sql(
                        "SELECT DISTINCT PACKAGE_NAME, VERSION FROM INFORMATION_SCHEMA.PACKAGES WHERE LANGUAGE = 'python' "
                        f"AND (RUNTIME_VERSION IS NULL OR RUNTIME_VERSION = '{self.spec.pipeline.python}')"
                    ).collect()
                ]
            finally:
                session.close()
        else:
            try:
                with Path(source).open(newline="", encoding="utf-8-sig") as file:
                    lines = [
                        {key.upper(): value for key, value in row.items()} for row in csv.DictReader(file)
                    ]
                rows = [(line["PACKAGE_NAME"], line["VERSION"]) for line in lines]
            except (OSError, KeyError, UnicodeDecodeError, AttributeError, csv.Error) as error:
                raise PackageError(
                    f"{source} is not a package list of a channel: expected a CSV file with the columns PACKAGE_NAME and "
                    f"VERSION, as in INFORMATION_SCHEMA.PACKAGES ({type(error).__name__}: {error})"
                ) from error
        found: dict[str, list[str]] = defaultdict(list)
        for name, version in rows:
            # The channel also has packages other than Python's, with names and versions of other forms.
            if _is_python(name, version):
                found[distribution_name(name)].append(version)
        return found

    def write(self, locks: Mapping[str, ImportLock]) -> Path:
        """Write the lock file; the locks of other imports are kept."""
        kept = {
            name: lock
            for name, lock in read_lock(self.path).items()
            if name in {n.lower() for n in self.declared}
        }
        write_lock(self.path, {**kept, **{name.lower(): lock for name, lock in locks.items()}})
        return self.path

    def check(self, locks: Mapping[str, ImportLock]) -> None:
        """Compare newly resolved locks with the lock file.

        Raises:
            PackageError: they differ; the message lists the differences.
        """
        there = read_lock(self.path)
        found = []
        for name, lock in locks.items():
            before = there.get(name.lower())
            if before is None:
                found.append(f"imports.{name} is not in {self.path.name}")
            elif lock_text({name: before}) != lock_text({name: lock}):
                found += [f"imports.{name}: {line}" for line in _differences(before, lock)]
        if found:
            raise PackageError(
                f"{self.path.name} is not up to date:\n  "
                + "\n  ".join(found)
                + "\nrun 'snowpipe-ml packages SPEC --lock' to update it"
            )

    @staticmethod
    def table(lock: ImportLock) -> list[dict[str, str]]:
        """The decision table: one row per distribution, wheels first."""
        order = sorted(lock.distributions.items(), key=lambda item: (item[1].as_ != "wheel", item[0]))
        return [
            {
                "distribution": name,
                "version": locked.version,
                "from": f"wheel ({locked.source})" if locked.as_ == "wheel" else "channel",
                "why": locked.why,
            }
            for name, locked in order
        ]


def _is_python(name: str, version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) is not None


def _differences(before: ImportLock, after: ImportLock) -> list[str]:
    lines = []
    for key in ("requirements", "python", "packages"):
        if getattr(before, key) != getattr(after, key):
            lines.append(f"{key}: {getattr(before, key)} -> {getattr(after, key)}")
    for name in sorted({*before.distributions, *after.distributions}):
        old, new = before.distributions.get(name), after.distributions.get(name)
        if old is None or new is None:
            lines.append(f"{name}: {'new' if old is None else 'gone'}")
        elif old != new:
            changed = {
                f.name for f in dataclasses.fields(old) if getattr(old, f.name) != getattr(new, f.name)
            }
            what = f"{old.version} -> {new.version}" if "version" in changed else ", ".join(sorted(changed))
            lines.append(f"{name}: {what}")
    return lines
