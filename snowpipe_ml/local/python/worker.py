"""The code of worker processes and of the process that forks them; see forkserver.py and pool.py.

Run as ``python -m snowpipe_ml.local.python.worker``. It imports only the modules of this package that it
needs, and hides them from handlers.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
import types
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import pyarrow as pa

from snowpipe_ml.local.core.messages import Channel
from snowpipe_ml.local.python.confinement import confine
from snowpipe_ml.local.python.sandbox import Sandbox, load_handler
from snowpipe_ml.local.python.values import (
    SQL_NULL,
    Output,
    arrow_column,
    arrow_type,
    frame,
    null_rows,
    python_column,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snowpipe_ml.local.core.exchange import State
    from snowpipe_ml.local.core.messages import Message, Sent
    from snowpipe_ml.local.python.values import WorkerConfig

    Handler = Callable[..., Any]
    Marked = TypeVar("Marked", bound=Handler)


# A procedure may import another version of this package, for which it removes this one from sys.modules.
_CALLER: Any = None


def call_scalar(handler: Handler, config: WorkerConfig, table: pa.Table) -> pa.Array | pa.ChunkedArray:
    """Return one value for each row; a vectorized handler receives the rows as DataFrames."""
    kinds = config["kinds"]
    type_ = arrow_type(config["output_types"][0])
    if getattr(handler, "_sf_vectorized_input", None) is not None:
        limit = getattr(handler, "_sf_max_batch_size", None) or table.num_rows or 1
        pieces = []
        for start in range(0, table.num_rows, limit):
            data = frame(table.slice(start, limit), kinds, list(range(len(kinds))), narrow=True)
            piece = arrow_column(handler(data), config["output_kinds"][0], type_)
            if kinds and len(piece) != len(data):
                raise ValueError(f"the handler returned {len(piece)} values for a batch of {len(data)} rows")
            # A handler without arguments cannot know the number of rows.
            pieces.append(piece if kinds or len(piece) != 1 else pa.repeat(piece[0], len(data)))
        return pa.chunked_array(pieces, type_)
    columns = [python_column(table.column(i), kind) for i, kind in enumerate(kinds)]
    rows = zip(*columns) if columns else [()] * table.num_rows
    if config["strict"]:
        absent = SQL_NULL if config["output_kinds"][0] == "VARIANT" else None
        skipped = null_rows(table) if columns else itertools.repeat(False)
        values = [absent if skip else handler(*row) for skip, row in zip(skipped, rows)]
    else:
        values = [handler(*row) for row in rows]
    return arrow_column(values, config["output_kinds"][0], type_)


def call_aggregate(handler: Handler, config: WorkerConfig, table: pa.Table) -> pa.Array:
    """Return one value for each group; an instance of the handler accumulates the rows of the group."""
    columns = [table.column(i).to_pylist() for i in range(len(config["kinds"]))]
    values = []
    for group in zip(*columns):
        instance = handler()
        lists = [
            python_column(pa.array(items or [], None if items else pa.null()), kind)
            for items, kind in zip(group, config["kinds"])
        ]
        for row in zip(*lists):
            instance.accumulate(*row)
        values.append(instance.finish())
    return arrow_column(values, config["output_kinds"][0], arrow_type(config["output_types"][0]))


def call_table(
    handler: Handler, config: WorkerConfig, table: pa.Table, offsets: list[int], first_partition: int
) -> pa.Table:
    """Run a table function over consecutive partitions; source -1-p marks the end of partition p."""
    output = Output(config)
    end = getattr(handler, "end_partition", None)
    process = getattr(handler, "process", None)
    vectorized_end = getattr(end, "_sf_vectorized_input", None) is not None
    vectorized_process = getattr(process, "_sf_vectorized_input", None) is not None
    kinds, names = config["kinds"], config["names"]
    for number, (start, stop) in enumerate(itertools.pairwise(offsets)):
        part = table.slice(start, stop - start)
        at = -1 - (first_partition + number)
        try:
            instance = handler()
            if vectorized_end:
                output.frame(instance.end_partition(frame(part, kinds, names)), at)
                continue
            if vectorized_process:
                limit = getattr(process, "_sf_max_batch_size", None) or part.num_rows or 1
                for begin in range(0, part.num_rows, limit):
                    piece = part.slice(begin, limit)
                    sources = list(range(start + begin, start + begin + piece.num_rows))
                    output.frame(instance.process(frame(piece, kinds, names)), sources)
            elif process is not None:
                columns = [python_column(part.column(i), kind) for i, kind in enumerate(kinds)]
                rows = zip(*columns) if columns else [()] * part.num_rows
                skipped = null_rows(part) if config["strict"] and columns else itertools.repeat(False)
                for index, (skip, row) in enumerate(zip(skipped, rows)):
                    if skip:  # a strict function returns NULL for such a row
                        output.rows([(None,) * len(config["output_kinds"])], start + index)
                        continue
                    result = instance.process(*row)
                    if result is not None:
                        output.rows(result, start + index)
            if end is not None:
                result = instance.end_partition()
                if vectorized_process:
                    output.frame(result, at)
                elif result is not None:
                    output.rows(result, at)
        except Exception as error:
            cast(Any, error).snowpipe_partition = first_partition + number
            raise
    return output.table()


def call_procedure(
    handler: Handler, config: WorkerConfig, table: pa.Table, state: State, channel: Channel
) -> Sent:
    """Call a procedure; if it returns a DataFrame, run it and return the id of its query."""
    caller = _CALLER

    def exchange(request: Mapping[str, object]) -> Message:
        channel.send(request)
        return channel.receive()

    session = caller.open_session(exchange, state)
    row = [python_column(table.column(i), kind)[0] for i, kind in enumerate(config["kinds"])]
    if config["strict"] and any(column[0].as_py() is None for column in table.columns):
        value = None
    else:
        value = handler(session, *row)
    if not config["output_types"] or config["names_out"]:
        if not hasattr(value, "_execute_and_get_query_id"):
            return {"ok": True, "type": repr(type(value))}, None
        return {"ok": True, "query_id": caller.run_table(value)}, None
    type_ = arrow_type(config["output_types"][0])
    return {"ok": True}, pa.table([arrow_column((value,), config["output_kinds"][0], type_)], names=["0"])


def _files_module() -> types.ModuleType:
    """Return a ``snowflake.snowpark.files`` module whose SnowflakeFile raises a clear error."""

    class SnowflakeFile:
        """The class for reading staged files in a function; it is not supported here."""

        @classmethod
        def open(cls, *arguments: object, **named: object) -> NoReturn:
            # Deliberately not supported, and refused with a message.
            raise NotImplementedError(
                "the embedded warehouse does not support SnowflakeFile in functions; Snowflake does. "
                "Declare the file under IMPORTS, or read it with session.file.get_stream in a procedure"
            )

        open_new_result = open

    module = types.ModuleType("snowflake.snowpark.files")
    cast(Any, module).SnowflakeFile = SnowflakeFile
    return module


def describe_error(error: BaseException) -> str:
    """Format the traceback from the first frame of the handler on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return "".join(lines).rstrip()


