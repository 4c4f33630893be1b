"""COPY INTO a stage, and COPY FILES between stages.

https://docs.snowflake.com/en/sql-reference/sql/copy-into-location
"""

from __future__ import annotations

import os
import shutil
import uuid

from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.core import errors, private
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.values import Options, list_option, number_option, text_option
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.files.text_unloading import TextWriter
from snowpipe_ml.local.statements.base import Statement
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.compiled import consuming
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler

_OPTIONS = {
    "FILE_FORMAT",
    "OVERWRITE",
    "SINGLE",
    "MAX_FILE_SIZE",
    "INCLUDE_QUERY_ID",
    "DETAILED_OUTPUT",
    "HEADER",
    "PARTITION",
    "VALIDATION_MODE",
}
# Options of Snowflake that are refused by name.
_KNOWN = {"CREDENTIALS", "ENCRYPTION", "STORAGE_INTEGRATION"}
_ENDINGS = {"GZIP": ".gz", "AUTO": ".gz", "NONE": "", "ZSTD": ".zst"}
_CSV_OPTIONS = {
    "TYPE",
    "COMPRESSION",
    "FIELD_DELIMITER",
    "RECORD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "NULL_IF",
    "EMPTY_FIELD_AS_NULL",
    "ESCAPE",
    "ESCAPE_UNENCLOSED_FIELD",
    "FILE_EXTENSION",
    "SKIP_HEADER",
    "ENCODING",
}


def unload(statement: Statement) -> Result:
    """``COPY INTO @stage/path FROM table | (query) options``: write one file."""
    session, reader = statement.session, statement.reader
    reader.expect("COPY", "INTO")
    stage, path = find_stage(session, reader.stage())
    reader.expect("FROM")
    query = _source(reader)
    if reader.looking_at("PARTITION", "BY"):
        raise errors.UnsupportedError("PARTITION BY in COPY INTO a stage")
    bare = reader.looking_at("HEADER") and not reader.looking_at("HEADER", "=")
    options = {**({"HEADER": True} if bare and reader.accept("HEADER") else {}), **reader.options()}
    reader.end()
    for key in sorted(set(options) - _OPTIONS):
        if key in _KNOWN:
            raise errors.UnsupportedError(f"COPY INTO a stage with {key}")
        raise errors.syntax(f"syntax error unexpected '{key}'.")
    if options.get("VALIDATION_MODE"):
        raise errors.UnsupportedError("VALIDATION_MODE in COPY INTO a stage")
    fmt = file_format(session, options.get("FILE_FORMAT"), stage)
    kind = str(fmt.get("TYPE") or "CSV").upper()
    compression = str(fmt.get("COMPRESSION", "AUTO") or "NONE").upper()
    name = _name(path, options, statement.query_id, kind, compression, fmt)
    target = stage.file(name)
    if target.exists() and not options.get("OVERWRITE"):
        raise errors.error(
            1036,
            "22000",
            f"Files already existing at the unload destination: @{stage.name}/{name}. Use overwrite option "
            "to force unloading.",
        )
    if stage.external:
        target.parent.mkdir(parents=True, exist_ok=True)
    else:
        private.make_folder(target.parent)
    aside = (
        stage.links / f"{uuid.uuid4().hex}.uploading"
    )  # the folder is emptied when the warehouse is opened
    try:
        count, plain = _write(statement, query, kind, compression, fmt, options, str(aside))
        _check_size(options, aside.stat().st_size if count else 0)
        if count and stage.external:
            shutil.copyfile(aside, target)
        elif count:
            private.restrict(aside)
            os.replace(aside, target)
    finally:
        private.remove(aside)
    size = target.stat().st_size if count else 0
    if options.get("DETAILED_OUTPUT"):
        return rows(
            [("FILE_NAME", "VARCHAR"), ("FILE_SIZE", "BIGINT"), ("ROW_COUNT", "BIGINT")],
            [(name, size, count)],
        )
    return rows(
        [("rows_unloaded", "BIGINT"), ("input_bytes", "BIGINT"), ("output_bytes", "BIGINT")],
        [(count, plain or size, size)],
    )


