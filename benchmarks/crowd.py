"""Let many processes use one embedded warehouse at the same time, and check that nothing is lost.

    python benchmarks/crowd.py [--seconds 300] [--writers 10] [--readers 20]

Each writer commits transactions over two tables, updates a counter that all writers share, and merges its row into a
table. Each reader reads both tables in one statement, in which they must be equal, and sums the counters. One process
adds and drops columns, replaces and renames a table, whose versions must be whole to the readers. Two pipelines run
again and again, and a process reads what the pages of the dashboard read. At the end, what was acknowledged is compared
with the tables; the times of the reads are printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Imported before forking: 34 processes that import at once would take most of the time.
import pandas  # noqa: F401 - see above
import snowflake.snowpark  # noqa: F401 - see above
import sqlglot  # noqa: F401 - see above

import snowpipe_ml.engine.run.run
import snowpipe_ml.local.client.proxy
import snowpipe_ml.local.python.registry
import snowpipe_ml.local.translate.functions as functions
import snowpipe_ml.steps.data.transform
import snowpipe_ml.targets.local  # noqa: F401 - see above
from snowpipe_ml import Pipeline
from snowpipe_ml.dashboard.data.source import open_source
from snowpipe_ml.local import connect

for family in pkgutil.iter_modules(functions.__path__, functions.__name__ + "."):
    importlib.import_module(family.name)

SPEC = """\
name: {name}
targets: {{local: {{type: local, path: w, database: D, schema: {name}}}}}
vars: {{word: none}}
steps:
  a:
    type: transform
    query: "SELECT SEQ4() AS N, {{{{ vars.word | literal }}}} AS S FROM TABLE(GENERATOR(ROWCOUNT => 40))"
    writes: a
  b: {{type: transform, query: "SELECT COUNT(*) AS N, S FROM {{{{ ref('a') }}}} GROUP BY S", writes: b}}
"""
PIPELINES = ("FIRST", "SECOND")
Run = Callable[[str], Any]
Times = list[float]


@dataclass(frozen=True)
class Crowd:
    """The processes.

    Attributes:
        folder: the warehouse `w`, the specs, and what each process tells at its end.
        seconds: how long they work.
    """

    folder: Path
    seconds: float

    def forked(self, name: str, act: Callable[[float], dict[str, Any]]) -> int:
        """Run a process until the time is over; it tells what it has done, or its error."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            found = act(time.monotonic() + self.seconds)
            code = 0
        except BaseException:
            found = {"error": traceback.format_exc()}
        finally:
            (self.folder / "told" / name).write_text(json.dumps(found))
            os._exit(code)

    def session(self, act: Callable[[Run, int], None], until: float) -> int:
        """Perform numbered acts on a connection until the time is over; return their number."""
        with connect(self.folder / "w", "D") as connection:
            done = 0
            while time.monotonic() < until:
                act(lambda text: connection.cursor().execute(text).fetchall(), done)
                done += 1
            return done

    def write(self, writer: int, until: float) -> dict[str, Any]:
        """Commit, update and merge."""

        def act(run: Run, k: int) -> None:
            run("BEGIN")
            run(f"INSERT INTO LEFT_SIDE VALUES ({writer}, {k})")
            run(f"INSERT INTO RIGHT_SIDE VALUES ({writer}, {k})")
            run("COMMIT")
            run("UPDATE COUNTER SET N = N + 1")
            run(
                f"MERGE INTO MERGED USING (SELECT {writer} AS ID, {k} AS V) AS S ON MERGED.ID = S.ID "
                "WHEN MATCHED THEN UPDATE SET V = S.V WHEN NOT MATCHED THEN INSERT (ID, V) VALUES (S.ID, S.V)"
            )
            time.sleep(0.05)

        return {"writes": self.session(act, until)}

    def read(self, reader: int, until: float) -> dict[str, Any]:
        """Read, and check that what is read belongs together."""
        chance, times, last = random.Random(reader), Times(), 0

        def act(run: Run, k: int) -> None:
            nonlocal last
            begin = time.perf_counter()
            ((left, right, sums, counted),) = run(
                "SELECT (SELECT COUNT(*) FROM LEFT_SIDE), (SELECT COUNT(*) FROM RIGHT_SIDE), "
                "(SELECT SUM(K) FROM LEFT_SIDE) - (SELECT SUM(K) FROM RIGHT_SIDE), (SELECT N FROM COUNTER)"
            )
            times.append(time.perf_counter() - begin)
            assert (left, sums or 0) == (right, 0), (
                f"a reader sees {left} and {right} rows, whose sums differ by {sums}"
            )
            assert counted >= last, f"the counter goes back from {last} to {counted}"
            last = counted
            if k % 5 == 0:
                ((rows, low, high),) = run("SELECT COUNT(*), MIN(K), MAX(K) FROM CHANGED")
                assert (rows, low) == (50, high), f"half a table: {rows} rows from {low} to {high}"
            time.sleep(chance.uniform(0, 0.2))

        self.session(act, until)
        return {"reads": len(times), "times": times}

    def change(self, until: float) -> dict[str, Any]:
        """Replace, alter and rename tables."""

        def act(run: Run, k: int) -> None:
            run(f"CREATE OR REPLACE TABLE CHANGED AS SELECT {k} AS K FROM TABLE(GENERATOR(ROWCOUNT => 50))")
            run(f"ALTER TABLE MERGED ADD COLUMN C{k} INT")
            run(f"ALTER TABLE MERGED DROP COLUMN C{k}")
            run(f"CREATE TABLE OTHER AS SELECT {k} AS K")
            run("ALTER TABLE OTHER RENAME TO RENAMED")
            run("DROP TABLE RENAMED")
            time.sleep(0.1)

        return {"changes": self.session(act, until)}

    def run(self, name: str, until: float) -> dict[str, Any]:
        """Run a pipeline again and again."""
        done = 0
        while time.monotonic() < until:
            result = Pipeline.from_yaml(self.folder / f"{name}.yaml", vars={"word": f"w{done}"}).run()
            assert result.ok, {step.name: step.message for step in result.steps.values() if step.error}
            done += 1
        return {"runs": done}

    def look(self, until: float) -> dict[str, Any]:
        """Read what the pages of the dashboard read."""
        source = open_source(self.folder / f"{PIPELINES[0]}.yaml")
        times = Times()
        while time.monotonic() < until:
            begin = time.perf_counter()
            last = source.reader.rows(source.runs().last())
            if last:
                source.reader.rows(source.runs().steps(str(last[0]["RUN_ID"])))
            source.reader.rows(source.runs().metrics())
            times.append(time.perf_counter() - begin)
            time.sleep(0.5)
        return {"pages": len(times), "times": times}


