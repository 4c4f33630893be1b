"""Checks of the warehouses, stages, shares and other objects that the spec names."""

from __future__ import annotations

from collections.abc import Iterator

from snowpipe_ml.doctor.account import RefusedError
from snowpipe_ml.doctor.checks import Facts, Told, check, ok, problem, warning
from snowpipe_ml.plugins import Kind
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.steps.declared.objects import StageStep
from snowpipe_ml.steps.declared.sources import SourceStep
from snowpipe_ml.steps.declared.step import DeclaredStep
from snowpipe_ml.steps.declared.warehouses import WarehouseStep


def _declared(facts: Facts, kind: type[DeclaredStep]) -> list[DeclaredStep]:
    return [node.step for node in facts.graph.nodes.values() if isinstance(node.step, kind)]


@check("warehouse.default")
def _default(facts: Facts) -> Iterator[Told]:
    """The warehouse of the records and of the steps that name none."""
    wanted = facts.spec.target.default_warehouse
    declared = {step.object for step in _declared(facts, WarehouseStep)}
    if wanted is not None and wanted in declared:
        yield ok(f"the spec declares {wanted}, the warehouse of the target")
    elif wanted is not None:
        if facts.account.shown("WAREHOUSES", wanted) is None:
            yield problem(
                f"the warehouse {wanted} of the target does not exist, or the role may not see it",
                f"GRANT USAGE ON WAREHOUSE {wanted.sql} TO ROLE {facts.account.role.sql};",
            )
        else:
            yield ok(f"the warehouse of the target is {wanted}")
    elif (current := facts.account.value("CURRENT_WAREHOUSE()")) is not None:
        yield ok(f"the connection's default warehouse is {current}")
    else:
        yield problem(
            "neither the target nor the connection nor the user has a default warehouse, and the records need one",
            f"set `warehouse` on the target, or ALTER USER {facts.account.user.sql} SET DEFAULT_WAREHOUSE = <name>;",
        )


@check("warehouse.steps")
def _steps(facts: Facts) -> Iterator[Told]:
    without = [
        node.name
        for node in facts.graph.nodes.values()
        if not node.declared and node.step.settings.warehouse is None
    ]
    text = (
        f"{len(without)} steps name no warehouse and use the default one"
        if without
        else "every step names one"
    )
    yield ok(text)


@check("warehouses")
def _warehouses(facts: Facts) -> Iterator[Told]:
    for step in _declared(facts, WarehouseStep):
        row = facts.account.shown("WAREHOUSES", step.object)
        if row is not None:
            yield ok(f"the warehouse {step.object} exists: {row['size']}, {str(row['state']).lower()}")
        elif step.elsewhere:
            yield problem(
                f"the warehouse {step.object}, which is managed elsewhere, does not exist or may not be used",
                f"GRANT USAGE ON WAREHOUSE {step.object.sql} TO ROLE {facts.account.role.sql};",
            )
        else:
            yield ok(f"the warehouse {step.object} does not exist yet: the run creates it")


@check("warehouses.idle")
def _idle(facts: Facts) -> Iterator[Told]:
    """A warehouse that never suspends is billed all day."""
    awake = []
    for step in _declared(facts, WarehouseStep):
        row = facts.account.shown("WAREHOUSES", step.object)
        own = not step.elsewhere and "auto_suspend" in step.model.model_fields_set
        if row is not None and not own and str(row["auto_suspend"]) in ("0", "None", ""):
            awake.append(step.object)
            yield warning(
                f"the warehouse {step.object} never suspends",
                f"ALTER WAREHOUSE {step.object.sql} SET AUTO_SUSPEND = 60;",
            )
    if not awake:
        yield ok("every warehouse of the spec that exists suspends when it is idle, or the run sees to it")


@check("warehouses.monitor")
def _monitors(facts: Facts) -> Iterator[Told]:
    named = {step.model.resource_monitor for step in _declared(facts, WarehouseStep) if not step.elsewhere}
    missing = [
        name for name in named if name is not None and facts.account.shown("RESOURCE MONITORS", name) is None
    ]
    for name in missing:
        yield problem(
            f"the resource monitor {name} does not exist, or the role may not see it",
            f"GRANT MONITOR ON RESOURCE MONITOR {name.sql} TO ROLE {facts.account.role.sql};",
        )
    if not missing:
        yield ok("every resource monitor of the spec exists" if named - {None} else "the spec names none")


@check("objects.elsewhere")
def _elsewhere(facts: Facts) -> Iterator[Told]:
    """Objects that another tool manages must exist before the first run."""
    steps = [step for step in _declared(facts, DeclaredStep) if step.elsewhere and step.listed_as]
    missing = 0
    for step in steps:
        if isinstance(step, WarehouseStep):
            continue
        row = None
        if not step.in_schema or facts.account.has_schema(facts.schema):
            row = facts.account.shown(step.listed_as, step.object, facts.schema if step.in_schema else None)
        if row is None:
            missing += 1
            name = QualifiedName((*facts.schema.parts, step.object)) if step.in_schema else step.object
            yield problem(
                f"the {step.kind.value} {name}, which is managed elsewhere, does not exist or may not be used",
                f"have the {step.kind.value} {name} created, or remove `managed: elsewhere` so that a run creates it",
            )
    if not missing:
        yield ok(
            f"all of {len(steps)} objects that are managed elsewhere exist" if steps else "the spec has none"
        )


