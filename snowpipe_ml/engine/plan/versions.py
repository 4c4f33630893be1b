"""Current versions of the resources on a target: tokens that change when the resource changes.

The same statements are used on both targets. The version of a table is Snowflake's last change commit
time, that of a stage is a digest of its file list, and that of a function is its creation time.
https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from snowpipe_ml.engine.retry import again
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.plugins.connection import Connection, Row, current_schema, execute
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, join, like_pattern, sql

# The token of resources that only exist or not, and have no state that could change.
_EXISTS = "there"  # stored in the run metadata

Stored = tuple[str, str, str, int | None]
"""A version in the run metadata, as JSON: kind and name of the resource, token, number of rows."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version of an existing resource.

    Attributes:
        token: a text that differs after each change of the resource.
        rows: the number of rows of a table, if the target's metadata has it.
    """

    token: str
    rows: int | None = None


class Versions:
    """Queries the versions of resources.

    Args:
        connection: a connection in the target's database and schema.
        sleep: waits before a statement is retried.
    """

    def __init__(self, connection: Connection, sleep: Callable[[float], None] = time.sleep) -> None:
        self._connection = connection
        self._sleep = sleep

    def _run(self, statement: Sql) -> list[Row]:
        return again(lambda: execute(self._connection, statement), sleep=self._sleep)

    def of(self, resources: Iterable[Resource]) -> dict[Resource, Version]:
        """Return the versions of existing resources. Kinds without an object on the target always exist."""
        by_kind: dict[Kind, list[Resource]] = defaultdict(list)
        for resource in dict.fromkeys(resources):
            by_kind[resource.kind].append(resource)
        found: dict[Resource, Version] = {}
        for kind, wanted in by_kind.items():
            found |= self._ask[kind](self, wanted)
        return found

    def _tables(self, wanted: list[Resource]) -> dict[Resource, Version]:
        by_schema: dict[tuple[Identifier, ...], list[Resource]] = defaultdict(list)
        for resource in wanted:
            by_schema[_name(resource).parts[:-1]].append(resource)
        rows: dict[Resource, int | None] = {}
        for parts, resources in by_schema.items():
            shown = self._shown("OBJECTS", [_name(r) for r in resources], parts)
            rows |= {r: shown[_name(r).name.name] for r in resources if _name(r).name.name in shown}
        if not rows:
            return {}
        calls = join(
            ", ", [sql("SYSTEM$LAST_CHANGE_COMMIT_TIME({name})", name=Literal(_name(r).sql)) for r in rows]
        )
        (tokens,) = self._run(sql("SELECT {calls}", calls=calls))
        return {r: Version(str(token), count) for (r, count), token in zip(rows.items(), tokens, strict=True)}

    def _shown(
        self, what: str, names: list[QualifiedName], parts: tuple[Identifier, ...]
    ) -> dict[str, int | None]:
        """Name -> number of rows, or None if the target does not report it, of the objects in a schema."""
        like = sql(" LIKE {name}", name=like_pattern(names[0].name)) if len(names) == 1 else Sql("")
        found = self._run(
            sql("SHOW {what}{like} IN SCHEMA {schema}", what=Sql(what), like=like, schema=self._schema(parts))
        )
        return {str(row["name"]): _count(row.as_dict().get("rows")) for row in found}

    def _schema(self, parts: tuple[Identifier, ...]) -> Sql:
        if parts:
            return Sql(QualifiedName(parts).sql)
        # Without a schema, SHOW would search the whole database.
        return Sql(QualifiedName(tuple(current_schema(self._connection))).sql)

    def _stages(self, wanted: list[Resource]) -> dict[Resource, Version]:
        found: dict[Resource, Version] = {}
        exists: dict[QualifiedName, bool] = {}
        for resource in wanted:
            place = resource.name if isinstance(resource.name, StagePath) else StagePath(resource.name)
            if place.stage not in exists:
                exists[place.stage] = place.stage.name.name in self._shown(
                    "STAGES", [place.stage], place.stage.parts[:-1]
                )
            if not exists[place.stage]:
                continue
            token = _EXISTS
            if isinstance(resource.name, StagePath):
                files = sorted(
                    (row["name"], row["size"], row["md5"]) for row in self._run(sql("LIST {p}", p=place))
                )
                token = hashlib.sha256(repr(files).encode()).hexdigest()[:16]
            found[resource] = Version(token)
        return found

    def _functions(self, wanted: list[Resource]) -> dict[Resource, Version]:
        found: dict[Resource, Version] = {}
        for resource in wanted:
            name = _name(resource)
            shown = self._run(
                sql(
                    "SHOW USER FUNCTIONS LIKE {name} IN SCHEMA {schema}",
                    name=like_pattern(name.name),
                    schema=self._schema(name.parts[:-1]),
                )
            )
            created = sorted(str(row["created_on"]) for row in shown if row["name"] == name.name.name)
            if created:
                found[resource] = Version(" ".join(created))
        return found

    def _listed(self, wanted: list[Resource]) -> dict[Resource, Version]:
        """The versions of objects that SHOW lists by name; a warehouse's version is its size and type."""
        kind = wanted[0].kind
        if kind in (Kind.WAREHOUSE, Kind.ROLE):
            shown = self._run(Sql("SHOW WAREHOUSES" if kind is Kind.WAREHOUSE else "SHOW ROLES"))
        else:
            what = Sql("FILE FORMATS" if kind is Kind.FILE_FORMAT else "TAGS")
            shown = self._run(sql("SHOW {what} IN SCHEMA {schema}", what=what, schema=self._schema(())))
        by_name = {str(row["name"]): row.as_dict() for row in shown}
        return {
            resource: Version(
                " ".join(str(row[key]).upper() for key in ("size", "type") if resource.kind is Kind.WAREHOUSE)
                or _EXISTS
            )
            for resource in wanted
            if (row := by_name.get(_name(resource).name.name)) is not None
        }

    def _nothing(self, wanted: list[Resource]) -> dict[Resource, Version]:
        return dict.fromkeys(wanted, Version(_EXISTS))

    _ask: Mapping[Kind, Callable[[Versions, list[Resource]], dict[Resource, Version]]] = {
        Kind.TABLE: _tables,
        Kind.STAGE: _stages,
        Kind.FUNCTION: _functions,
        Kind.WAREHOUSE: _listed,
        Kind.ROLE: _listed,
        Kind.FILE_FORMAT: _listed,
        Kind.TAG: _listed,
        Kind.IMPORT: _nothing,
        Kind.PACKAGES: _nothing,
    }


def _name(resource: Resource) -> QualifiedName:
    return resource.name.stage if isinstance(resource.name, StagePath) else resource.name


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float | str) and str(value).isdigit() else None


def to_json(versions: Mapping[Resource, Version]) -> list[Stored]:
    """Convert versions to the form in which the state store keeps them."""
    return [(r.kind.value, str(r.name), v.token, v.rows) for r, v in versions.items()]


def from_json(rows: Iterable[Stored]) -> dict[Resource, Version]:
    """Convert versions from the form in which the state store keeps them."""
    found: dict[Resource, Version] = {}
    for kind, name, token, count in rows:
        place = StagePath.parse(name) if name.startswith("@") else QualifiedName.parse(name)
        found[Resource(Kind(kind), place)] = Version(token, count)
    return found