def _check_size(options: Options, size: int) -> None:
    """Refuse a file that is longer than MAX_FILE_SIZE, which Snowflake splits.

    Raises:
        ProgrammingError: SINGLE allows no second file.
        UnsupportedError: Snowflake would write several files.
    """
    most = number_option(options, "MAX_FILE_SIZE", 0)
    if not most or size <= most:
        return
    if options.get("SINGLE"):
        raise errors.error(
            100095,
            "22000",
            f"Max file size ({most:g}) exceeded for unload single file mode. Please increase MAX_FILE_SIZE copy "
            "option.",
        )
    raise errors.UnsupportedError(
        f"unloading to several files: {size} bytes are more than MAX_FILE_SIZE", "Raise MAX_FILE_SIZE"
    )


def _source(reader: Reader) -> str:
    """Parse a table name or a query in parentheses; return it as a query."""
    if not reader.accept("("):
        start = reader.peek().start
        reader.name()
        return f"SELECT * FROM {reader.text[start : reader.tokens[reader.index - 1].end]}"
    start, depth = reader.peek().start, 1
    while True:
        token = reader.next()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return reader.text[start : token.start]


def _name(path: str, options: Options, query_id: str, kind: str, compression: str, fmt: Options) -> str:
    """``prefix`` -> ``prefix_0_0_0.csv.gz``, as Snowflake names the first file of an unload."""
    if options.get("SINGLE"):
        return path if path and not path.endswith("/") else f"{path}data"
    ending = str(fmt.get("FILE_EXTENSION") or kind.lower()).lstrip(".")
    if kind == "PARQUET":
        packed = ".snappy" if compression in ("AUTO", "SNAPPY") else ""
        ending = f"{packed.lstrip('.')}.{ending}".lstrip(".")
    elif not fmt.get("FILE_EXTENSION"):
        ending += _ENDINGS.get(compression, "")
    prefix = path if path and not path.endswith("/") else f"{path}data"
    identity = f"_{query_id}" if options.get("INCLUDE_QUERY_ID") else ""
    return f"{prefix}{identity}_0_0_0.{ending}"


def _write(
    statement: Statement,
    text: str,
    kind: str,
    compression: str,
    fmt: Options,
    options: Options,
    path: str,
) -> tuple[int, int]:
    session = statement.session
    compiler = new_compiler(session, consuming=True)
    try:
        query = to_sql(compiler.compile(parse(text)))
        described = session.duck.execute(f"DESCRIBE {query}").fetchall()
        names = [row[0] for row in described]
        inner = f"({query}) AS q({', '.join(f'c{i}' for i in range(len(names)))})"
        if kind == "CSV":
            for key in set(fmt) - _CSV_OPTIONS:
                raise errors.UnsupportedError(f"{key} in COPY INTO a stage")
            if compression not in _ENDINGS:
                raise errors.UnsupportedError(f"COMPRESSION = {compression} in COPY INTO a stage")
            texts = [f"CAST({_text_of(f'c{i}', row[1])} AS VARCHAR)" for i, row in enumerate(described)]
            records = TextWriter(fmt).query(texts, inner, names if options.get("HEADER") else None)
            codec = {"AUTO": "gzip"}.get(compression, compression.lower())
            with consuming(session, compiler):
                row = session.duck.execute(
                    f"COPY ({records}) TO {literal(path)} (FORMAT blob, COMPRESSION {literal(codec)})"
                ).fetchone()
            return (int(row[0]) if row else 0) - bool(options.get("HEADER")), 0
        elif kind == "JSON":
            if len(names) != 1:
                raise errors.error(
                    2019,
                    "0A000",
                    "JSON file format can only unload one column of type VARIANT, OBJECT or ARRAY",
                )
            column = _standard_json("c0", described[0][1])
            with consuming(session, compiler):
                return _write_json(statement, f"SELECT {column}::VARCHAR FROM {inner}", compression, path)
        elif kind == "PARQUET":
            header = bool(options.get("HEADER"))
            listed = ", ".join(
                f"{_standard_json(f'c{i}', row[1])} AS {_quoted(row[0] if header else f'_COL_{i}')}"
                for i, row in enumerate(described)
            )
            codec = {"AUTO": "snappy", "NONE": "uncompressed", "LZO": "snappy"}.get(
                compression, compression.lower()
            )
            if compression == "LZO":
                raise errors.UnsupportedError("COMPRESSION = LZO in COPY INTO a stage")
            settings = f"FORMAT parquet, COMPRESSION {literal(codec)}"
        else:
            raise errors.UnsupportedError(f"COPY INTO a stage with files of type {kind}")
        with consuming(session, compiler):
            row = session.duck.execute(
                f"COPY (SELECT {listed} FROM {inner}) TO {literal(path)} ({settings})"
            ).fetchone()
        return (int(row[0]) if row else 0), 0
    finally:
        compiler.release()


