"""``deploy_model`` and ``predict``: deploy a packaged model as a function, and apply it to a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.tabular.archive import Manifest
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package
from snowpipe_ml.packages.lock import brought
from snowpipe_ml.packages.modules import Import, channel_package, imported, unprovided
from snowpipe_ml.plugins import (
    ColumnName,
    Finding,
    FunctionName,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    function,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, join, like_pattern, sql
from snowpipe_ml.steps.data.publish import publish_functions, publish_table
from snowpipe_ml.steps.models.automl import TrainAutoml
from snowpipe_ml.steps.models.bundle import Bundle, BundleSettings, bundle, import_step, too_many
from snowpipe_ml.steps.models.packaging import PackageModel
from snowpipe_ml.steps.models.signature import ModelSignature, read_manifest, signature_at
from snowpipe_ml.text.files import read_text

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# The modules that the handler imports for each framework, besides pandas.
_NEEDS = {
    "autogluon": ("autogluon.tabular",),
    "sklearn": ("sklearn",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
}


@register("deploy_model")
class DeployModel(Step["DeployModel.Settings"]):
    """Deploy a packaged model as a permanent function with two signatures.

    One is vectorized, with a typed argument per feature; the other is scalar, with one array of the
    features in their order. A model that was trained with incompatible package versions is refused by
    this step rather than at the first call.
    """

    class Settings(BundleSettings):
        """Settings of ``deploy_model``."""

        model: StageLocation = Field(description="Folder written by a `package_model` step")
        function: FunctionName

    settings: DeployModel.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        s = self.settings
        yield stage(s.model, "model")
        yield from s.bundle_reads()

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield function(self.settings.function, "function")

    def findings(self, ctx: PlanContext) -> Iterable[Finding]:
        return too_many({"arguments": len(self.signature(ctx).columns)}, "model")

    def signature(self, ctx: PlanContext) -> ModelSignature:
        """Return the signature of the function."""
        return signature_at(ctx, self.settings.model)

    def _bundle(self, ctx: PlanContext, manifest: Manifest, *, offline: bool) -> Bundle:
        # The function has its own copy of the manifest: a model that is packaged later must not change it.
        s = self.settings
        files = {"manifest.json": json.dumps(manifest, indent=1).encode()}
        return bundle(
            ctx,
            name=s.function.name,
            stage=s.stage,
            files=files,
            packages=s.packages,
            imports=s.imports,
            staged=[s.model.child(manifest["archive"])],
            offline=offline,
        )

    def _statements(self, ctx: PlanContext, made: Bundle) -> Iterator[Sql]:
        signature = self.signature(ctx)
        for arguments, handler in (
            (signature.arguments, "snowpipe_ml.models.tabular.serving.predict"),
            (Sql("FEATURES ARRAY"), "snowpipe_ml.models.tabular.serving.predict_row"),
        ):
            yield sql(
                "CREATE OR REPLACE FUNCTION {name} ({arguments}) COPY GRANTS RETURNS {returns} {options}",
                name=self.settings.function,
                arguments=arguments,
                returns=signature.returns,
                options=made.options(handler),
            )

    def plan(self, ctx: PlanContext) -> StepPlan:
        made = self._bundle(ctx, {"archive": f"{self.signature(ctx).name}-<content>.zip"}, offline=True)
        self._check_imports(ctx, made)
        summary = f"create {self.settings.function} from the model of {self.settings.model}"
        return StepPlan(summary, (*made.puts(), *self._statements(ctx, made)))

    def _check_imports(self, ctx: PlanContext, made: Bundle) -> None:
        """Check that every import of the model's code is declared, staged or in the archive."""
        if made.repository is not None:
            return
        step = ctx.producer(stage(self.settings.model))
        source: Step[StepSettings] | None = step
        if isinstance(step, PackageModel) and step.settings.from_.startswith("@"):
            source = ctx.producer(stage(StagePath.parse(step.settings.from_)))
        framework = (
            "autogluon"
            if isinstance(source, TrainAutoml)
            else getattr(step.settings if step else None, "framework", "")
        )
        wanted = [
            (f"the {framework} framework", Import(m, 0)) for m in ("pandas", *_NEEDS.get(framework or "", ()))
        ]
        own: list[str] = []
        if isinstance(step, PackageModel):
            for file in step.module_files(ctx):
                own.append(file.stem)
                wanted += [(file.name, item) for item in imported(read_text(file), str(file))]
        modules, names = [*own, "snowpipe_ml"], {_distribution(text) for text in made.packages}
        for name in self.settings.imports:
            found = import_step(ctx, name).modules(ctx)
            if found is None:
                return  # the wheels have not been fetched yet: their modules are unknown
            modules += found
            names |= set(brought(import_step(ctx, name).lock(ctx).distributions, made.packages))
        missing = set(unprovided([i for _, i in wanted], packages=names, modules=modules))
        lines = [
            f"{where}{f':{item.line}' if item.line else ''} imports {item.module}, which nothing provides: declare "
            f"{channel_package(item.module)} under packages.{self.settings.packages}, or a requirement under `imports`"
            for where, item in wanted
            if item in missing
        ]
        if lines:
            raise StepError("; ".join(lines))

    def run(self, ctx: RunContext) -> StepResult:
        manifest = read_manifest(ctx, self.settings.model)
        self._check_signature(ctx, manifest)
        self._check_versions(ctx, manifest)
        made = self._bundle(ctx, manifest, offline=False)
        made.upload(ctx)
        publish_functions(ctx, self.settings.function, self._statements(ctx, made))
        return StepResult(
            message=f"{self.settings.function} ({manifest['framework']}, model {manifest.get('model_id', '')})",
            warnings=self._overloads(ctx),
        )

    def _overloads(self, ctx: RunContext) -> tuple[str, ...]:
        """Warn of overloads left by an earlier model with different features; a call may resolve to them."""
        name = self.settings.function
        where = f" IN SCHEMA {QualifiedName(name.parts[:-1]).sql}" if len(name.parts) > 1 else ""
        shown = ctx.execute(Sql(f"SHOW USER FUNCTIONS LIKE {like_pattern(name.name).sql}{where}"))
        there = [str(row["arguments"]) for row in shown if row["name"] == name.name.name]
        if len(there) <= 2:
            return ()
        listed = "; ".join(there)
        return (
            f"{name} has other overloads, perhaps of an older model: {listed}. Drop those that are not used",
        )

    def _check_signature(self, ctx: RunContext, manifest: Manifest) -> None:
        expected = {
            name.name: str(kind)
            for name, kind in zip(
                self.signature(ctx).columns, self.signature(ctx).features.values(), strict=True
            )
        }
        if manifest["features"] != expected:
            raise StepError(
                f"the model at {self.settings.model} takes {manifest['features']}, but the spec says {expected}"
            )

    def _check_versions(self, ctx: RunContext, manifest: Manifest) -> None:
        """Compare the versions that the model was trained with to those that the function will use."""
        wrong = []
        if manifest["python"] != ctx.python:
            wrong.append(f"Python {manifest['python']} and {ctx.python}")
        for name, made in manifest["versions"].items():
            there = self._version(ctx, name)
            if there is not None and not _fits(name, made, there):
                wrong.append(f"{name} {made} and {there}")
        if wrong:
            raise StepError(
                f"the model at {self.settings.model} is not compatible with its function. Versions of the model "
                f"and of the function: {', '.join(wrong)}. Declare a compatible version under "
                f"packages.{self.settings.packages}, or train the model again"
            )

    def _version(self, ctx: RunContext, name: str) -> str | None:
        """Return the version of a distribution that the function will import; None if it is unknown."""
        from packaging.utils import canonicalize_name
        from packaging.version import Version

        distribution = canonicalize_name(name)
        for declared_import in self.settings.imports:
            step = import_step(ctx, declared_import)
            wheels = step.lock(ctx).wheels if step.model.requirements else {}
            if distribution in wheels:
                return wheels[distribution].version
        listed = ctx.package_list(self.settings.packages)
        packages = {distribution_name(p.name): p for p in map(parse_package, listed.packages)}
        package: Requirement | None = packages.get(distribution)
        if package is not None and (pinned := [s.version for s in package.specifier if s.operator == "=="]):
            return pinned[0].removesuffix(".*")
        if listed.artifact_repository is not None:
            return None
        rows = ctx.execute(
            sql(
                "SELECT VERSION FROM INFORMATION_SCHEMA.PACKAGES WHERE LANGUAGE = 'python' AND PACKAGE_NAME = {name} "
                "AND (RUNTIME_VERSION IS NULL OR RUNTIME_VERSION = {python})",
                name=Literal(channel_name(distribution)),
                python=Literal(ctx.python),
            )
        )
        versions = [str(row[0]) for row in rows]
        fitting = [v for v in versions if package is None or package.specifier.contains(v, prereleases=True)]
        return max(fitting, key=Version) if fitting else None


