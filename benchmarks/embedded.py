"""Compare the embedded warehouse with alternatives: ratios, each measured in one run on the same data.

    python benchmarks/embedded.py                      # all benchmarks, without the slow local testing mode
    python benchmarks/embedded.py --local-testing      # with Snowflake's local testing mode: many minutes
    python benchmarks/embedded.py --only lags copy     # only some benchmarks

Most figures are the best of several measurements, because the best is the least disturbed by other load.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import duckdb

import snowpipe_ml
from snowpipe_ml.local.python.registry import functions_of

Row = tuple[str, str, str, str]
_ROWS: list[Row] = []


def best(run: Callable[[], Any], times: int = 3) -> float:
    """The seconds of the fastest of several runs."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def report(what: str, ours: str, rival: str, ratio: str) -> None:
    """Record a result row and print it immediately."""
    _ROWS.append((what, ours, rival, ratio))
    print(f"{what:62} {ours:>16} {rival:>16}   {ratio}", flush=True)


_MAKE = """CREATE OR REPLACE TABLE {name} AS SELECT (i % 500)::BIGINT AS "STATION", (i // 500)::BIGINT AS "DAY",
(hash(i) % 1000)::BIGINT AS "N" FROM range({rows}) t(i)"""
_PLAIN = """CREATE OR REPLACE TABLE out AS SELECT *, lag(n, 1) OVER w AS l1, lag(n, 7) OVER w AS l7, lag(n, 14) OVER w AS l14,
lag(n, 28) OVER w AS l28 FROM (SELECT station, day, sum(n) AS n FROM t GROUP BY station, day)
WINDOW w AS (PARTITION BY station ORDER BY day)"""


def features(table: Any) -> Any:
    """A group-by and four lags, written in Snowpark."""
    from snowflake.snowpark import Window
    from snowflake.snowpark.functions import col, lag, sum

    daily = table.group_by("STATION", "DAY").agg(sum(col("N")).alias("N"))
    window = Window.partition_by("STATION").order_by("DAY")
    return daily.select(
        "STATION", "DAY", "N", *(lag(col("N"), n).over(window).alias(f"L{n}") for n in (1, 7, 14, 28))
    )


def lags(local_testing: bool) -> None:
    """Compare features with plain DuckDB on 5 million rows, and with local testing on 100,000."""
    session = snowpipe_ml.local_session()
    duck = session._conn._conn.session.duck
    rows = 5_000_000
    duck.execute(_MAKE.format(name='"LOCAL"."PUBLIC"."T"', rows=rows))
    with tempfile.TemporaryDirectory() as folder:
        plain = duckdb.connect(f"{folder}/plain.duckdb")
        plain.execute(_MAKE.format(name="t", rows=rows))
        rival = best(lambda: plain.execute(_PLAIN))
        plain.close()
    ours = best(
        lambda: features(session.table("T")).write.save_as_table(
            "OUT", mode="overwrite", table_type="temporary"
        )
    )
    report(
        "group-by and four lags, 5 M rows / plain DuckDB",
        f"{ours:.2f} s",
        f"{rival:.2f} s",
        f"{ours / rival:.2f}x (<= 1.5)",
    )
    if local_testing:
        duck.execute(_MAKE.format(name='"LOCAL"."PUBLIC"."SMALL"', rows=100_000))
        data = session.table("SMALL").to_pandas()
        ours = best(lambda: features(session.table("SMALL")).to_pandas(), 5)
        from snowflake.snowpark import Session

        mock = Session.builder.config("local_testing", True).create()
        table = mock.create_dataframe(data)
        start = time.perf_counter()
        features(table).to_pandas()
        rival = time.perf_counter() - start
        report(
            "the same, 100,000 rows / local testing mode",
            f"{ours:.2f} s",
            f"{rival:.0f} s",
            f"{rival / ours:.0f}x faster (>= 200)",
        )
    session.close()


