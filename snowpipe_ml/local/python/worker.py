"""What runs in a worker process. It is started as a script and imports nothing of this package.

Messages go over a socket, each a JSON header and an Arrow table: see ``pool.py`` for the other end.
"""

from __future__ import annotations

import builtins
import contextlib
import datetime
import decimal
import importlib
import importlib.abc
import itertools
import json
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
import types
from importlib.machinery import PathFinder

import pyarrow as pa

# A script has no package: what only procedures need is imported by its whole name, and only for them.
_HEADER = struct.Struct("<QQ")
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Channel:
    """Messages over a socket's file descriptor."""

    def __init__(self, descriptor):
        self.file = os.fdopen(descriptor, "r+b", buffering=0)

    def _read(self, size):
        pieces = bytearray()
        while len(pieces) < size:
            piece = self.file.read(size - len(pieces))
            if not piece:
                sys.exit(0)  # the warehouse is gone
            pieces += piece
        return bytes(pieces)

    def receive(self):
        head, body = _HEADER.unpack(self._read(_HEADER.size))
        header = json.loads(self._read(head))
        if not body:
            return header, None
        with pa.ipc.open_stream(pa.py_buffer(self._read(body))) as reader:
            return header, reader.read_all()

    def send(self, header, table=None):
        head = json.dumps(header).encode()
        body = b""
        if table is not None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            body = sink.getvalue()
        self._write(_HEADER.pack(len(head), len(body)) + head)
        self._write(body)

    def _write(self, data):
        view = memoryview(data).cast("B")
        while view:
            view = view[self.file.write(view) :]


class Sandbox(importlib.abc.MetaPathFinder):
    """Lets only the standard library, the declared packages and the staged imports be imported."""

    def __init__(self, blocked, host_path):
        self.blocked = blocked
        self.host_path = host_path  # the interpreter's own entries of sys.path
        self.real_import = builtins.__import__

    def install(self):
        sys.meta_path[:] = [self if finder is PathFinder else finder for finder in sys.meta_path]
        builtins.__import__ = self.guarded_import

    def find_spec(self, name, path=None, target=None):
        """As the usual finder, but an undeclared package is looked for only among the function's own."""
        if path is None and name in self.blocked:
            return PathFinder.find_spec(name, self._own_path(), target)
        return PathFinder.find_spec(name, path, target)

    def invalidate_caches(self):
        PathFinder.invalidate_caches()

    def _own_path(self):
        """Imports, and folders that the function itself added to sys.path."""
        return [entry for entry in sys.path if entry not in self.host_path]

    def guarded_import(self, name, globals=None, locals=None, fromlist=(), level=0):
        top = name.partition(".")[0]
        # Modules that this script loaded for itself are in sys.modules already, where no finder is
        # asked; so an import from the user's own code is checked here as well.
        if (
            level == 0
            and top in self.blocked
            and self._is_users(globals)
            and PathFinder.find_spec(top, self._own_path()) is None
        ):
            raise self._explained(ModuleNotFoundError(f"No module named '{top}'", name=top), top)
        try:
            return self.real_import(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            raise self._explained(error, (error.name or "").partition(".")[0]) from None

    def _is_users(self, globals):
        file = (globals or {}).get("__file__") or ""
        return (globals or {}).get("__name__") == "_udf_code" or not file.startswith((*self.host_path, _PACKAGE))

    def _explained(self, error, top):
        """Snowflake's error, with what to do about it added."""
        if top in self.blocked and "declare" not in error.msg:
            error.msg += f" (declare the package '{self.blocked[top]}' for this function, or stage it and import it)"
        return error


def load_handler(config):
    """The handler: a function or a class, from inline code or from a staged module."""
    name = config["handler"]
    if config["body"] is not None:
        module = types.ModuleType("_udf_code")
        module.__file__ = "_udf_code.py"
        sys.modules["_udf_code"] = module
        exec(compile(config["body"], "_udf_code.py", "exec"), module.__dict__)
        target = module
        parts = name.split(".")
    else:
        module_name, _, attribute = name.rpartition(".")
        target = importlib.import_module(module_name)
        parts = [attribute]
    for part in parts:
        target = getattr(target, part)
    return target


# --------------------------------------------------------------------------- values in


def python_column(column, kind):
    """An Arrow column as the Python values a row handler gets."""
    values = column.to_pylist()
    if kind in ("VARIANT", "OBJECT", "ARRAY"):
        return [None if v is None else json.loads(v) for v in values]
    if kind == "INT":
        return [None if v is None else int(v) for v in values]
    if kind == "TIMESTAMP_TZ":
        return [None if v is None else datetime.datetime.fromisoformat(v) for v in values]
    return values


def series(column, kind, narrow=False):
    """An Arrow column as the pandas Series a vectorized handler gets."""
    import pandas as pd

    if kind in ("VARIANT", "OBJECT", "ARRAY"):
        return pd.Series(python_column(column, kind), dtype=object)
    if kind == "INT":
        column = column.cast(pa.int64())
        if column.null_count:
            return column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        values = column.to_pandas()
        # A vectorized UDF gets the smallest width that holds its batch: Snowpark's suite says so.
        return pd.to_numeric(values, downcast="integer") if narrow else values
    if kind == "BOOLEAN":
        return column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if kind == "DATE":
        return pd.to_datetime(pd.Series(column.to_pandas(date_as_object=True)))
    if kind == "TIME":
        return column.cast(pa.int64()).cast(pa.duration("us")).to_pandas()
    if kind == "TIMESTAMP_TZ":
        return pd.Series(python_column(column, kind), dtype=object)
    return column.to_pandas()


def frame(table, kinds, names, narrow=False):
    """A slice of the input as a DataFrame with the arguments' names."""
    import pandas as pd

    data = {i: series(table.column(i), kind, narrow) for i, kind in enumerate(kinds)}
    result = pd.DataFrame(data, index=range(table.num_rows))
    result.columns = names
    return result


# --------------------------------------------------------------------------- values out


def arrow_column(values, kind, type_):
    """Python values or a Series as an Arrow column of the declared type."""
    if kind in ("VARIANT", "OBJECT", "ARRAY"):
        values = [None if _is_null(v) else json.dumps(v, default=str) for v in values]
        return pa.array(values, pa.string())
    if kind == "TIMESTAMP_TZ":
        return pa.array([None if _is_null(v) else _aware(v).isoformat() for v in values], pa.string())
    if type(values).__module__.startswith("pandas"):
        array = pa.Array.from_pandas(values)
    else:
        values = list(values)
        if pa.types.is_string(type_):
            values = [None if v is None else v if isinstance(v, str) else str(v) for v in values]
        elif pa.types.is_decimal(type_):
            values = [None if v is None else _decimal(v, type_.scale) for v in values]
        elif pa.types.is_date(type_):
            values = [v.date() if isinstance(v, datetime.datetime) else v for v in values]
        array = pa.array(values)  # a float's NaN stays NaN
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.type == type_:
        return array
    if pa.types.is_decimal(array.type) and pa.types.is_integer(type_):
        return array.cast(pa.decimal128(38, 0)).cast(type_)
    if pa.types.is_duration(array.type) and pa.types.is_time(type_):
        return array.cast(pa.duration("us")).cast(pa.int64()).cast(type_)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(array.type) and pa.types.is_date(type_):
        return array.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    if pa.types.is_floating(array.type) and pa.types.is_integer(type_):
        return array.cast(type_, safe=True)
    return array.cast(type_)


def _aware(value):
    if value.tzinfo is None:
        raise TypeError(f"a TIMESTAMP_TZ needs a datetime with a time zone: {value!r}")
    return value


def _decimal(value, scale):
    return decimal.Decimal(str(value)).quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)