def _distribution(text: str) -> str:
    return parse_package(text).name.lower()


def _fits(name: str, made: str, there: str) -> bool:
    """Return whether a model that was pickled with one version can be loaded with another.

    Pickles of scikit-learn and of the frameworks depend on the minor version; those of NumPy, pandas and
    SciPy only on the major version, in both directions.
    """
    depth = 1 if name in ("numpy", "pandas", "scipy") else 2
    return made.split(".")[:depth] == there.split(".")[:depth]


@register("predict")
class Predict(Step["Predict.Settings"]):
    """Write the rows of a table with an added column of predictions by a deployed model."""

    class Settings(StepSettings):
        """Settings of ``predict``."""

        from_: TableName = Field(alias="from", description="Table with the features as columns")
        function: FunctionName = Field(description="Function created by a `deploy_model` step")
        column: ColumnName = Field(Identifier("PREDICTION"), description="Name of the prediction column")
        writes: TableName

    settings: Predict.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.from_, "from")
        yield function(self.settings.function, "function")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def _query(self, ctx: PlanContext) -> Sql:
        s = self.settings
        signature = ctx.producer_of(function(s.function), DeployModel).signature(ctx)
        pairs = zip(signature.columns, signature.features.values(), strict=True)
        return sql(
            "SELECT *, {function}({arguments}) AS {column} FROM {name}",
            function=s.function,
            column=s.column,
            name=s.from_,
            arguments=join(", ", [sql("{name}::{kind}", name=name, kind=kind) for name, kind in pairs]),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query(ctx))
        return StepPlan(f"predict the rows of {s.from_} with {s.function}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        return StepResult(rows=publish_table(ctx, self.settings.writes, self._query(ctx)))