_COLUMNS = "ride_id VARCHAR, started_at TIMESTAMP, ended_at TIMESTAMP, station VARCHAR, lat DOUBLE, lng DOUBLE, member BOOLEAN"
_TRIPS = """SELECT format('{{:016X}}', hash(i)) AS ride_id, TIMESTAMP '2021-01-01' + to_seconds(i * 7) AS started_at,
TIMESTAMP '2021-01-01' + to_seconds(i * 7 + 600) AS ended_at, 'JC' || lpad((i % 300)::VARCHAR, 3, '0') AS station,
40.7 + (i % 1000) / 10000 AS lat, {lng} AS lng, i % 2 = 0 AS member FROM range({start}, {end}) t(i)"""
_LNG = "-74.0 - (i % 1000) / 10000"
_CSV = "TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"


def write(folder: str, name: str, written: str, *, rows: int, files: int, lng: str = _LNG) -> list[str]:
    """Write trips to several files of a format; the names of the files."""
    paths = [f"{folder}/{number}_{name}" for number in range(files)]
    for number, path in enumerate(paths):
        start, end = number * rows // files, (number + 1) * rows // files
        duckdb.sql(f"COPY ({_TRIPS.format(lng=lng, start=start, end=end)}) TO '{path}' ({written})")
    return paths


def paired(ours: Callable[[], Any], rival: Callable[[], Any], times: int = 3) -> tuple[float, float]:
    """The seconds of the fastest of several runs of each, one after the other."""
    pairs = [(best(ours, 1), best(rival, 1)) for _ in range(times)]
    mine, theirs = zip(*pairs, strict=True)
    return min(mine), min(theirs)


def load(session: Any, place: str, options: str) -> Callable[[], Any]:
    """A COPY of the files of a folder into a new table."""

    def run() -> None:
        session.sql(f"CREATE OR REPLACE TABLE trips ({_COLUMNS.replace('DOUBLE', 'FLOAT')})").collect()
        session.sql(f"COPY INTO trips FROM @s/{place}/ {options}").collect()

    return run


def copy(_: bool) -> None:
    """Compare COPY of two million trips in CSV, gzipped CSV and Parquet with DuckDB's own readers."""
    described = ", ".join(f"'{c.split()[0]}': '{c.split()[1]}'" for c in _COLUMNS.split(", "))
    kinds = {
        "plain": ("CSV", "trips.csv", "FORMAT csv, HEADER false", "read_csv", 1.2),
        "gzipped": ("CSV", "trips.csv.gz", "FORMAT csv, HEADER false, COMPRESSION gzip", "read_csv", 1.2),
        "Parquet": ("Parquet", "trips.parquet", "FORMAT parquet", "read_parquet", 1.5),
    }
    with tempfile.TemporaryDirectory() as folder:
        plain = duckdb.connect(f"{folder}/plain.duckdb")
        session = snowpipe_ml.local_session(f"{folder}/warehouse")
        session.sql("CREATE STAGE s").collect()
        for place, (kind, name, written, reader, limit) in kinds.items():
            files = write(folder, name, written, rows=2_000_000, files=4)
            session.file.put(f"file://{folder}/*_{name}", f"@s/{place}", auto_compress=False)
            how = (
                f", header = false, auto_detect = false, delim = ',', quote = '\"', columns = {{{described}}}"
                if kind == "CSV"
                else ""
            )

            def rival(source: str = f"{reader}({files}{how})") -> None:
                plain.execute(f"CREATE OR REPLACE TABLE trips ({_COLUMNS})")
                plain.execute(f"INSERT INTO trips SELECT * FROM {source}")
                plain.execute("CHECKPOINT")

            options = f"FILE_FORMAT = ({_CSV})"
            if kind == "Parquet":
                options = "FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
            mine, theirs = paired(load(session, place, options), rival)
            report(
                f"COPY of 2 M trips in 4 {place} files / DuckDB {reader}",
                f"{mine:.2f} s",
                f"{theirs:.2f} s",
                f"{mine / theirs:.2f}x (<= {limit})",
            )
        session.close()
        plain.close()