@check("inputs")
def _inputs(facts: Facts) -> Iterator[Told]:
    """Tables and views that no step writes."""
    written = {resource.name for node in facts.graph.nodes.values() for resource in node.writes}
    names = {
        resource.name: node.name
        for node in facts.graph.nodes.values()
        for resource in node.reads
        if resource.kind is Kind.TABLE
        and not isinstance(resource.name, StagePath)
        and resource.name not in written
    }
    for step in _declared(facts, SourceStep):
        if isinstance(step, SourceStep) and step.source is not None and step.source.table is not None:
            names[step.source.table] = step.name
    missing = 0
    for name, why in names.items():
        of = (facts.spec.target.database, facts.spec.target.schema_)
        whole = QualifiedName((*of[: 3 - len(name.parts)], *name.parts))
        schema = QualifiedName(whole.parts[:2])
        if not facts.account.has_schema(schema) or facts.account.shown("OBJECTS", whole.name, schema) is None:
            missing += 1
            yield problem(
                f"the table or view {whole}, which {why} reads, does not exist, or the role may not see it",
                f"GRANT SELECT ON TABLE {whole.sql} TO ROLE {facts.account.role.sql};",
            )
    if not missing:
        yield ok(
            f"all of {len(names)} tables that the spec reads are there" if names else "the spec reads none"
        )


@check("outputs.kind")
def _kinds(facts: Facts) -> Iterator[Told]:
    """A view where a step writes a table is dropped, and the other way round."""
    rows = {}
    if facts.account.has_schema(facts.schema):
        rows = {
            row["name"]: row for row in facts.account.ask(sql("SHOW OBJECTS IN SCHEMA {s}", s=facts.schema))
        }
    wrong = 0
    for node in facts.graph.nodes.values():
        for resource in node.writes:
            row = rows.get(resource.name.parts[-1].name) if isinstance(resource.name, QualifiedName) else None
            if (
                row is None
                or resource.kind is not Kind.TABLE
                or len(getattr(resource.name, "parts", "12")) > 1
            ):
                continue
            wanted = "VIEW" if resource.view else "TABLE"
            if str(row["kind"]) != wanted:
                wrong += 1
                yield warning(
                    f"{resource.name} is a {str(row['kind']).lower()}, and {node.name} makes it a {wanted.lower()}",
                    f"ALTER {row['kind']} {resource.name} RENAME TO another name, if it is still needed",
                )
    if not wrong:
        yield ok("no output has the name of an object of another kind")


@check("stages")
def _stages(facts: Facts) -> Iterator[Told]:
    """A stage keeps the kind and the place that it was created with."""
    wrong = 0
    for step in _declared(facts, StageStep):
        if step.elsewhere or not facts.account.has_schema(facts.schema):
            continue
        row = facts.account.shown("STAGES", step.object, facts.schema)
        wanted, there = step.model.url or "", str(row["url"] or "") if row is not None else ""
        if row is not None and there.rstrip("/") != wanted.rstrip("/"):
            wrong += 1
            yield problem(
                f"the stage {step.object} is {there or 'internal'}, but the spec declares {wanted or 'an internal one'}",
                f"rename the stage in the spec, or DROP STAGE {step.object.sql}; which deletes its files",
            )
    if not wrong:
        yield ok("every stage that exists is as the spec declares it")


@check("tags")
def _tags(facts: Facts) -> Iterator[Told]:
    """Object tags are a feature of Enterprise Edition."""
    if not facts.spec.pipeline.tags:
        yield ok("the spec has none")
        return
    try:
        facts.account.ask(Sql("SHOW TAGS IN ACCOUNT"))
    except RefusedError as error:
        if "nsupported feature" not in str(error):
            raise
        yield problem(
            f"the account has no tags, which need Enterprise Edition: {error}", "remove `tags` from the spec"
        )
    else:
        yield ok("the account has tags")


@check("shares")
def _shares(facts: Facts) -> Iterator[Told]:
    """A share must have been offered to the account, or its listing accepted."""
    found = 0
    for step in _declared(facts, SourceStep):
        source = step.source if isinstance(step, SourceStep) else None
        if source is None or source.database is None or source.share is None:
            continue
        found += 1
        if facts.account.shown("DATABASES", source.database) is not None:
            yield ok(f"the database {source.database} of the share {source.share} exists")
            continue
        wanted = QualifiedName.parse(source.share).name.name
        inbound = [
            QualifiedName.parse(str(row["name"])).name.name
            for row in facts.account.ask(Sql("SHOW SHARES"))
            if row["kind"] == "INBOUND"
        ]
        if wanted in inbound:
            yield ok(
                f"the share {source.share} is there: the run creates the database {source.database} from it"
            )
        else:
            yield problem(
                f"the share {source.share} of {step.name} has not been offered to this account, or the role may not see it",
                f"accept its listing on the Marketplace; GRANT IMPORT SHARE ON ACCOUNT TO ROLE {facts.account.role.sql};",
            )
    if not found:
        yield ok("the spec uses none")


@check("integrations")
def _integrations(facts: Facts) -> Iterator[Told]:
    names: set[Identifier] = {
        step.model.storage_integration
        for step in _declared(facts, StageStep)
        if step.model.storage_integration is not None and not step.elsewhere
    }
    wrong = 0
    for name in names:
        row = facts.account.shown("INTEGRATIONS", name)
        if row is None:
            wrong += 1
            yield problem(
                f"the integration {name} does not exist, or the role may not see it",
                f"GRANT USAGE ON INTEGRATION {name.sql} TO ROLE {facts.account.role.sql};",
            )
        elif str(row["enabled"]).lower() != "true":
            wrong += 1
            yield problem(
                f"the integration {name} is disabled", f"ALTER INTEGRATION {name.sql} SET ENABLED = TRUE;"
            )
    if not wrong:
        yield ok("every integration of the spec is there" if names else "the spec uses none")
