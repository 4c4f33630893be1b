"""The base of the steps of declared objects: each creates its object, and other steps depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    Change,
    Changes,
    Kind,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    declared,
)
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql


class _Settings(StepSettings):
    """The settings of a declared object as a step: none, because its model has them."""

    type: str = "declared"


class DeclaredStep(Step[_Settings]):
    """A step that ensures that a declared object exists.

    Args:
        name: the name of the node, such as ``stages.load_stage``.
        object_name: the name of the object.
        model: the declaration in the spec.

    Attributes:
        listed_as: the plural of its kind in SHOW statements.
        in_schema: whether its kind belongs to a schema, and not to the account.
    """

    Settings = _Settings
    kind: Kind
    listed_as: ClassVar[str] = ""
    in_schema: ClassVar[bool] = True

    def __init__(self, name: str, object_name: str, model: Any) -> None:
        super().__init__(name, _Settings.model_validate({"type": self.type_name}))
        self.object = Identifier.parse(object_name)
        self.model = model

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield declared(self.kind, self.object)

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        """Yield the statements that create the object."""
        raise NotImplementedError

    @property
    def elsewhere(self) -> bool:
        """Whether the spec only refers to the object, which another tool or an administrator manages."""
        return isinstance(self.model, models.Managed) and self.model.managed == "elsewhere"

    def plan(self, ctx: PlanContext) -> StepPlan:
        if self.elsewhere:
            return StepPlan(f"check that the {self.kind.value} {self.object} exists", ())
        return StepPlan(
            f"make sure that the {self.kind.value} {self.object} is there", tuple(self.statements(ctx))
        )

    def run(self, ctx: RunContext) -> StepResult:
        """Create the object; one that is managed elsewhere must exist.

        Raises:
            StepError: an object that is managed elsewhere does not exist.
        """
        if self.elsewhere:
            self.require(ctx)
            return StepResult(message="managed elsewhere")
        return self.create(ctx)

    def create(self, ctx: RunContext) -> StepResult:
        """Create the object, or change an existing one to what the spec declares.

        Raises:
            StepError: the change would lose data, or is impossible.
        """
        shown = self.shown(ctx)
        if shown is None:
            for statement in self.statements(ctx):
                ctx.execute(statement)
            return StepResult()
        changes = self.differences(ctx, ctx, shown)
        if changes.refused is not None:
            raise StepError(changes.refused)
        for statement in changes.statements:
            ctx.execute(statement)
        return StepResult(message=str(changes))

    def changes(self, ctx: PlanContext, target: Asks) -> Changes | None:
        shown = self.shown(target) if self.listed_as and not self.elsewhere else None
        return None if shown is None else self.differences(ctx, target, shown)

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        """Compare the declaration with an existing object.

        Args:
            ctx: the planning context.
            target: answers statements that only read.
            shown: the object's row of SHOW.
        """
        return Changes()

    def comment_change(self, shown: Mapping[str, object]) -> Changes:
        """Return the change of the comment; a comment that the spec does not give is left as it is."""
        wanted, there = self.model.comment, str(shown["comment"] or "")
        if wanted is None or wanted == there:
            return Changes()
        statement = sql(
            "ALTER {kind} {name} SET COMMENT = {text}",
            kind=Sql(self.type_name.upper()),
            name=self.object,
            text=Literal(wanted),
        )
        return Changes((Change("comment", there or "none", wanted),), (statement,))

    def require(self, ctx: RunContext) -> None:
        """Check that the object exists.

        Raises:
            StepError: it does not.
        """
        if self.shown(ctx) is None:
            raise self.missing()

    def missing(self) -> StepError:
        """Return the error of an object that is managed elsewhere and does not exist."""
        return StepError(
            f"the {self.kind.value} {self.object} does not exist, or this role may not use it, and the spec says "
            "`managed: elsewhere`: have it created, or remove that line so that a run creates it"
        )

    def shown(self, target: Asks) -> Mapping[str, object] | None:
        """Return the object's row of SHOW; None if it does not exist."""
        rows = target.listed(self.listed_as, QualifiedName((self.object,)), in_schema=self.in_schema)
        return rows[0] if rows else None
