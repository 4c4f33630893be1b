"""The policies on an output: they are kept when the output is replaced.

CREATE OR REPLACE drops the policies on the replaced object and on its columns, unless the statement names them:
https://docs.snowflake.com/en/sql-reference/sql/create-table
GET_DDL tells that there is a policy even to a role that may not see which one:
https://docs.snowflake.com/en/sql-reference/functions/get_ddl
POLICY_REFERENCES tells which one, and its columns:
https://docs.snowflake.com/en/sql-reference/functions/policy_references
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.plugins.connection import schema_of
from snowpipe_ml.sql import DataType, Fragment, Identifier, Literal, QualifiedName, Sql, join, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Row

# Literals, which may be about policies, and comments.
_NO_CLAUSE = re.compile(r"'(?:[^'\\]|\\.|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_MENTIONED = re.compile(
    r"\b(MASKING|PROJECTION|ROW ACCESS|AGGREGATION|JOIN|STORAGE LIFECYCLE) POLICY\b", re.I
)
_AS = re.compile(r"\bAS\b", re.I)
_USING = re.compile(r"\bMASKING POLICY\s+\S+\s+USING\s*\(([^)]*)\)", re.I)
# The clause of CREATE with the columns of a policy, and whether a policy without columns is one.
_ON = {
    "ROW ACCESS": "ON",
    "AGGREGATION": "ENTITY KEY",
    "JOIN": "ALLOWED JOIN KEYS",
    "STORAGE LIFECYCLE": "ON",
}


@dataclass(frozen=True)
class Policy:
    """A policy with the columns that are its arguments."""

    name: QualifiedName
    columns: tuple[str, ...] = ()

    def clause(self, kind: str) -> Sql:
        """The clause of CREATE with the policy, or that of ALTER behind its verb."""
        shown = sql("{kind} POLICY {name}", kind=Sql(kind), name=self.name)
        if not self.columns:
            return shown
        word = "USING" if kind == "MASKING" else _ON[kind]
        listed = join(", ", [Identifier(column) for column in self.columns])
        return sql("{shown} {word} ({listed})", shown=shown, word=Sql(word), listed=listed)


@dataclass(frozen=True)
class Policies:
    """The policies on a table or view.

    Attributes:
        owner: the table or view.
        masking: the masking policies that are set on columns themselves; those of tags are kept with the tags.
        projection: the projection policies of columns.
        whole: the policies on the whole object, by their kind in CREATE, such as ``ROW ACCESS``.
    """

    owner: QualifiedName
    masking: Mapping[str, Policy] = field(default_factory=dict)
    projection: Mapping[str, Policy] = field(default_factory=dict)
    whole: Mapping[str, Policy] = field(default_factory=dict)

    def on_column(self, column: str) -> list[Sql]:
        """The clauses of CREATE for a column."""
        found = [("MASKING", self.masking), ("PROJECTION", self.projection)]
        return [Sql(f"WITH {of[column].clause(kind).text}") for kind, of in found if column in of]

    def clauses(self, columns: Collection[str]) -> Iterator[Sql]:
        """Yield the clauses of CREATE behind the columns.

        Args:
            columns: the columns of the new table or view.

        Raises:
            StepError: a policy needs a column that the new object does not have.
        """
        for column, policy in self.masking.items():
            if column in columns:
                self._check("MASKING", policy, columns)
        for kind, policy in self.whole.items():
            self._check(kind, policy, columns)
            yield Sql(f"WITH {policy.clause(kind).text}")

    def _check(self, kind: str, policy: Policy, columns: Collection[str]) -> None:
        missing = [column for column in policy.columns if column not in columns]
        if missing:
            raise StepError(
                f"{self.owner} would lose the column {missing[0]}, which the {kind.lower()} policy {policy.name} needs: "
                "keep the column, or have the policy removed before the run"
            )

    def restored(self, name: QualifiedName, columns: Collection[str], now: Policies) -> Iterator[Sql]:
        """Yield the statements that give a clone the policies of the table that it has replaced.

        Args:
            name: the table.
            columns: its columns.
            now: the policies that it has from the source of the clone.
        """
        for kind, of in (("MASKING", self.masking), ("PROJECTION", self.projection)):
            for column, policy in of.items():
                if column in columns:  # FORCE, since the clone has those of its source
                    yield sql(
                        "ALTER TABLE {name} MODIFY COLUMN {column} SET {policy} FORCE",
                        name=name,
                        column=Identifier(column),
                        policy=policy.clause(kind),
                    )
        for kind, policy in self.whole.items():
            there = now.whole.get(kind)
            if there == policy:
                continue
            change = policy.clause(kind)
            if kind in ("AGGREGATION", "JOIN"):
                change = sql("SET {policy} FORCE", policy=change)
            elif kind == "ROW ACCESS" and there is not None:
                change = sql("DROP ROW ACCESS POLICY {old}, ADD {new}", old=there.name, new=change)
            else:
                change = sql("ADD {policy}", policy=change)
            yield sql("ALTER TABLE {name} {change}", name=name, change=change)


def policies_of(ctx: RunContext, kind: str, name: QualifiedName, described: Iterable[Row]) -> Policies:
    """Return the policies on an existing table or view.

    Args:
        ctx: the context of the step.
        kind: TABLE, VIEW or DYNAMIC_TABLE.
        name: the table or view.
        described: its columns, as DESCRIBE shows them, with the names of their masking policies.

    Raises:
        StepError: it has a policy that the role may not see.
    """
    masking = {
        str(row["name"]): Policy(QualifiedName.parse(str(row["policy name"])))
        for row in described
        if row["policy name"]
    }
    full = QualifiedName((*schema_of(ctx, name).parts, name.name))
    entity = Literal(full.sql)
    text = str(ctx.scalar(sql("SELECT GET_DDL({kind}, {entity})", kind=Literal(kind), entity=entity)))
    text = _NO_CLAUSE.sub(" ", text)
    if kind != "TABLE":  # a query can have the words: JOIN POLICY
        text = _AS.split(text, maxsplit=1)[0]
    mentioned = [" ".join(match[1].upper().split()) for match in _MENTIONED.finditer(text)]
    if not any(word != "MASKING" for word in mentioned) and not _USING.search(text):
        return Policies(name, masking)
    projection: dict[str, Policy] = {}
    whole: dict[str, Policy] = {}
    for row in _references(ctx, full, entity, Literal("VIEW" if kind == "VIEW" else "TABLE")):
        word = str(row["POLICY_KIND"]).upper().replace("_", " ").removesuffix(" POLICY")
        policy = Policy(
            QualifiedName.of(*(str(row[f"POLICY_{part}"]) for part in ("DB", "SCHEMA", "NAME"))),
            tuple(json.loads(row["REF_ARG_COLUMN_NAMES"] or "[]")),
        )
        column = row["REF_COLUMN_NAME"]
        if word == "PROJECTION":
            projection[column] = Policy(policy.name)
        elif word == "MASKING":
            masking[column] = _conditional(text, column, policy)
        elif word in _ON:
            whole[word] = policy
    for word in dict.fromkeys(mentioned):
        found = projection if word == "PROJECTION" else masking if word == "MASKING" else whole
        known = word in whole if found is whole else len(found) >= mentioned.count(word)
        if not known:
            raise StepError(
                f"{name} has a {word.lower()} policy that this role may not see, and replacing it would remove the policy: "
                f"grant the role APPLY {word} POLICY on the account, or have the policy removed before the run"
            )
    return Policies(name, masking, projection, whole)


def _conditional(text: str, column: str, policy: Policy) -> Policy:
    """Return a masking policy with the columns of its USING clause; without columns if it has none.

    The page on POLICY_REFERENCES leaves open whether it lists them: GET_DDL does.
    """
    columns = policy.columns
    for match in _USING.finditer(text):
        listed = tuple(name.name for name in map(Identifier.parse, match[1].split(",")))
        if listed and listed[0] == column:
            return Policy(policy.name, listed)
    return Policy(policy.name, (column, *(c for c in columns if c != column)) if columns else ())


def _references(ctx: RunContext, full: QualifiedName, entity: Literal, domain: Literal) -> list[Row]:
    """Return the rows of POLICY_REFERENCES of an object, without those of tags; none if the role may see none."""
    from snowflake.snowpark.exceptions import SnowparkSQLException

    statement = sql(
        "SELECT * FROM TABLE({database}.INFORMATION_SCHEMA.POLICY_REFERENCES(REF_ENTITY_NAME => {entity}, "
        "REF_ENTITY_DOMAIN => {domain})) WHERE TAG_NAME IS NULL",
        database=full.parts[0],
        entity=entity,
        domain=domain,
    )
    try:
        return ctx.execute(statement)
    except SnowparkSQLException as error:
        ctx.logger.debug("the policies of %s cannot be read: %s", full, error)
        return []


def listed_columns(
    policies: Policies,
    new: Mapping[str, DataType],
    old: Mapping[str, DataType],
    described: Iterable[Row],
    *,
    typed: bool = False,
) -> Iterator[Sql]:
    """Yield the list of columns of CREATE TABLE, if a column of the query keeps a policy.

    A masked column has its type there. The statement fails if the role may not apply the policy: a table without it
    would show what it hides.

    Args:
        policies: the policies of the replaced table.
        new: the columns of the query.
        old: those of the replaced table.
        described: those, as DESCRIBE shows them.
        typed: whether every column has its type in the list, as CREATE DYNAMIC TABLE needs.

    Raises:
        StepError: a column has another type than the one that its policy masks.
    """
    if not (policies.masking.keys() | policies.projection.keys()) & new.keys():
        return
    types = {str(row["name"]): str(row["type"]) for row in described}
    parts: list[Fragment] = []
    for column, kind in new.items():
        clauses = policies.on_column(column)
        if not clauses:
            parts.append(join(" ", [Identifier(column), kind]) if typed else Identifier(column))
            continue
        if column in policies.masking and kind.name != old[column].name:
            raise StepError(
                f"the column {column} of {policies.owner} would change its type, and the masking policy "
                f"{policies.masking[column].name} is for {types[column]}: cast it to that type, or run ALTER TABLE "
                f"{policies.owner.sql} MODIFY COLUMN {Identifier(column).sql} UNSET MASKING POLICY, and set another one "
                "after the run"
            )
        type_ = DataType.parse(types[column]) if kind == old.get(column) else kind
        parts.append(join(" ", [Identifier(column), type_, *clauses]))
    yield sql("({columns})", columns=join(", ", parts))