def rejects(_: bool) -> None:
    """Compare COPY of a million rows that are rejected with a million that are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        session = snowpipe_ml.local_session(f"{folder}/warehouse")
        session.sql("CREATE STAGE s").collect()
        for place, lng in (("good", _LNG), ("bad", "'x' || i")):
            write(folder, f"{place}.csv", "FORMAT csv, HEADER false", rows=1_000_000, files=1, lng=lng)
            session.file.put(f"file://{folder}/*_{place}.csv", f"@s/{place}", auto_compress=False)
        options = f"FILE_FORMAT = ({_CSV}) ON_ERROR = CONTINUE"
        bad, good = paired(load(session, "bad", options), load(session, "good", options))
        report(
            "COPY of 1 M rejected rows / of 1 M loaded rows",
            f"{bad:.2f} s",
            f"{good:.2f} s",
            f"{bad / good:.2f}x (<= 2)",
        )
        session.close()


_UDF = """CREATE OR REPLACE FUNCTION plus(x FLOAT) RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('pandas')
HANDLER = 'h' AS $$
from _snowflake import vectorized
import pandas
@vectorized(input=pandas.DataFrame)
def h(df):
    return df[0] * 2 + 1
$$"""
_UDTF = """CREATE OR REPLACE FUNCTION total(g INT, x FLOAT) RETURNS TABLE (total FLOAT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11'
PACKAGES = ('pandas') HANDLER = 'H' AS $$
from _snowflake import vectorized
import pandas
class H:
    @vectorized(input=pandas.DataFrame)
    def end_partition(self, df):
        return pandas.DataFrame({'t': [df['X'].sum()]})
$$"""
_BUSY = """CREATE OR REPLACE FUNCTION busy(g INT) RETURNS TABLE (n INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'H' AS $$
class H:
    def process(self, g):
        total = 0
        for i in range(4_000_000):
            total += i & 3
        yield (total,)
$$"""


def functions(_: bool) -> None:
    """Measure a vectorized UDF, a UDTF over many partitions, and the speedup by a second worker."""
    import pandas as pd

    session = snowpipe_ml.local_session()
    session._conn._conn.session.duck.execute(
        'CREATE TABLE "LOCAL"."PUBLIC"."T" AS SELECT (i % 1000)::BIGINT AS "G", i::DOUBLE AS "X" FROM range(1000000) t(i)'
    )
    frame = pd.DataFrame({"G": range(1_000_000), "X": range(1_000_000)}).assign(
        G=lambda d: d.G % 1000, X=lambda d: d.X * 1.0
    )
    for text in (_UDF, _UDTF, _BUSY):
        session.sql(text).collect()
    session.sql("SELECT SUM(plus(x)) FROM (SELECT x FROM T LIMIT 10)").collect()
    ours = best(lambda: session.sql("SELECT SUM(plus(x)) FROM T").collect())
    rival = best(lambda: (frame["X"] * 2 + 1).sum())
    report(
        "a vectorized UDF over 1 M rows / pandas in one process",
        f"{1 / ours:.1f} M rows/s",
        f"{1 / rival:.0f} M rows/s",
        f"{ours / rival:.0f}x the time",
    )
    query = "SELECT COUNT(*) FROM T, TABLE(total(g, x) OVER (PARTITION BY g))"
    session.sql(query).collect()
    ours = best(lambda: session.sql(query).collect())
    rival = best(lambda: [float(part["X"].sum()) for _, part in frame.groupby("G")])
    report(
        "1,000 partitions through a vectorized UDTF / pandas groupby",
        f"{ours:.2f} ms each",
        f"{rival:.2f} ms each",
        f"{ours / rival:.1f}x the time",
    )
    registry = functions_of(session._conn._conn.storage)
    query = "SELECT COUNT(*) FROM (SELECT DISTINCT g FROM T WHERE g < 16) a, TABLE(busy(a.g) OVER (PARTITION BY a.g))"
    times = {}
    for workers in (1, 2):
        registry.workers = workers
        session.sql(_BUSY.replace("& 3", f"& {workers}")).collect()
        session.sql(query).collect()
        times[workers] = best(lambda: session.sql(query).collect())
    report(
        "a CPU-bound UDTF: two workers / one",
        f"{times[2]:.2f} s",
        f"{times[1]:.2f} s",
        f"{times[1] / times[2]:.2f}x faster (>= 1.7)",
    )
    session.close()


_OPEN = """
import sys, time
import snowflake.snowpark, duckdb, snowpipe_ml.local.client.connect, snowpipe_ml.targets.local
import snowpipe_ml
start = time.perf_counter()
session = snowpipe_ml.local_session(sys.argv[1])
print(time.perf_counter() - start)
"""


_TAKE = """MERGE INTO copied USING (SELECT * FROM changes QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY
metadata$action DESC) = 1) AS c ON copied.id = c.id WHEN MATCHED AND c.metadata$action = 'DELETE' THEN DELETE
WHEN MATCHED THEN UPDATE SET station = c.station, name = c.name
WHEN NOT MATCHED THEN INSERT (id, station, name) VALUES (c.id, c.station, c.name)"""


def streams(_: bool) -> None:
    """Measure a MERGE of the 1,000 changed rows of a table with ten million, by the kind of change."""
    rows = 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        session = snowpipe_ml.local_session(folder)

        def run(text: str) -> None:
            session.sql(text).collect()

        run(
            f"CREATE TABLE raw AS SELECT SEQ8() AS id, MOD(SEQ8(), 900) AS station, 'ride ' || SEQ8() AS name "
            f"FROM TABLE(GENERATOR(ROWCOUNT => {rows}))"
        )
        run("CREATE TABLE copied AS SELECT * FROM raw")
        run("CREATE STREAM changes ON TABLE raw")
        changes = {
            "1,000 updated rows, spread over the table": "UPDATE raw SET station = station + 1 WHERE MOD(id, {step}) = {n}",
            "1,000 updated rows, one after the other": "UPDATE raw SET station = station + 1 WHERE FLOOR(id / 1000) = {n}",
            "1,000 new rows": "INSERT INTO raw SELECT {rows} + {n} * 1000 + SEQ8(), 1, 'new' FROM "
            "TABLE(GENERATOR(ROWCOUNT => 1000))",
            "1,000 deleted rows": "DELETE FROM raw WHERE FLOOR(id / 1000) = {n}",
        }
        for what, change in changes.items():
            found = []
            for number in range(3):
                run(change.format(n=number, step=rows // 1000, rows=rows))
                start = time.perf_counter()
                run(_TAKE)
                found.append(time.perf_counter() - start)
            report(f"a stream on 10 M rows, MERGE of {what}", f"{min(found):.2f} s", "", "(< 0.5 s)")
        same = session.sql(
            "SELECT COUNT(*) FROM ((SELECT * FROM raw EXCEPT SELECT * FROM copied) UNION ALL "
            "(SELECT * FROM copied EXCEPT SELECT * FROM raw))"
        ).collect()
        assert same[0][0] == 0, same
        session.close()


def opening(_: bool) -> None:
    """Measure opening an existing warehouse in a new process, and the smallest statement."""
    with tempfile.TemporaryDirectory() as folder:
        session = snowpipe_ml.local_session(folder)
        session.sql("CREATE TABLE t AS SELECT 1 AS a").collect()
        session.close()
        opened = min(
            float(
                subprocess.run(
                    [sys.executable, "-W", "ignore", "-c", _OPEN, folder],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(3)
        )
        report(
            "opening a Session on an existing warehouse, after imports",
            f"{opened * 1000:.0f} ms",
            "",
            "(< 300 ms)",
        )
        session = snowpipe_ml.local_session(folder)
        session.sql("SELECT 1").collect()
        start = time.perf_counter()
        for _ in range(200):
            session.sql("SELECT 1").collect()
        report(
            "SELECT 1 through Snowpark, mean of 200",
            f"{(time.perf_counter() - start) * 5:.1f} ms",
            "",
            "(< 5 ms)",
        )
        session.close()


def main() -> None:
    """Run the benchmarks, and print the results as a table for docs/benchmarks.md."""
    known = {
        "lags": lags,
        "copy": copy,
        "rejects": rejects,
        "functions": functions,
        "streams": streams,
        "opening": opening,
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=known, metavar="NAME", help=f"some of {', '.join(known)}"
    )
    parser.add_argument(
        "--local-testing", action="store_true", help="also measure Snowflake's local testing mode"
    )
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, Snowpark {version('snowflake-snowpark-python')}\n"
    )
    for name in arguments.only or known:
        known[name](arguments.local_testing)
    print("\n| what | embedded warehouse | alternative | ratio |\n| --- | --- | --- | --- |")
    for row in _ROWS:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