def arrow_type(name):
    """The Arrow type that the warehouse names."""
    if name.startswith("decimal128"):
        return pa.decimal128(*(int(n) for n in name[11:-1].split(",")))
    return pa.type_for_alias(name)


def _is_null(value):
    return value is None or (isinstance(value, float) and value != value)


class Output:
    """Collects a table function's rows: for each, the source row, or the partition if at its end."""

    def __init__(self, config):
        self.kinds = config["output_kinds"]
        self.types = [arrow_type(name) for name in config["output_types"]]
        self.pieces = []

    def rows(self, rows, source):
        rows = list(rows)
        if not rows:
            return
        for row in rows:
            if len(row) != len(self.kinds):
                raise ValueError(f"a row of {len(row)} values where {len(self.kinds)} columns are declared: {row!r}")
        self._add(list(zip(*rows)), [source] * len(rows))

    def frame(self, result, sources):
        """A DataFrame, a tuple of Series or arrays, or a generator of these."""
        if result is None:
            return
        if isinstance(result, types.GeneratorType):
            for piece in result:
                self.frame(piece, sources)
            return
        if hasattr(result, "columns"):
            columns = [result.iloc[:, i] for i in range(result.shape[1])]
        elif isinstance(result, tuple):
            columns = list(result)
        else:
            columns = [result]
        if len(columns) != len(self.kinds):
            raise ValueError(f"{len(columns)} columns returned where {len(self.kinds)} are declared")
        count = len(columns[0])
        self._add(columns, sources if not isinstance(sources, int) else [sources] * count)

    def _add(self, columns, sources):
        arrays = [arrow_column(column, kind, type_) for column, kind, type_ in zip(columns, self.kinds, self.types)]
        self.pieces.append(
            pa.table([pa.array(sources, pa.int64()), *arrays], names=[str(i) for i in range(len(arrays) + 1)])
        )

    def table(self):
        if self.pieces:
            return pa.concat_tables(self.pieces, promote_options="permissive")
        arrays = [pa.array([], t) for t in (pa.int64(), *self.types)]
        return pa.table(arrays, names=[str(i) for i in range(len(arrays))])


# --------------------------------------------------------------------------- calling


