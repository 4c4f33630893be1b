"""TPC-H and TPC-DS on the embedded warehouse and on plain DuckDB: results, seconds of CPU, and loading.

Usage::

    tpcgen-cli tpcds parquet -s 1 --output-dir DATA        # from PyPI; tpch likewise
    python benchmarks/tpc.py DATA QUERIES [--only 32,92]

Both sides keep their tables in files. The seconds are of CPU, of all threads of the process.

DATA has a Parquet file for each table, QUERIES a file ``<number>.sql`` for each query. Neither is a part of
this project. A result is equal if its rows are, as sets, with numbers compared to five significant digits or
to one unit of the last digit: Snowflake's division has another scale than DuckDB's. DuckDB divides by zero;
the error that Snowflake has instead is told as such.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from snowpipe_ml.local import connect


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


Row = tuple[object, ...]


def ordered(rows: list[Row]) -> list[Row]:
    """Sort rows without regard to the last digits of their numbers."""

    def key(row: Row) -> list[str]:
        return [f"{float(v):.3e}" if isinstance(v, float | Decimal) else str(v) for v in row]

    return sorted(rows, key=key)


def is_same(wanted: object, found: object, unit: float) -> bool:
    """Compare values: numbers to five significant digits, or to one unit of the last digit."""
    numbers = int | float | Decimal
    if isinstance(wanted, numbers) and isinstance(found, numbers):
        return math.isclose(float(wanted), float(found), rel_tol=1e-5, abs_tol=unit)
    return str(wanted) == str(found)


def first_difference(wanted: list[Row], found: list[Row], scales: list[int | None]) -> object:
    """Return what is first different in two results; None if they are equal."""
    if len(wanted) != len(found):
        return f"{len(wanted)} rows, {len(found)} rows"
    units = [10.0**-scale if scale else 0.0 for scale in scales]
    for one, other in zip(ordered(wanted), ordered(found), strict=True):
        if len(one) != len(other) or not all(map(is_same, one, other, units)):
            return one, other
    return None


def load(cursor: Any, duck: duckdb.DuckDBPyConnection, file: Path) -> float:
    """Load a Parquet file with COPY; return the seconds."""
    columns = ", ".join(
        f"{name} {kind.replace('HUGEINT', 'NUMBER')}"
        for name, kind, *_ in duck.execute(f"DESCRIBE {file.stem}").fetchall()
    )
    cursor.execute(f"CREATE TABLE {file.stem} ({columns})")
    cursor.execute("CREATE STAGE IF NOT EXISTS files")
    cursor.execute(f"PUT 'file://{file}' @files AUTO_COMPRESS = FALSE")
    copy = (
        f"COPY INTO {file.stem} FROM @files/{file.name} FILE_FORMAT = (TYPE = PARQUET) "
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    )
    return seconds(lambda: cursor.execute(copy))[0]


def plain_load(duck: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Load a Parquet file with DuckDB, and write the table to its file."""
    duck.execute(f"CREATE TABLE {file.stem} AS FROM '{file}'")
    duck.execute("CHECKPOINT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--only", help="numbers of queries, separated by commas")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the loaded warehouse for the next run")
    arguments = parser.parse_args()

    folder = tempfile.TemporaryDirectory()
    duck = duckdb.connect(Path(folder.name) / "rival.duckdb")
    connection = connect(arguments.keep, database="TPC", schema="PUBLIC")
    cursor = connection.cursor()
    loaded = {row[1] for row in cursor.execute("SHOW TABLES").fetchall()}
    loads = [0.0, 0.0]
    for file in sorted(arguments.data.glob("*.parquet")):
        took = seconds(lambda f=file: plain_load(duck, f))[0]
        if file.stem.upper() not in loaded:
            loads[0] += took
            loads[1] += load(cursor, duck, file)
    if loads[0]:
        print(f"loading: DuckDB {loads[0]:.1f} s, COPY {loads[1]:.1f} s, {loads[1] / loads[0]:.2f}x")

    only = set(arguments.only.split(",")) if arguments.only else None
    totals, equal = [0.0] * 4, 0
    numbers = sorted((int(f.stem) for f in arguments.queries.glob("*.sql")), key=int)
    for number in numbers:
        if only is not None and str(number) not in only:
            continue
        text = (arguments.queries / f"{number}.sql").read_text()
        plain = text
        try:
            theirs, wanted = seconds(lambda t=plain: duck.execute(t).fetchall())
        except duckdb.Error:
            plain = sqlglot.transpile(text, read="snowflake", write="duckdb")[0]
            try:
                theirs, wanted = seconds(lambda t=plain: duck.execute(t).fetchall())
            except duckdb.Error as error:
                print(f"{number:>3}  not run by DuckDB: {str(error).splitlines()[0]}")
                continue
        try:
            ours, found = seconds(lambda t=text: cursor.execute(t).fetchall())
        except Exception as error:
            print(f"{number:>3}  {' '.join(str(error).split())[:150]}")
            continue
        different = first_difference(wanted, found, [column.scale for column in cursor.description])
        same = different is None
        equal += same
        # The same text again: its translation is kept.
        again = seconds(lambda t=text: cursor.execute(t).fetchall())[0]
        theirs_again = seconds(lambda t=plain: duck.execute(t).fetchall())[0]
        for place, took in enumerate((theirs, ours, theirs_again, again)):
            totals[place] += took
        ratio = ours / theirs
        if not same or ratio > 3:
            print(
                f"{number:>3}  {'equal' if same else 'DIFFERS'}  {theirs:.3f} s  {ours:.3f} s  "
                f"{ratio:.1f}x, again {again / theirs_again:.1f}x"
            )
            if not same:
                print(f"     {str(different)[:400]}")
    print(
        f"{equal} of {len(numbers)} equal; DuckDB {totals[0]:.1f} s, embedded {totals[1]:.1f} s, "
        f"{totals[1] / totals[0]:.2f}x; again "
        f"{totals[2]:.1f} s, {totals[3]:.1f} s, {totals[3] / totals[2]:.2f}x"
    )
    connection.close()
    duck.close()
    folder.cleanup()


if __name__ == "__main__":
    main()