def prepare(folder: Path) -> None:
    """Create the tables and the specs."""
    (folder / "told").mkdir()
    for name in PIPELINES:
        (folder / f"{name}.yaml").write_text(SPEC.format(name=name))
    child = os.fork()
    if not child:
        with connect(folder / "w", "D") as connection:
            for text in (
                "CREATE TABLE LEFT_SIDE (W INT, K INT)",
                "CREATE TABLE RIGHT_SIDE (W INT, K INT)",
                "CREATE TABLE COUNTER AS SELECT 0 AS N",
                "CREATE TABLE MERGED (ID INT, V INT)",
                "CREATE TABLE CHANGED AS SELECT 0 AS K FROM TABLE(GENERATOR(ROWCOUNT => 50))",
            ):
                connection.cursor().execute(text)
        for name in PIPELINES:
            assert Pipeline.from_yaml(folder / f"{name}.yaml").run().ok
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def lost(folder: Path, writes: dict[int, int]) -> list[str]:
    """Compare the tables with what was acknowledged."""
    wrong = []
    with connect(folder / "w", "D") as connection:

        def run(text: str) -> Any:
            return connection.cursor().execute(text).fetchall()

        for side in ("LEFT_SIDE", "RIGHT_SIDE"):
            found = {
                int(w): (n, d, m)
                for w, n, d, m in run(f"SELECT W, COUNT(*), COUNT(DISTINCT K), MAX(K) FROM {side} GROUP BY W")
            }
            wanted = {writer: (count, count, count - 1) for writer, count in writes.items() if count}
            wrong += [f"{side}: {found} instead of {wanted}"] if found != wanted else []
        ((counted,),) = run("SELECT N FROM COUNTER")
        wrong += (
            [f"the counter is {counted} after {sum(writes.values())} updates"]
            if counted != sum(writes.values())
            else []
        )
        merged = {int(i): v for i, v in run("SELECT ID, V FROM MERGED")}
        wrong += [f"merged: {merged}"] if merged != {w: n - 1 for w, n in writes.items() if n} else []
        for name in PIPELINES:
            if run(f"SELECT COUNT(*), COUNT(DISTINCT S) FROM {name}.A") != [(40, 1)]:
                wrong.append(f"the table of {name} is not whole")
        held = run("SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS WHERE RUN_ID IS NOT NULL")
        wrong += [f"locks are left: {held}"] if held else []
    return wrong


def percentile(times: Times, part: float) -> float:
    """A percentile of times, in milliseconds."""
    return 1000 * sorted(times)[min(len(times) - 1, int(part * len(times)))]


def main() -> int:
    """Run the processes, and print the figures; return whether something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--writers", type=int, default=10)
    parser.add_argument("--readers", type=int, default=20)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crowd-"))
    try:
        prepare(folder)
        crowd = Crowd(folder, options.seconds)
        acts: dict[str, Callable[[float], dict[str, Any]]] = {
            **{f"writer {n}": partial(crowd.write, n) for n in range(options.writers)},
            **{f"reader {n}": partial(crowd.read, n) for n in range(options.readers)},
            "changer": crowd.change,
            **{f"pipeline {name}": partial(crowd.run, name) for name in PIPELINES},
            "dashboard": crowd.look,
        }
        for child in [crowd.forked(name, act) for name, act in acts.items()]:
            os.waitpid(child, 0)
        told = {name: json.loads((folder / "told" / name).read_text()) for name in acts}
        wrong = [f"{name}: {found['error'][-1500:]}" for name, found in told.items() if "error" in found]
        writes = {int(name.split()[1]): found["writes"] for name, found in told.items() if "writes" in found}
        if not wrong:
            wrong += lost(folder, writes)
        count = {
            what: sum(found.get(what, 0) for found in told.values())
            for what in ("writes", "reads", "changes", "runs", "pages")
        }
        print(
            f"{len(acts)} processes, {options.seconds:.0f} s: "
            + ", ".join(f"{n:,} {what}" for what, n in count.items())
        )
        reads = [
            each
            for name, found in told.items()
            if name.startswith("reader")
            for each in found.get("times", [])
        ]
        for what, times in (("read", reads), ("the dashboard's queries", told["dashboard"].get("times", []))):
            if times:
                p50, p99 = (percentile(times, part) for part in (0.5, 0.99))
                print(f"{what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {1000 * max(times):.0f} ms")
        print("\n".join(wrong) or "nothing is lost")
        return int(bool(wrong))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