def _text_of(column: str, duckdb: str) -> str:
    """Format a value as Snowflake writes it to a delimited file."""
    if duckdb.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%g')"
    if duckdb in ("DOUBLE", "FLOAT"):
        return f"_MACROS.main.sf_float_text({column})"
    if duckdb == "BLOB":
        return f"hex({column})"
    return _standard_json(column, duckdb)


def _standard_json(column: str, duckdb: str) -> str:
    """Return a VARIANT as JSON that any reader accepts; other values unchanged."""
    return f"_MACROS.main.sf_standard_json({column})" if duckdb == "JSON" else column


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _write_json(statement: Statement, query: str, compression: str, path: str) -> tuple[int, int]:
    """Write one record on each line."""
    import gzip

    _, table = select(statement.session, query)
    lines = [line for line in table.column(0).to_pylist() if line is not None]
    data = "".join(f"{line}\n" for line in lines).encode()
    with open(path, "wb") as file:
        file.write(data if compression == "NONE" else gzip.compress(data, mtime=0))
    return len(lines), len(data)


def copy_files(statement: Statement) -> Result:
    """``COPY FILES INTO @stage/path FROM @stage/path [FILES = (...)] [PATTERN = 'x']``."""
    session, reader = statement.session, statement.reader
    reader.expect("COPY", "FILES", "INTO")
    target, folder = find_stage(session, reader.stage())
    reader.expect("FROM")
    if reader.looking_at("("):
        raise errors.UnsupportedError(
            "COPY FILES from a query", "Name the files: FILES = (...) or PATTERN = '...'"
        )
    source, path = find_stage(session, reader.stage())
    options = reader.options()
    reader.end()
    for key in sorted(set(options) - {"DETAILED_OUTPUT", "FILES", "PATTERN"}):
        raise errors.syntax(f"syntax error unexpected '{key}'.")
    pattern, listed = text_option(options, "PATTERN"), list_option(options, "FILES")
    files = source.listed(path, listed, pattern) if listed else source.files(path, pattern)
    # Files keep their path relative to the source folder.
    base = path if path.endswith("/") or not path else path.rpartition("/")[0] + "/"
    done = []
    for file in files:
        relative = file.relative.removeprefix(base).lstrip("/")
        place = target.file(f"{folder.rstrip('/')}/{relative}".lstrip("/"))
        private.make_folder(place.parent)
        aside = source.links / f"{uuid.uuid4().hex}.uploading"
        try:
            private.copy_file(file.source, aside)
            os.replace(aside, place)
        finally:
            private.remove(aside)
        done.append((place.relative_to(target.folder.resolve()).as_posix(),))
    if options.get("DETAILED_OUTPUT") is False:
        return rows([("numOfFilesCopied", "BIGINT")], [(len(done),)])
    return rows([("file", "VARCHAR")], done)