def work(channel: Channel) -> None:
    """Load the handler and answer requests until the warehouse closes the connection."""
    header, _ = channel.receive()
    config = cast("WorkerConfig", header)
    directory = config["import_directory"]
    sys._xoptions["snowflake_import_directory"] = directory
    if config["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (config["memory"], config["memory"]))
    host_path = tuple(sys.path)
    sys.path[:0] = [directory.rstrip("/"), *config["import_archives"]]
    module: Any = types.ModuleType("_snowflake")
    module.vectorized = _vectorized
    sys.modules["_snowflake"] = module
    sys.modules["snowflake.snowpark.files"] = _files_module()
    global _CALLER
    _CALLER = sys.modules.get("snowpipe_ml.local.client.procedure_session")
    confine(os.getcwd(), directory)
    Sandbox(config["blocked"], host_path).install()
    try:
        handler = load_handler(config)
    except BaseException as error:
        channel.send({"error": describe_error(error)})
        return
    channel.send({"ready": True})
    while True:
        request, table = channel.receive()
        set_time_zone(request["time_zone"])
        try:
            if request["call"] == "scalar":
                result = call_scalar(handler, config, table)
                channel.send({"ok": True}, pa.table([result], names=["0"]))
            elif request["call"] == "aggregate":
                result = call_aggregate(handler, config, table)
                channel.send({"ok": True}, pa.table([result], names=["0"]))
            elif request["call"] == "procedure":
                channel.send(*call_procedure(handler, config, table, request["state"], channel))
            else:
                answer = call_table(handler, config, table, request["offsets"], request["first"])
                channel.send({"ok": True}, answer)
        except Exception as error:
            channel.send(
                {"error": describe_error(error), "partition": getattr(error, "snowpipe_partition", None)}
            )


def set_time_zone(name: str) -> None:
    """Set the local time zone to that of the calling session; a worker serves several sessions.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-designing
    """
    if os.environ.get("TZ") != name:
        os.environ["TZ"] = name
        time.tzset()


def become_worker(descriptor: int, stderr: int, folder: str) -> NoReturn:
    """Set up the output and folder of the forked process, then serve requests."""
    os.setpgid(0, 0)  # so that it can be killed together with its child processes
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the warehouse handles Ctrl-C and ends its workers
    for target in (1, 2):
        os.dup2(stderr, target)
    os.close(stderr)
    os.chdir(folder)
    for name in (
        "PATH",
        "PYTHONPATH",
        "PYTHONHOME",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "SNOWPIPE_PACKAGE_ROOT",
    ):
        os.environ.pop(name, None)  # needed only to start the interpreter
    os.environ.update(TMPDIR=folder, HOME=folder, PATH=os.defpath)
    tempfile.tempdir = None
    code = 0
    try:
        work(Channel(socket.socket(fileno=descriptor)))
    except EOFError:
        pass  # the warehouse has closed the connection
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def main() -> None:
    """Run the fork server; forkserver.py is the client."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        with contextlib.suppress(ModuleNotFoundError):  # only installed packages can be declared
            importlib.import_module(name)
    # Handlers must not import from the folder of this package unless the package is installed there.
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    if os.environ.get("SNOWPIPE_PACKAGE_ROOT") == "added":
        sys.path[:] = [entry for entry in sys.path if entry != root]
    sys.path[:] = [entry for entry in sys.path if entry]
    time.tzset()
    workers: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
        if not data:  # the warehouse has ended, so its workers are no longer needed
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            return
        request = json.loads(data)
        if "fork" in request:
            pid = os.fork()
            if pid == 0:
                control.close()
                become_worker(descriptors[0], descriptors[1], request["fork"])
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.setpgid(pid, pid)  # also here: the worker may be killed before it does so itself
            workers.add(pid)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(json.dumps({"pid": pid}).encode())
        else:
            code = reap(request["wait"])
            workers.discard(request["wait"])
            control.send(json.dumps({"code": code}).encode())


def reap(pid: int) -> int | None:
    """Return the exit code of a worker once it has ended; None if it is still running after two seconds."""
    for _ in range(200):
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _vectorized(input: object, max_batch_size: int | None = None) -> Callable[[Marked], Marked]:
    """``_snowflake.vectorized``: mark a handler that takes DataFrames."""

    def mark(handler: Marked) -> Marked:
        marked = cast(Any, handler)
        marked._sf_vectorized_input = input
        marked._sf_max_batch_size = max_batch_size
        return handler

    return mark


if __name__ == "__main__":
    main()
