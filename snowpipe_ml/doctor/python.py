"""Checks of what Python functions need: the runtime, the packages and their repository."""

from __future__ import annotations

from collections.abc import Iterator

from snowpipe_ml.doctor.checks import Facts, Told, check, ok, problem
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package
from snowpipe_ml.plugins import Kind
from snowpipe_ml.sql import Literal, Sql, sql
from snowpipe_ml.steps.forecasting.deploy import DeployForecaster
from snowpipe_ml.steps.models.bundle import MOST_COLUMNS
from snowpipe_ml.steps.models.deployment import DeployModel


def _has_functions(facts: Facts) -> bool:
    kinds = {resource.kind for node in facts.graph.nodes.values() for resource in node.reads}
    return Kind.PACKAGES in kinds


def _packages(facts: Facts, condition: Sql, columns: str) -> list[tuple[str, ...]]:
    """Ask INFORMATION_SCHEMA.PACKAGES, of the database of the target or of SNOWFLAKE, which every account has."""
    there = facts.account.shown("DATABASES", facts.spec.target.database) is not None
    statement = sql(
        "SELECT DISTINCT {columns} FROM {database}.INFORMATION_SCHEMA.PACKAGES WHERE LANGUAGE = 'python' AND {condition}",
        columns=Sql(columns),
        database=facts.spec.target.database if there else Sql("SNOWFLAKE"),
        condition=condition,
    )
    return [tuple(str(value) for value in row) for row in facts.account.ask(statement)]


@check("python.runtime")
def _runtime(facts: Facts) -> Iterator[Told]:
    if not _has_functions(facts):
        yield ok("the spec has no functions")
        return
    found = sorted(row[0] for row in _packages(facts, Sql("RUNTIME_VERSION IS NOT NULL"), "RUNTIME_VERSION"))
    if facts.ctx.python in found:
        yield ok(f"Python {facts.ctx.python} is there; the account has {', '.join(found)}")
    else:
        yield problem(
            f"the account has no packages for Python {facts.ctx.python}, only for {', '.join(found) or 'none'}",
            f"set `python` of the spec to one of {', '.join(found) or 'them'}",
        )


@check("python.packages")
def _channel(facts: Facts) -> Iterator[Told]:
    """Each package of the channel, in a version that the spec accepts."""
    lists = {name: p for name, p in facts.ctx.packages.items() if p.artifact_repository is None}
    wanted = {text: name for name, packages in lists.items() for text in packages.packages}
    parsed = {text: parse_package(text) for text in wanted}
    names = {channel_name(distribution_name(r.name)) for r in parsed.values()} | {
        r.name.lower() for r in parsed.values()
    }
    if not names:
        yield ok("the spec uses no packages of the channel")
        return
    condition = sql(
        "PACKAGE_NAME IN {names} AND (RUNTIME_VERSION IS NULL OR RUNTIME_VERSION = {python})",
        names=Literal(sorted(names)),
        python=Literal(facts.ctx.python),
    )
    there: dict[str, list[str]] = {}
    for name, version in _packages(facts, condition, "PACKAGE_NAME, VERSION"):
        there.setdefault(distribution_name(name), []).append(version)
    missing = 0
    for text, requirement in parsed.items():
        versions = there.get(distribution_name(requirement.name), [])
        if not versions:
            missing += 1
            yield problem(
                f"the channel has no package {requirement.name} for Python {facts.ctx.python}, which packages.{wanted[text]} names",
                f"remove {text} from packages.{wanted[text]}, or declare it under `imports`",
            )
        elif not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            missing += 1
            yield problem(
                f"the channel has {requirement.name} {', '.join(sorted(versions)[-5:])}, but not {text}",
                f"set another version of {requirement.name} in packages.{wanted[text]}",
            )
    if not missing:
        yield ok(f"all of {len(parsed)} packages are in the channel")


@check("python.terms")
def _terms(facts: Facts) -> Iterator[Told]:
    """Packages of the channel can be used after an administrator has acknowledged its terms."""
    if all(packages.artifact_repository is not None for packages in facts.ctx.packages.values()):
        yield ok("the spec uses no packages of the channel")
    elif str(facts.account.value("SYSTEM$ARE_ANACONDA_TERMS_ACKNOWLEDGED()")).lower() == "true":
        yield ok("the terms of the Anaconda channel are acknowledged")
    else:
        yield problem(
            "the terms of the Anaconda channel are not acknowledged",
            "acknowledge them in Snowsight, under Admin, Terms (the role ORGADMIN)",
        )


@check("python.repository")
def _default_repository(facts: Facts) -> Iterator[Told]:
    """The default repository does not matter to a run, which names the repository of each function."""
    value = facts.account.value("SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY()")
    yield ok(
        f"the default artifact repository is {value or 'the Anaconda channel'}; each function of a run names its own"
    )


@check("python.arguments")
def _arguments(facts: Facts) -> Iterator[Told]:
    """A function has at most 500 arguments and result columns."""
    wrong = widest = 0
    for node in facts.graph.nodes.values():
        if isinstance(node.step, DeployForecaster):
            counts = node.step.counts(facts.ctx)
        elif isinstance(node.step, DeployModel):
            counts = {"arguments": len(node.step.signature(facts.ctx).columns)}
        else:
            continue
        widest = max(widest, *counts.values())
        for what, count in counts.items():
            if count > MOST_COLUMNS:
                wrong += 1
                yield problem(
                    f"the function of {node.name} has {count} {what}, and Snowflake allows {MOST_COLUMNS}",
                    f"use fewer features in the step that {node.name} reads",
                )
    if not wrong:
        yield ok(f"no function has more than {widest} arguments or result columns")
