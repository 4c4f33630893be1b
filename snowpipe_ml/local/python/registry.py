"""The functions of a warehouse: stored in the catalogs of its databases and run by pools of workers."""

from __future__ import annotations

import inspect
import os
import threading
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from snowpipe_ml.local.catalog.functions import Definition, definitions
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.exchange import session_state
from snowpipe_ml.local.core.messages import Message
from snowpipe_ml.local.core.session import Session, find_session
from snowpipe_ml.local.core.storage import Storage
from snowpipe_ml.local.python import packages
from snowpipe_ml.local.python.forkserver import DEFAULT_TIME_ZONE, ForkServer
from snowpipe_ml.local.python.imports import import_directory
from snowpipe_ml.local.python.overloads import IMPOSSIBLE, closest, distance
from snowpipe_ml.local.python.pool import HandlerError, Pool, Serve
from snowpipe_ml.local.python.travel import arrow_name, arrow_type, travels_as, value_kind
from snowpipe_ml.local.python.values import WorkerConfig

_KEPT_POOLS = 4
_MAX_NESTED = 64
# Modules that are imported before workers are forked. The sandbox hides them from handlers that do not
# declare their packages.
_PRELOADED = ("pyarrow", "pandas")
_PRELOADED_FOR_PROCEDURES = ("pandas", "snowflake.snowpark", "snowpipe_ml.local.client.procedure_session")


