"""Current versions of the resources on a target: tokens that change when the resource changes.

The same statements are used on both targets. The version of a table is Snowflake's last change commit
time, that of a stage is a digest of its file list, and that of a function is its creation time.
https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from snowpipe_ml.engine.retry import DOES_NOT_EXIST, again, number_of
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.plugins.connection import Connection, Row, current_schema, execute
from snowpipe_ml.plugins.listings import Listings, ShownRow
from snowpipe_ml.plugins.outputs import Outputs
from snowpipe_ml.sql import Literal, QualifiedName, Sql, StagePath, join, sql

# The token of resources that only exist or not, and have no state that could change.
_EXISTS = "there"  # stored in the run metadata
# The tokens of streams.
STALE, HAS_DATA, EMPTY = "stale", "has data", "empty"

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

    def same_view(self, other: Version) -> bool:
        """Return whether both are of a view with the same text, whatever the tables hold that it reads."""
        text = self.token.partition(" ")[2]
        return text != "" and text == other.token.partition(" ")[2]


class Known:
    """The versions that a run has seen: those before its first step, and those that its steps have left.

    Args:
        first: the versions before the first step.
    """

    def __init__(self, first: Mapping[Resource, Version] = {}) -> None:
        self._versions = dict(first)
        self._lock = threading.Lock()

    def of(self, resources: Iterable[Resource]) -> tuple[dict[Resource, Version], list[Resource]]:
        """Return the known versions of some resources, and the resources of which none is known."""
        wanted = list(resources)
        with self._lock:
            found = {resource: self._versions[resource] for resource in wanted if resource in self._versions}
        return found, [resource for resource in wanted if resource not in found]

    def add(self, versions: Mapping[Resource, Version]) -> None:
        """Add the versions that a step has left."""
        with self._lock:
            self._versions |= versions

    def forget(self, resources: Iterable[Resource]) -> None:
        """Forget the versions of what a step writes, and of places on a stage that contain it or are inside it."""
        with self._lock:
            for resource in resources:
                self._versions.pop(resource, None)
                name = resource.name
                if isinstance(name, StagePath):
                    for other in [other for other in self._versions if _overlaps(name, other)]:
                        del self._versions[other]


class Versions:
    """Queries the versions of resources.

    Args:
        connection: a connection in the target's database and schema.
        sleep: waits before a statement is retried.
        listings: keeps what SHOW lists, for the steps. Without it, a single object is asked for by its name.
        tag: the query tag of the statements.
        first: whether nothing has run yet, so that stages are probably missing, and are not listed unless SHOW has them.
    """

    def __init__(
        self,
        connection: Connection,
        sleep: Callable[[float], None] = time.sleep,
        listings: Listings | None = None,
        tag: str | None = None,
        *,
        first: bool = False,
    ) -> None:
        self._connection = connection
        self._sleep = sleep
        self._listings = listings
        self._tag = tag
        self._first = first
        self._texts: dict[Resource, str] = {}  # digests of the texts of views

    def _run(self, statement: Sql) -> list[Row]:
        return again(lambda: execute(self._connection, statement, self._tag), sleep=self._sleep)

    def of(self, resources: Iterable[Resource]) -> dict[Resource, Version]:
        """Return the versions of existing resources. Kinds without an object on the target always exist."""
        found: dict[Resource, Version] = {}
        for kind, wanted in _by_kind(resources).items():
            found |= self._ask[kind](self, wanted)
        return found

    def left_by(self, resources: Iterable[Resource], outputs: Outputs) -> dict[Resource, Version]:
        """Return the versions of the outputs that a step has just written.

        Args:
            resources: the outputs.
            outputs: the tables that the step has counted.
        """
        found: dict[Resource, Version] = {}
        unknown: list[Resource] = []
        for resource in resources:
            kind, counted = resource.kind, outputs.known(_name(resource))
            if kind is Kind.TABLE and counted is not None:
                found[resource] = Version(counted.version, counted.rows)
            elif kind in (Kind.FILE_FORMAT, Kind.TAG, Kind.ROLE, Kind.IMPORT) or (
                kind is Kind.STAGE and isinstance(resource.name, QualifiedName)
            ):  # the step has made or seen it
                found[resource] = Version(_EXISTS)
            else:
                unknown.append(resource)
        views = [resource for resource in unknown if resource.kind is Kind.TABLE and resource.view]
        rest = [resource for resource in unknown if resource not in views]
        return {**found, **self._changed(self._views(views)), **self.of(rest)}

    def _tables(self, wanted: list[Resource]) -> dict[Resource, Version]:
        return self._changed(self._listed_tables(wanted))

    def _listed_tables(self, wanted: Iterable[Resource]) -> dict[Resource, int | None]:
        """Return the numbers of rows of existing tables; None for views."""
        shown = self._shown("OBJECTS", wanted)
        views = self._views([resource for resource, rows in shown.items() if rows[0].get("kind") == "VIEW"])
        return {resource: _count(rows[0].get("rows")) for resource, rows in shown.items()} | views

    def _views(self, wanted: Iterable[Resource]) -> dict[Resource, int | None]:
        """Return the existing views, and keep digests of their texts."""
        shown = self._shown("VIEWS", wanted)
        self._texts |= {
            resource: hashlib.sha256(str(rows[0].get("text")).encode()).hexdigest()[:16]
            for resource, rows in shown.items()
        }
        return dict.fromkeys(shown)

    def _changed(self, rows: Mapping[Resource, int | None]) -> dict[Resource, Version]:
        """Return the versions of existing tables and views.

        The time of a view is that of the last change of a table that it reads. A view that was redefined has
        another text.
        """
        if not rows:
            return {}
        calls = join(
            ", ", [sql("SYSTEM$LAST_CHANGE_COMMIT_TIME({name})", name=Literal(_name(r).sql)) for r in rows]
        )
        (tokens,) = self._run(sql("SELECT {calls}", calls=calls))
        return {
            # The time, and the digest of the text of a view.
            r: Version(" ".join(filter(None, (str(token), self._texts.get(r)))), count)
            for (r, count), token in zip(rows.items(), tokens, strict=True)
        }

    def _shown(self, what: str, wanted: Iterable[Resource]) -> dict[Resource, list[ShownRow]]:
        """Return the rows of SHOW of each existing object: a single one is asked for by its name."""
        found: dict[Resource, list[ShownRow]] = {}
        by_schema: dict[QualifiedName, list[Resource]] = defaultdict(list)
        for resource in wanted:
            by_schema[self._schema(_name(resource))].append(resource)
        for schema, resources in by_schema.items():
            names = list({_name(resource).name for resource in resources})
            if self._listings is None and len(names) == 1:
                shown = {names[0].name: Listings().of(self._run, what, schema, names[0])}
            else:
                shown = self._all(what, schema)
            found |= {r: rows for r in resources if (rows := shown.get(_name(r).name.name))}
        return found

    def _all(self, what: str, schema: QualifiedName | None) -> dict[str, list[ShownRow]]:
        return (self._listings or Listings()).all(self._run, what, schema)

    def _schema(self, name: QualifiedName) -> QualifiedName:
        if len(name.parts) > 1:
            return QualifiedName(name.parts[:-1])
        # Without a schema, SHOW would search the whole database.
        return QualifiedName(tuple(current_schema(self._connection)))

    def _stages(self, wanted: list[Resource]) -> dict[Resource, Version]:
        """The versions of stages, which exist or not, and of places on them: digests of their files."""
        places = {resource: resource.name for resource in wanted if isinstance(resource.name, StagePath)}
        plain = [resource for resource in wanted if resource not in places]
        if self._first:  # one SHOW instead of a LIST that fails for each missing stage
            there = self._shown("STAGES", plain)
            missing = {_name(resource) for resource in plain if resource not in there}
            places = {resource: place for resource, place in places.items() if place.stage not in missing}
            files = {r: version for r, version in self._digests(places).items() if version is not None}
            return {**files, **dict.fromkeys(there, Version(_EXISTS))}
        found = {resource: token for resource, token in self._digests(places).items() if token is not None}
        listed = {place.stage: resource in found for resource, place in places.items()}
        for resource in plain:
            if listed.get(_name(resource)):  # LIST has found it
                found[resource] = Version(_EXISTS)
        shown = self._shown("STAGES", [resource for resource in plain if not listed.get(_name(resource))])
        return {**found, **dict.fromkeys(shown, Version(_EXISTS))}

    def _digests(self, places: Mapping[Resource, StagePath]) -> dict[Resource, Version | None]:
        """Return the digests of the files below each place; None if its stage does not exist."""
        found: dict[Resource, Version | None] = {}
        files: dict[StagePath, list[Row] | None] = {}
        # The shortest first: a place may contain others.
        for resource, place in sorted(places.items(), key=lambda pair: len(pair[1].path)):
            above = next((other for other, listed in files.items() if _lists(other, listed, place)), place)
            if above not in files:
                files[above] = self._listed_files(above)
            listed = files[above]
            if listed is not None and above != place:
                listed = [row for row in listed if _path_of(row).startswith(place.path)]
            found[resource] = None if listed is None else Version(_digest(listed))
        return found

    def _listed_files(self, place: StagePath) -> list[Row] | None:
        try:
            return self._run(sql("LIST {place}", place=place))
        except Exception as error:
            if number_of(error) not in DOES_NOT_EXIST:
                raise
            return None

    def _functions(self, wanted: list[Resource]) -> dict[Resource, Version]:
        return {
            resource: Version(" ".join(sorted(str(row["created_on"]) for row in rows)))
            for resource, rows in self._shown("USER FUNCTIONS", wanted).items()
        }

    def _listed(self, wanted: list[Resource]) -> dict[Resource, Version]:
        """The versions of objects that SHOW lists by name; a warehouse's version is its size and type."""
        kind = wanted[0].kind
        if kind in (Kind.WAREHOUSE, Kind.ROLE):
            schema, what = None, "WAREHOUSES" if kind is Kind.WAREHOUSE else "ROLES"
        else:
            schema = QualifiedName(tuple(current_schema(self._connection)))
            what = "FILE FORMATS" if kind is Kind.FILE_FORMAT else "TAGS"
        by_name = self._all(what, schema)
        return {
            resource: Version(
                " ".join(
                    str(rows[0][key]).upper() for key in ("size", "type") if resource.kind is Kind.WAREHOUSE
                )
                or _EXISTS
            )
            for resource in wanted
            if (rows := by_name.get(_name(resource).name.name))
        }

    def _imports(self, wanted: list[Resource]) -> dict[Resource, Version]:
        """The versions of imports, each of which exists if all of its files do: their paths name their content."""
        found: dict[StagePath, set[str]] = {}
        for file in {file for resource in wanted for file in resource.files}:
            folder = StagePath(file.stage, file.path.partition("/")[0] + "/")
            if folder not in found:
                found[folder] = {_path_of(row) for row in self._listed_files(folder) or ()}
        there = {StagePath(folder.stage, path) for folder, paths in found.items() for path in paths}
        return {resource: Version(_EXISTS) for resource in wanted if there.issuperset(resource.files)}

    def _streams(self, wanted: list[Resource]) -> dict[Resource, Version]:
        """The versions of streams: whether they have data, which is known without a warehouse.

        https://docs.snowflake.com/en/sql-reference/functions/system_stream_has_data
        """
        shown = self._shown("STREAMS", wanted)
        found = {r: Version(STALE) for r, rows in shown.items() if str(rows[0]["stale"]).lower() == "true"}
        rest = [resource for resource in shown if resource not in found]
        if rest:
            calls = join(
                ", ", [sql("SYSTEM$STREAM_HAS_DATA({name})", name=Literal(_name(r).sql)) for r in rest]
            )
            (answers,) = self._run(sql("SELECT {calls}", calls=calls))
            found |= {r: Version(HAS_DATA if has else EMPTY) for r, has in zip(rest, answers, strict=True)}
        return found

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
        Kind.IMPORT: _imports,
        Kind.PACKAGES: _nothing,
        Kind.STREAM: _streams,
    }


def _by_kind(resources: Iterable[Resource]) -> dict[Kind, list[Resource]]:
    found: dict[Kind, list[Resource]] = defaultdict(list)
    for resource in dict.fromkeys(resources):
        found[resource.kind].append(resource)
    return found


def _overlaps(place: StagePath, other: Resource) -> bool:
    return isinstance(other.name, StagePath) and place.overlaps(other.name)


def _lists(place: StagePath, files: Iterable[Row] | None, other: StagePath) -> bool:
    """Return whether a listing of one place shows which files are below another, inside of it."""
    inside = place.stage == other.stage and other.path.startswith(place.path)
    # Of an external stage, LIST shows the whole URL of a file.
    return inside and (files is None or not any("://" in str(row["name"]) for row in files))


def _path_of(file: Row) -> str:
    """Return the path of a file on its stage; LIST shows the name of the stage before it."""
    return str(file["name"]).partition("/")[2]


def _digest(files: Iterable[Row]) -> str:
    parts = sorted((row["name"], row["size"], row["md5"]) for row in files)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


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
