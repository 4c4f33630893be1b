"""The privileges of a spec as a list and as a script for an administrator, without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from snowpipe_ml.doctor.needs import Need, needs
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql


@dataclass(frozen=True)
class Privileges:
    """The privileges that the role of a pipeline needs on a target.

    Attributes:
        pipeline: the name of the pipeline.
        target: the name of the target.
        role: the role of the target, or a name for one if the target has none.
        named: whether the target names the role.
        needs: the privileges.
        script: the statements that an administrator runs once.
    """

    pipeline: str
    target: str
    role: Identifier
    named: bool
    needs: tuple[Need, ...]
    script: tuple[Sql, ...]

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "pipeline": self.pipeline,
            "target": self.target,
            "role": self.role.name,
            "privileges": [
                {
                    "privilege": need.privilege,
                    "on": need.kind,
                    "name": need.name and str(need.name),
                    "for": list(need.why),
                    "grant": str(need.grant(self.role)),
                }
                for need in self.needs
            ],
            "script": [str(statement) for statement in self.script],
        }

    def as_markdown(self) -> str:
        """Return the list and the script in Markdown."""
        lines = [
            f"The role {self.role} runs the pipeline {self.pipeline} on the target {self.target}.",
            "",
            "| privilege | on | for |",
            "| --- | --- | --- |",
        ]
        for need in self.needs:
            on = "the account" if need.name is None else f"{need.kind.lower()} {need.name}"
            why = ", ".join(need.why[:4]) + (f" and {len(need.why) - 4} more" if len(need.why) > 4 else "")
            option = " WITH GRANT OPTION" if need.option else ""
            lines.append(f"| {need.privilege}{option} | {on} | {why} |")
        lines += ["", "An administrator runs this once:", "", "```sql"]
        lines += [f"{statement};" for statement in self.script]
        lines += ["```", ""]
        if not self.named:
            lines += [
                f"The target names no role. Set `role: {str(self.role).lower()}` on it, or use another name for the role.",
                "",
            ]
        return "\n".join(lines)


def privileges(pipeline: Pipeline, target: str | None = None) -> Privileges:
    """Return what the role of a pipeline needs on a target, without a connection.

    Raises:
        SpecError: the spec is invalid.
    """
    spec, graph, ctx = pipeline.load(target)
    given: Identifier | None = getattr(spec.target, "role", None)
    role = given or Identifier(f"{spec.pipeline.name.upper().replace('-', '_')}_RUNNER")
    needed = needs(spec, graph, ctx)
    script = tuple(_script(spec, role, needed))
    return Privileges(spec.pipeline.name, spec.target_name, role, given is not None, tuple(needed), script)


def _script(spec: Spec, role: Identifier, needed: list[Need]) -> Iterator[Sql]:
    """Yield the statements.

    The role is granted to SYSADMIN, so that administrators can manage what it creates:
    https://docs.snowflake.com/en/user-guide/security-access-control-considerations
    """
    database = spec.target.database
    yield Sql("USE ROLE ACCOUNTADMIN")
    yield sql("CREATE ROLE IF NOT EXISTS {role}", role=role)
    yield sql("GRANT ROLE {role} TO ROLE SYSADMIN", role=role)
    yield sql("CREATE DATABASE IF NOT EXISTS {database}", database=database)
    for schema in dict.fromkeys((spec.target.schema_, spec.pipeline.state)):
        if schema.name != "PUBLIC":
            yield sql("CREATE SCHEMA IF NOT EXISTS {name}", name=QualifiedName((database, schema)))
    for need in needed:
        yield need.grant(role)