def call_scalar(handler, config, table):
    """One value a row; a vectorized handler gets all rows as a DataFrame."""
    kinds = config["kinds"]
    type_ = arrow_type(config["output_types"][0])
    if getattr(handler, "_sf_vectorized_input", None) is not None:
        limit = getattr(handler, "_sf_max_batch_size", None) or table.num_rows or 1
        pieces = []
        for start in range(0, table.num_rows, limit):
            data = frame(table.slice(start, limit), kinds, list(range(len(kinds))), narrow=True)
            piece = arrow_column(handler(data), config["output_kinds"][0], type_)
            # A handler without arguments cannot know how many rows are asked for.
            pieces.append(piece if kinds or len(piece) != 1 else pa.repeat(piece[0], len(data)))
        return pa.chunked_array(pieces, type_)
    columns = [python_column(table.column(i), kind) for i, kind in enumerate(kinds)]
    rows = zip(*columns) if columns else [()] * table.num_rows
    if config["strict"]:
        values = [None if any(v is None for v in row) else handler(*row) for row in rows]
    else:
        values = [handler(*row) for row in rows]
    return arrow_column(values, config["output_kinds"][0], type_)


def call_aggregate(handler, config, table):
    """One value a group: its rows are accumulated in an instance of the handler."""
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


def call_table(handler, config, table, offsets, first_partition):
    """A table function over consecutive partitions; source -1-p marks the end of partition p."""
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
                for index, row in enumerate(rows):
                    if config["strict"] and any(v is None for v in row):
                        continue
                    result = instance.process(*row)
                    if result is not None:
                        output.rows(result, start + index)
            if end is not None:
                result = instance.end_partition()
                if result is not None:
                    output.rows(result, at)
        except Exception as error:
            error.snowpipe_partition = first_partition + number
            raise
    return output.table()


def call_procedure(handler, config, table, state, channel):
    """One call; a DataFrame is run, and the id of its query is what the caller gets."""
    caller = sys.modules["snowpipe_ml.local.python.caller"]

    def exchange(request):
        channel.send(request)
        return channel.receive()

    session = caller.open_session(exchange, state)
    row = [python_column(table.column(i), kind)[0] for i, kind in enumerate(config["kinds"])]
    if config["strict"] and any(value is None for value in row):
        value = None
    else:
        value = handler(session, *row)
    if not config["output_types"] or config["names_out"]:
        if not hasattr(value, "_execute_and_get_query_id"):
            return {"ok": True, "type": repr(type(value))}, None
        return {"ok": True, "query_id": caller.run_table(value)}, None
    type_ = arrow_type(config["output_types"][0])
    return {"ok": True}, pa.table([arrow_column([value], config["output_kinds"][0], type_)], names=["0"])


def describe_error(error):
    """The traceback from the handler's first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return "".join(lines).rstrip()


def work(channel):
    """Load the handler, and answer requests until the warehouse is gone."""
    config, _ = channel.receive()
    directory = config["import_directory"]
    sys._xoptions["snowflake_import_directory"] = directory
    if config["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (config["memory"], config["memory"]))
    host_path = tuple(sys.path)
    sys.path[:0] = [directory.rstrip("/"), *config["import_archives"]]
    module = types.ModuleType("_snowflake")
    module.vectorized = _vectorized
    sys.modules["_snowflake"] = module
    Sandbox(config["blocked"], host_path).install()
    try:
        handler = load_handler(config)
    except BaseException as error:
        channel.send({"error": describe_error(error)})
        return
    channel.send({"ready": True})
    while True:
        request, table = channel.receive()
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
            channel.send({"error": describe_error(error), "partition": getattr(error, "snowpipe_partition", None)})


def become_worker(descriptor, stderr, folder):
    """In the forked process: its own output and folder, then work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the warehouse, which ends its workers
    for target in (1, 2):
        os.dup2(stderr, target)
    os.close(stderr)
    os.chdir(folder)
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None
    code = 0
    try:
        work(Channel(descriptor))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def main():
    """The fork server: see forkserver.py for the other end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[:] = [entry for entry in sys.path if entry and entry != os.path.dirname(os.path.abspath(__file__))]
    for name in sys.argv[2:]:
        with contextlib.suppress(ModuleNotFoundError):  # what is not installed cannot be declared either
            importlib.import_module(name)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
        if not data:
            return  # the warehouse is gone
        request = json.loads(data)
        if "fork" in request:
            pid = os.fork()
            if pid == 0:
                control.close()
                become_worker(*descriptors, request["fork"])
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(json.dumps({"pid": pid}).encode())
        else:
            control.send(json.dumps({"code": reap(request["wait"])}).encode())


def reap(pid):
    """A worker's exit code, once it has ended; None where it goes on."""
    for _ in range(200):
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _vectorized(input, max_batch_size=None):
    """``_snowflake.vectorized``: marks a handler that takes DataFrames."""

    def mark(handler):
        handler._sf_vectorized_input = input
        handler._sf_max_batch_size = max_batch_size
        return handler

    return mark


if __name__ == "__main__":
    main()