class FunctionRegistry:
    """Creates, finds and runs the Python functions of a warehouse."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._pools: OrderedDict[str, Pool] = OrderedDict()
        self._retired: weakref.WeakSet[Pool] = weakref.WeakSet()  # pools in which a call may still be running
        self._configs: dict[str, WorkerConfig] = {}
        self._raised: dict[str, connector.ProgrammingError] = {}
        self._registered: set[str] = set()
        self._servers: dict[bool, ForkServer] = {}
        self._lock = threading.RLock()
        self._blocked: dict[tuple[str, ...], dict[str, str]] = {}
        self.workers = max(1, os.cpu_count() or 1)

    def create(
        self, session: Session, definition: Definition, *, replace: bool, lenient: bool, temporary: bool
    ) -> bool:
        """Check and store a definition; return False if IF NOT EXISTS found an existing one.

        Raises:
            ProgrammingError: a package or an import is missing, or the function exists.
        """
        self.check(session, definition)
        table = session.catalog(definition.database, "FUNCTIONS")
        kind = "= 'PROCEDURE'" if definition.kind == "PROCEDURE" else "<> 'PROCEDURE'"
        where = f"FROM {table} WHERE schema_name = ? AND name = ? AND signature = ? AND kind {kind}"
        key = [definition.schema, definition.name, definition.signature]
        owner = session.owner(definition.database) if temporary else None
        with self._storage.lock:
            there = session.duck.execute(f"SELECT session {where}", key).fetchone()
            if there and (there[0] is None) != (owner is None):
                raise errors.exists(definition.name)
            if there:
                if lenient:
                    return False
                if not replace:
                    raise errors.exists(definition.name)
                session.duck.execute(f"DELETE {where}", key)
            session.duck.execute(
                f"INSERT INTO {table} (schema_name, name, signature, kind, definition, session) VALUES (?, ?, ?, ?, ?, ?)",
                [*key, definition.kind, definition.to_json(), owner],
            )
        return True

    def update(self, session: Session, definition: Definition) -> None:
        """Replace the stored definition with the same name and argument types."""
        session.duck.execute(
            f"UPDATE {session.catalog(definition.database, 'FUNCTIONS')} SET definition = ? "
            "WHERE schema_name = ? AND name = ? AND signature = ? AND kind = ?",
            [definition.to_json(), definition.schema, definition.name, definition.signature, definition.kind],
        )

    def check(self, session: Session, definition: Definition) -> None:
        """Check that a function can be run.

        Raises:
            ProgrammingError: a package or an import is missing.
        """
        if definition.language == "SQL":
            return
        packages.check(definition.packages)
        types = [
            *(a.type for a in definition.arguments),
            *(t for _, t in definition.table),
            definition.returns,
        ]
        for kind in filter(None, types):
            arrow_name(kind)
        self._import_directory(session, definition)
        self._server(definition.kind == "PROCEDURE")  # starts in the background

    def find(self, session: Session, name: tuple[str, ...], kind: str = "FUNCTION") -> list[Definition]:
        """Return the functions or procedures of a name: its overloads."""
        return definitions(session, name, kind)

    def choose(
        self,
        session: Session,
        name: tuple[str, ...],
        given: Sequence[str | None],
        kind: str = "FUNCTION",
    ) -> Definition | None:
        """Return the overload for arguments of the given types; None if no function has the name.

        Args:
            session: the calling session.
            name: the name, in one to three parts.
            given: the Snowflake type of each argument, None if it is not known.
            kind: FUNCTION or PROCEDURE.

        Raises:
            ProgrammingError: no overload accepts the arguments.
        """
        found = self.find(session, name, kind)
        if not found:
            return None
        count = len(given)
        fitting = [
            d
            for d in found
            if count <= len(d.arguments) and all(a.default is not None for a in d.arguments[count:])
        ]
        fitting = [d for d in fitting if distance(d, given) < IMPOSSIBLE]
        if not fitting:
            types = ", ".join(kind or "unknown" for kind in given)
            raise errors.error(
                1044,
                "42P13",
                f"SQL compilation error:\nInvalid argument types for function '{name[-1]}': ({types}); "
                f"it takes {' or '.join(d.signature for d in found)}",
            )
        return fitting[0] if len(fitting) == 1 else closest(fitting, given, name)

    def _import_directory(self, session: Session, definition: Definition) -> Path:
        with self._lock:
            return import_directory(session, definition.imports)

    def _prepare(self, session: Session, definition: Definition) -> str:
        """Prepare the configuration of a function's workers; return the key by which :meth:`_pool` finds it.

        This is the only step that reads the catalog: while a query runs, its connection cannot run another.
        """
        folder = self._import_directory(session, definition)
        key = f"{definition.key}:{folder.name}"
        with self._lock:
            if key in self._configs:
                return key
            if definition.packages not in self._blocked:
                self._blocked[definition.packages] = packages.blocked_modules(definition.packages)
            outputs = [kind for _, kind in definition.table] or list(filter(None, [definition.returns]))
            self._configs[key] = {
                "handler": definition.handler,
                "procedure": definition.kind == "PROCEDURE",
                "memory": self._storage.function_memory,
                "body": definition.body,
                "import_directory": f"{folder}/",
                "import_archives": [str(f) for f in sorted(folder.iterdir()) if f.suffix in (".zip", ".egg")],
                "blocked": self._blocked[definition.packages],
                "strict": definition.strict,
                "names_out": [name for name, _ in definition.table],
                "names": [argument.name for argument in definition.arguments],
                "kinds": [value_kind(argument.type) for argument in definition.arguments],
                "output_kinds": [value_kind(kind) for kind in outputs],
                "output_types": [arrow_name(kind) for kind in outputs],
            }
            return key

    def _pool(self, key: str) -> Pool:
        """Return the workers of a function; retire the pools that were least recently used."""
        with self._lock:
            if key not in self._pools:
                # A procedure may call itself, so the number of its workers is not limited to the CPUs.
                size = _MAX_NESTED if self._configs[key]["procedure"] else self.workers
                self._pools[key] = Pool(
                    self._server(self._configs[key]["procedure"]), self._configs[key], size
                )
            self._pools.move_to_end(key)
            while len(self._pools) > _KEPT_POOLS:
                _, old = self._pools.popitem(last=False)
                old.retire()
                self._retired.add(old)
            return self._pools[key]

    def _server(self, procedures: bool) -> ForkServer:
        """Return the fork server: one for functions, and one with Snowpark imported for procedures."""
        with self._lock:
            if procedures not in self._servers:
                self._servers[procedures] = ForkServer(
                    _PRELOADED_FOR_PROCEDURES if procedures else _PRELOADED
                )
            return self._servers[procedures]

    def run_table(
        self, session: Session, definition: Definition, arguments: pa.Table, offsets: list[int]
    ) -> tuple[pa.Array, pa.Table]:
        """Run a table function.

        Returns:
            The source of each result row (the index of a row, or -1-p for the end of partition p), and the
            result.
        """
        pool = self._pool(self._prepare(session, definition))
        sources, pieces = [], []
        try:
            for begin, piece in pool.map_partitions(
                arguments, offsets, session.time_zone, session.cancellation
            ):
                source = piece.column(0).combine_chunks().to_numpy(zero_copy_only=False)
                sources.append(pa.array([s + begin if s >= 0 else s for s in source.tolist()], pa.int64()))
                pieces.append(piece.drop_columns(["0"]))
        except HandlerError as raised:
            raise _interpreter_error(definition, raised) from None
        names = [name for name, _ in definition.table]
        if not pieces:
            types = [arrow_type(kind) for _, kind in definition.table]
            return pa.array([], pa.int64()), pa.table(
                [pa.array([], t) for t in types], names=[str(i) for i in range(len(names))]
            )
        return pa.concat_arrays(sources), pa.concat_tables(pieces)

    def run_procedure(
        self, session: Session, definition: Definition, arguments: pa.Table, serve: Serve
    ) -> Message:
        """Run a procedure; return its answer, and its value if that is not a table."""
        pool = self._pool(self._prepare(session, definition))
        request = {"call": "procedure", "state": session_state(session), "time_zone": session.time_zone}
        try:
            return pool.call(request, arguments, session.cancellation, serve)
        except HandlerError as raised:
            raise _interpreter_error(definition, raised) from None

    def scalar_name(self, session: Session, definition: Definition) -> str:
        """Return the name of the DuckDB function that calls a scalar function; register it on first use.

        All sessions share the DuckDB function. Its first argument is the number of the calling session, whose
        statement may be canceled.
        """
        key = self._prepare(session, definition)
        name = f"_py_{key.replace(':', '_')}"
        with self._lock:
            if session.transaction is not None and name not in session.visible_functions:
                # An open transaction does not see functions that other connections register.
                name = f"{name}_{session.transaction.name}"
            if name in self._registered:
                return name

            def call(caller_id: pa.ChunkedArray | pa.Array, *columns: pa.ChunkedArray | pa.Array) -> pa.Array:
                given = list(columns) or [pa.nulls(len(caller_id))]
                table = pa.table(given, names=[str(i) for i in range(len(given))])
                caller = find_session(caller_id[0].as_py()) if len(caller_id) else None
                cancellation = caller.cancellation if caller is not None else Cancellation()
                header = {
                    **request,
                    "time_zone": caller.time_zone if caller is not None else DEFAULT_TIME_ZONE,
                }
                try:
                    _, result = self._pool(key).call(header, table, cancellation)
                    assert result is not None
                    answer = result.column(0)
                except HandlerError as raised:
                    raise RuntimeError(self._keep(_interpreter_error(definition, raised))) from None
                except connector.ProgrammingError as raised:
                    raise RuntimeError(self._keep(raised)) from None
                return answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer

            kinds = [travels_as(a.type) for a in definition.arguments]
            # An aggregate is called once for each group, with a list of the values of each argument.
            request = {"call": "aggregate" if definition.kind == "AGGREGATE" else "scalar"}
            if definition.kind == "AGGREGATE":
                kinds = [f"{kind}[]" for kind in kinds]
            kinds = ["BIGINT", *kinds]  # the number of the session comes first
            names = [f"a{i}" for i in range(len(kinds))]
            signature = inspect.Signature(
                [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
            )
            call.__signature__ = signature  # type: ignore[attr-defined]
            duck = session.duck if session.in_transaction else self._storage.root
            duck.create_function(
                name,
                call,
                [duckdb.sqltype(k) for k in kinds],
                duckdb.sqltype(travels_as(definition.returns)),
            )
            self._registered.add(name)
        return name

    @property
    def registered(self) -> frozenset[str]:
        """The names of the DuckDB functions that are registered."""
        with self._lock:
            return frozenset(self._registered)

    def _keep(self, raised: connector.ProgrammingError) -> str:
        """Keep an error and return a ticket for it: DuckDB passes on only the text of an error."""
        ticket = f"snowpipe-ml-error-{uuid.uuid4().hex}"
        with self._lock:
            self._raised[ticket] = raised
        return ticket

    def raised_in(self, text: str) -> connector.ProgrammingError | None:
        """Return the stored error whose ticket is in the text of a DuckDB error, if any."""
        with self._lock:
            for ticket in list(self._raised):
                if ticket in text:
                    return self._raised.pop(ticket)
        return None

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for pool in [*self._pools.values(), *self._retired]:
                pool.close()
            self._pools.clear()
            for server in self._servers.values():
                server.close()
            self._servers.clear()


def functions_of(storage: Storage) -> FunctionRegistry:
    """Return the Python functions of a warehouse; the registry is created on first use."""
    with storage.lock:
        if storage.functions is None:
            storage.functions = FunctionRegistry(storage)
        assert isinstance(storage.functions, FunctionRegistry)
        return storage.functions


def _interpreter_error(definition: Definition, raised: HandlerError) -> connector.ProgrammingError:
    where = f" (partition {raised.partition})" if raised.partition is not None else ""
    return errors.error(
        100357,
        "P0000",
        f"Python Interpreter Error:\n{raised} in function {definition.name} with handler {definition.handler}{where}",
    )
