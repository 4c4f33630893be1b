"""``package_model``: package a trained model as one archive with a manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal as Choice

from pydantic import Field, model_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.tabular.archive import Manifest, pack, python_version, unpack, versions
from snowpipe_ml.plugins import (
    ColumnKey,
    ColumnName,
    ColumnType,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Identifier, StagePath
from snowpipe_ml.steps.declared.imports import put_statement
from snowpipe_ml.steps.models.signature import ModelSignature, model_name, read_manifest, signature_at
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.files import read_text


@register("package_model")
class PackageModel(Step["PackageModel.Settings"]):
    """Package a model as one archive with a manifest of its signature, its requirements and its origin.

    The model was trained by a step of this pipeline or elsewhere. In the latter case it is a folder or file
    beside the spec, of AutoGluon, scikit-learn, XGBoost, LightGBM, or a custom class with ``predict``.
    """

    class Settings(StepSettings):
        """Settings of ``package_model``."""

        from_: str = Field(alias="from", description="@stage/folder/ of a trained model, or a file or folder")
        writes: StageLocation = Field(
            description="Folder of the packaged model; its last part is the name of the model"
        )
        snapshot: TableName | None = Field(
            None, description="Snapshot of the training table, recorded in the manifest"
        )
        framework: Choice["autogluon", "sklearn", "xgboost", "lightgbm", "python"] | None = Field(
            None, description="For a file or folder: the framework of the model"
        )
        class_: str | None = Field(
            None, alias="class", description="For framework python: the custom class, module:Class"
        )
        features: dict[ColumnKey, ColumnType] = Field(
            {}, description="For a file or folder: the features in order, as column: data type"
        )
        target: ColumnName | None = Field(None, description="For a file or folder: the predicted column")
        problem_type: Choice["regression", "binary", "multiclass"] = "regression"
        versions: dict[str, str] = Field(
            {}, description="Package versions the model was trained with; by default those installed here"
        )

        @model_validator(mode="after")
        def _described(self) -> PackageModel.Settings:
            given = (self.framework, self.target, self.features)
            if self.from_.startswith("@"):
                if any(given) or self.class_:
                    raise ValueError(
                        "leave out framework, class, features and target: the trained model defines them"
                    )
            elif not all(given):
                raise ValueError("a model from a file or folder needs framework, features and target")
            if (self.framework == "python") != (self.class_ is not None):
                raise ValueError("give class if, and only if, framework is python")
            return self

    settings: PackageModel.Settings

    @property
    def _trained(self) -> StagePath | None:
        return StagePath.parse(self.settings.from_) if self.settings.from_.startswith("@") else None

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        if self._trained is not None:
            yield stage(self._trained, "from")
        if self.settings.snapshot is not None:
            yield table(self.settings.snapshot, "snapshot")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.writes, "writes")

    def signature(self, ctx: PlanContext) -> ModelSignature:
        """Return the signature of the model."""
        s = self.settings
        name = model_name(s.writes)
        if self._trained is None:
            assert s.target is not None
            return ModelSignature(name, dict(s.features), s.target, s.problem_type)
        trained = signature_at(ctx, self._trained)
        return ModelSignature(name, trained.features, trained.target, trained.problem_type)

    def module_files(self, ctx: PlanContext) -> list[Path]:
        """Return the Python files of a model with a custom class."""
        if self.settings.framework != "python":
            return []
        path = ctx.path(self.settings.from_)
        return sorted(path.rglob("*.py")) if path.is_dir() else [path]

    def plan(self, ctx: PlanContext) -> StepPlan:
        if self._trained is None:
            path = ctx.path(self.settings.from_)
            if not path.exists():
                raise StepError(f"no such file or folder: {path}")
            if path.is_dir() and self.settings.framework not in ("autogluon", "python"):
                raise StepError(
                    f"a model of {self.settings.framework} must be one file, but {path} is a folder"
                )
            self._check_class(path)
        else:
            self.signature(ctx)
        place = self.settings.writes
        files = (f"{model_name(place)}-<content>.zip", "manifest.json")
        return StepPlan(
            f"package the model of {self.settings.from_} at {place}",
            tuple(put_statement(file, place.child(file)) for file in files),
        )

    def _check_class(self, path: Path) -> None:
        """Check that the custom class exists, by parsing its source without running it."""
        import ast

        if self.settings.class_ is None:
            return
        module, _, name = self.settings.class_.partition(":")
        file = path / f"{module.replace('.', '/')}.py" if path.is_dir() else path
        if not file.is_file() or file.stem != module.rpartition(".")[2]:
            raise StepError(f"class: there is no module {module!r} in {path}")
        classes = [node.name for node in ast.parse(read_text(file)).body if isinstance(node, ast.ClassDef)]
        if name not in classes:
            raise StepError(
                f"class: {file.name} has no class {name!r}; it has {', '.join(classes) or 'none'}"
            )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        with TemporaryFolder("model") as work:
            if self._trained is None:
                folder, manifest = self._described(ctx, work)
            else:
                beside = read_manifest(ctx, self._trained)
                archive = ctx.get(self._trained.child(beside["archive"]), work)
                folder, manifest = unpack(archive, beside["sha256"], work / "extracted")
            manifest = {**manifest, "model_id": ctx.run.model_id}
            if s.snapshot is not None:
                trained_on = {**manifest.get("trained_on", {}), "snapshot": str(s.snapshot)}
                manifest["trained_on"] = trained_on
            archive, manifest = pack(folder, manifest, model_name(s.writes), work)
            size = archive.stat().st_size
            # The manifest last, so that it never names a missing archive.
            ctx.put([archive], s.writes)
            ctx.put_contents({"manifest.json": json.dumps(manifest, indent=1).encode()}, s.writes)
        return StepResult(message=f"{manifest['archive']}, {size / 2**20:.1f} MiB")

    def _described(self, ctx: RunContext, work: Path) -> tuple[Path, Manifest]:
        """Return a folder with the model that was trained elsewhere, and its manifest from the spec."""
        s = self.settings
        assert s.framework is not None
        assert s.target is not None
        path, folder = ctx.path(s.from_), work / "files"
        if path.is_dir():
            shutil.copytree(path, folder, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir()
            shutil.copy(path, folder / path.name)
        return folder, {
            "framework": s.framework,
            "python": python_version(),
            "versions": dict(s.versions) or versions(s.framework),
            "features": {Identifier.parse(n).name: str(kind) for n, kind in s.features.items()},
            "target": s.target.name,
            "problem_type": s.problem_type,
            "metrics": {},
            "leaderboard": [],
            **({"class": s.class_} if s.class_ else {"file": path.name}),
        }
