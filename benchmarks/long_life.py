"""Measure a pipeline with a long history, and a warehouse after many statements.

    python benchmarks/long_life.py [--runs 10000] [--statements 100000]

A pipeline of ten steps runs twice; the records of its second run are copied, as of earlier runs. Then each command that
reads them is timed as a new process, start-up included, after a first call.

One process runs statements that add, read, change and remove rows and replace tables of a small warehouse. Its memory and
the size of its folder are printed as they grow.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from snowpipe_ml import Pipeline
from snowpipe_ml.local import connect

MB = 2**20
STEPS = 10
COMMANDS = (["status"], ["plan"], ["runs"], ["report", "--output", "report.html"], ["--help"])


def spec(folder: Path) -> Path:
    """A pipeline of steps that each read the one before."""
    lines = ["name: long", "targets: {local: {type: local, path: w, database: D}}", "vars: {n: 1}", "steps:"]
    for step in range(STEPS):
        source = f"{{{{ ref('t{step - 1}') }}}}" if step else "(SELECT {{ vars.n | literal }} AS N)"
        lines.append(f'  s{step}: {{type: transform, query: "SELECT N FROM {source} AS S", writes: t{step}}}')
    path = folder / "spec.yaml"
    path.write_text("\n".join(lines))
    return path


def copied(path: Path, runs: int) -> int:
    """Copy the records of the last run, as of earlier runs; return the number of records."""
    for n in (1, 2):
        assert Pipeline.from_yaml(path, vars={"n": n}).run().ok
    with connect(path.parent / "w", "D", "SNOWPIPE_ML") as connection:
        cursor: Any = connection.cursor()
        columns = [row[0] for row in cursor.execute("DESCRIBE TABLE EVENTS").fetchall()]
        earlier = "DATEADD(minute, -10 * (G.N + 1), E.AT)"
        begun = "DATEADD(minute, -10 * (G.N + 1), F.AT)"
        changed = {
            # A run's id begins with its time.
            "RUN_ID": f"TO_VARCHAR({begun}, 'YYYYMMDD\"T\"HH24MISS') || SUBSTR(E.RUN_ID, 16)",
            "AT": earlier,
        }
        values = ", ".join(changed.get(name, f"E.{name}") for name in columns)
        cursor.execute(
            f"INSERT INTO EVENTS ({', '.join(columns)}) SELECT {values} FROM EVENTS E, "
            "(SELECT MIN(AT) AS AT FROM EVENTS) F, "
            f"(SELECT SEQ4() AS N FROM TABLE(GENERATOR(ROWCOUNT => {runs}))) G "
            "WHERE E.RUN_ID = (SELECT MAX(RUN_ID) FROM EVENTS)"
        )
        ((count, events),) = cursor.execute("SELECT COUNT(DISTINCT RUN_ID), COUNT(*) FROM EVENTS").fetchall()
        assert count >= runs
        return int(events)


def seconds(folder: Path, command: list[str]) -> tuple[float, float]:
    """The best time of three calls of a command, and the least time of the CPU."""
    times, cpu = [], []
    words = [sys.executable, "-W", "ignore", "-m", "snowpipe_ml", command[0]]
    words += ["spec.yaml", *command[1:]] if command != ["--help"] else []
    for _ in range(4):
        begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        times.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
        assert done.returncode in (0, 2), done.stderr
    return min(times[1:]), min(cpu[1:])


def size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def memory() -> int:
    """The memory of this process, in bytes; 0 where that is not known."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0


def live(folder: Path, statements: int) -> list[tuple[int, int, int]]:
    """Run statements; return how many, the memory and the size of the folder, five times."""
    found = []
    with connect(folder, "D") as connection:
        cursor = connection.cursor()

        def run(text: str) -> Any:
            return cursor.execute(text).fetchall()

        run("CREATE TABLE T (K INT, S VARCHAR)")
        for n in range(statements):
            match n % 10:
                case 0:
                    run(
                        f"INSERT INTO T SELECT {n}, MD5(SEQ4()::VARCHAR) FROM TABLE(GENERATOR(ROWCOUNT => 100))"
                    )
                case 1 | 2 | 3:
                    run(f"INSERT INTO T VALUES ({n}, 'one')")
                case 4:
                    run(f"UPDATE T SET S = 'changed' WHERE K = {n - 4}")
                case 5:
                    run(f"DELETE FROM T WHERE K < {n - 1000}")
                case 6:
                    run(f"CREATE OR REPLACE TABLE U AS SELECT {n} AS K")
                case _:
                    run(f"SELECT COUNT(*), MAX(S) FROM T WHERE K > {n - 500}")
            if (n + 1) % (statements // 5) == 0:
                found.append((n + 1, memory(), size(folder)))
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--statements", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.runs:
            path = spec(Path(name))
            print(f"{options.runs:,} runs: {copied(path, options.runs):,} records")
            for command in COMMANDS:
                took, cpu = seconds(path.parent, command)
                print(f"  {command[0]:10}{took:6.2f} s, {cpu:5.2f} s of CPU", flush=True)
        if options.statements:
            begin = time.perf_counter()
            for count, used, files in live(Path(name) / "lived", options.statements):
                print(f"{count:9,} statements: {used / MB:5.0f} MB of memory, {files / MB:5.1f} MB of files")
            print(f"{1000 * (time.perf_counter() - begin) / options.statements:.2f} ms for a statement")


if __name__ == "__main__":
    main()
