"""The functions of a warehouse: kept in its databases' catalogs, run by pools of workers."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import threading
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import errors
from snowpipe_ml.local.python import packages
from snowpipe_ml.local.python.definition import Definition
from snowpipe_ml.local.python.pool import HandlerError, Pool
from snowpipe_ml.local.types import to_duckdb
from snowpipe_ml.sql import DataType

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.storage import Storage

_KEPT_POOLS = 4
_ARROW = {
    "INT": "int64", "FLOAT": "double", "VARCHAR": "string", "BOOLEAN": "bool", "DATE": "date32",
    "TIMESTAMP_NTZ": "timestamp[us]", "TIMESTAMP_LTZ": "timestamp[us]", "VARIANT": "string", "OBJECT": "string",
    "ARRAY": "string", "BINARY": "binary", "TIME": "time64[us]",
}  # fmt: skip


def arrow_name(kind: str) -> str:
    """The Arrow type, by its alias, in which values of a Snowflake type travel to a worker."""
    data_type = DataType.parse(kind)
    if data_type.name == "NUMBER":
        if to_duckdb(data_type) == "BIGINT" or (*data_type.parameters, 0)[1] == 0:
            return "int64"
        raise errors.UnsupportedError(f"{kind} in a Python function", "Use FLOAT or a whole number")
    if data_type.name not in _ARROW:
        raise errors.UnsupportedError(f"{kind} in a Python function")
    return _ARROW[data_type.name]


def value_kind(kind: str) -> str:
    """How a worker treats values of a type."""
    name = DataType.parse(kind).name
    return "INT" if name == "NUMBER" else name


class FunctionRegistry:
    """Creates, finds and runs the Python functions of a warehouse."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._pools: OrderedDict[str, Pool] = OrderedDict()
        self._configs: dict[str, dict[str, Any]] = {}
        self._raised: dict[str, ProgrammingError] = {}
        self._registered: set[str] = set()
        self._lock = threading.RLock()
        self._blocked: dict[tuple[str, ...], dict[str, str]] = {}
        self.workers = max(1, os.cpu_count() or 1)

    # ----------------------------------------------------------------------- the catalog

    def create(
        self, connection: Connection, definition: Definition, *, replace: bool, lenient: bool, temporary: bool
    ) -> bool:
        """Check a definition and keep it. False where IF NOT EXISTS found one.

        Raises:
            ProgrammingError: a package or an import is missing, or the function exists.
        """
        packages.check(definition.packages)
        for kind in (
            *(a.type for a in definition.arguments),
            *(t for _, t in definition.table),
            *filter(None, [definition.returns]),
        ):
            arrow_name(kind)
        self._import_directory(connection, definition)
        table = connection.catalog(definition.database, "FUNCTIONS")
        where = f"FROM {table} WHERE schema_name = ? AND name = ? AND signature = ?"
        key = [definition.schema, definition.name, definition.signature]
        with self._storage.lock:
            if connection.duck.execute(f"SELECT 1 {where}", key).fetchone():
                if lenient:
                    return False
                if not replace:
                    raise errors.exists(definition.name)
                connection.duck.execute(f"DELETE {where}", key)
            connection.duck.execute(
                f"INSERT INTO {table} (schema_name, name, signature, definition, session) VALUES (?, ?, ?, ?, ?)",
                [*key, definition.to_json(), str(connection.session_id) if temporary else None],
            )
        return True

    def find(self, connection: Connection, name: tuple[str, ...]) -> list[Definition]:
        """The functions of a name: its overloads."""
        if len(name) < 3 and not (connection.database and (len(name) == 2 or connection.schema)):
            return []
        database, schema, last = connection.resolve(name)
        if database not in self._storage.databases():
            return []
        rows = connection.duck.execute(
            f"SELECT definition FROM {connection.catalog(database, 'FUNCTIONS')} "
            "WHERE schema_name = ? AND name = ? ORDER BY signature",
            [schema, last],
        ).fetchall()
        return [Definition.from_dict(json.loads(text)) for (text,) in rows]

    def choose(self, connection: Connection, name: tuple[str, ...], count: int) -> Definition | None:
        """The overload that takes so many arguments; None where there is no function of the name.

        Raises:
            ProgrammingError: there are functions of the name and none takes so many.
        """
        found = self.find(connection, name)
        if not found:
            return None
        fitting = [
            d for d in found
            if count <= len(d.arguments) and all(a.default is not None for a in d.arguments[count:])
        ]  # fmt: skip
        if not fitting:
            raise errors.error(
                1044, "42P13",
                f"SQL compilation error:\nInvalid argument types for function '{name[-1]}': {count} arguments; "
                f"it takes {' or '.join(d.signature for d in found)}",
            )  # fmt: skip
        if len(fitting) > 1:
            raise errors.UnsupportedError("overloads that differ by type alone")
        return fitting[0]

    # ----------------------------------------------------------------------- imports

    def _import_directory(self, connection: Connection, definition: Definition) -> Path:
        """A folder with the staged imports, made once for each set of contents."""
        from snowpipe_ml.local.stages import find_stage

        files = []
        for reference in definition.imports:
            stage, path = find_stage(connection, reference)
            source = stage.file(path)
            if not path or not source.is_file():
                raise errors.error(
                    91016, "22000", f"Remote file '{reference}' was not found. Check that the file exists on the stage."
                )
            files.append(source)
        digest = hashlib.sha256()
        for source in files:
            digest.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
        folder = self._storage.path / "functions" / digest.hexdigest()[:24]
        with self._lock:
            if not folder.exists():
                aside = folder.with_suffix(f".{os.getpid()}.making")
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir(parents=True)
                for source in files:
                    shutil.copyfile(source, aside / source.name)
                aside.rename(folder)
        return folder

    # ----------------------------------------------------------------------- running

    def _prepare(self, connection: Connection, definition: Definition) -> str:
        """Have the configuration of a function's workers ready; the key by which :meth:`_pool` finds it.

        Only here the catalog is read: while a query runs, its connection can run nothing else.
        """
        folder = self._import_directory(connection, definition)
        key = f"{definition.key}:{folder.name}"
        with self._lock:
            if key in self._configs:
                return key
            if definition.packages not in self._blocked:
                self._blocked[definition.packages] = packages.blocked_modules(definition.packages)
            outputs = [kind for _, kind in definition.table] or [definition.returns]
            self._configs[key] = {
                "handler": definition.handler,
                "body": definition.body,
                "import_directory": f"{folder}/",
                "import_archives": [str(f) for f in sorted(folder.iterdir()) if f.suffix in (".zip", ".egg")],
                "blocked": self._blocked[definition.packages],
                "strict": definition.strict,
                "names": [argument.name for argument in definition.arguments],
                "kinds": [value_kind(argument.type) for argument in definition.arguments],
                "output_kinds": [value_kind(kind) for kind in outputs],
                "output_types": [arrow_name(kind) for kind in outputs],
            }
            return key

    def _pool(self, key: str) -> Pool:
        """The workers of a function; those that were not used for long make room."""
        with self._lock:
            if key not in self._pools:
                self._pools[key] = Pool(self._configs[key], self.workers)
            self._pools.move_to_end(key)
            while len(self._pools) > _KEPT_POOLS:
                _, old = self._pools.popitem(last=False)
                old.close()
            return self._pools[key]

    def run_table(
        self, connection: Connection, definition: Definition, arguments: pa.Table, offsets: list[int]
    ) -> tuple[pa.Array, pa.Table]:
        """Run a table function.

        Returns:
            For each result row its source (a row's index, or -1-p for the end of partition p), and
            the result.
        """
        pool = self._pool(self._prepare(connection, definition))
        sources, pieces = [], []
        try:
            for begin, piece in pool.map_partitions(arguments, offsets):
                source = piece.column(0).combine_chunks().to_numpy(zero_copy_only=False)
                sources.append(pa.array([s + begin if s >= 0 else s for s in source.tolist()], pa.int64()))
                pieces.append(piece.drop_columns(["0"]))
        except HandlerError as raised:
            raise _interpreter_error(definition, raised) from None
        names = [name for name, _ in definition.table]
        if not pieces:
            types = [pa.type_for_alias(arrow_name(kind)) for _, kind in definition.table]
            return pa.array([], pa.int64()), pa.table(
                [pa.array([], t) for t in types], names=[str(i) for i in range(len(names))]
            )
        return pa.concat_arrays(sources), pa.concat_tables(pieces)

    def scalar_name(self, connection: Connection, definition: Definition) -> str:
        """The DuckDB function that calls a scalar function; registered when first used."""
        key = self._prepare(connection, definition)
        name = f"_py_{key.replace(':', '_')}"
        with self._lock:
            if name in self._registered:
                return name

            def call(*columns: pa.ChunkedArray | pa.Array) -> pa.Array | pa.ChunkedArray:
                table = pa.table(list(columns), names=[str(i) for i in range(len(columns))])
                try:
                    answer = self._pool(key).call({"call": "scalar"}, table).column(0)
                except HandlerError as raised:
                    raise RuntimeError(self._keep(_interpreter_error(definition, raised))) from None
                except ProgrammingError as raised:
                    raise RuntimeError(self._keep(raised)) from None
                return answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer

            # DuckDB counts the parameters of what it is given.
            names = [f"a{i}" for i in range(len(definition.arguments))]
            signature = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names])
            call.__signature__ = signature  # type: ignore[attr-defined]
            self._storage.root.create_function(
                name, call, [_duckdb_type(a.type) for a in definition.arguments], _duckdb_type(definition.returns),
                type="arrow", null_handling="special", exception_handling="default", side_effects=True,
            )  # fmt: skip
            self._registered.add(name)
        return name

    def _keep(self, raised: ProgrammingError) -> str:
        """Keep an error while DuckDB carries only its text; the text is a ticket for it."""
        ticket = f"snowpipe-ml-error-{uuid.uuid4().hex}"
        with self._lock:
            self._raised[ticket] = raised
        return ticket

    def raised_in(self, text: str) -> ProgrammingError | None:
        """The error that a handler raised, if DuckDB's text has its ticket."""
        with self._lock:
            for ticket in list(self._raised):
                if ticket in text:
                    return self._raised.pop(ticket)
        return None

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()


def _duckdb_type(kind: str) -> Any:
    stored = to_duckdb(DataType.parse(kind))
    return duckdb.sqltype("VARCHAR" if stored == "JSON" else stored)


def _interpreter_error(definition: Definition, raised: HandlerError) -> ProgrammingError:
    where = f" (partition {raised.partition})" if raised.partition is not None else ""
    return errors.error(
        100357, "P0000",
        f"Python Interpreter Error:\n{raised} in function {definition.name} with handler {definition.handler}{where}",
    )  # fmt: skip
