"""Measure the time of commands that run no step: whole processes, the best of several runs.

    python benchmarks/startup.py

The floor is a Python process that only imports the libraries that every spec needs. The CPU time is that of the
process and of its threads; it is disturbed less by other load than the time on the clock.
"""

from __future__ import annotations

import compileall
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7


def main() -> None:
    # As an installed package is: without its byte code, a process first compiles every module.
    compileall.compile_dir(ROOT / "snowpipe_ml", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.yaml"
        lines = ["name: large", "targets: {local: {type: local}}", "steps:"]
        for n in range(1000):
            query = "SELECT 1 AS X" if n == 0 else f"SELECT * FROM {{{{ ref('t{n - 1}') }}}}"
            lines.append(f'  s{n}: {{type: transform, query: "{query}", writes: t{n}}}')
        large.write_text("\n".join(lines) + "\n")
        wrong = Path(folder) / "wrong.yaml"
        wrong.write_text(
            (ROOT / "pipelines" / "citibike.yaml").read_text().replace("type: copy_into", "type: copy_inot")
        )
        python, tool = [sys.executable], [sys.executable, "-m", "snowpipe_ml"]
        cases = {
            "floor: import pydantic, jsonschema, networkx, jinja2, yaml": [
                *python,
                "-c",
                "import pydantic, jsonschema, networkx, jinja2, yaml",
            ],
            "--help": [*tool, "--help"],
            "validate citibike.yaml": [*tool, "validate", str(ROOT / "pipelines" / "citibike.yaml")],
            "validate a spec with mistakes": [*tool, "validate", str(wrong)],
            "validate 1,000 steps": [*tool, "validate", str(large)],
        }
        small = str(ran(tool, Path(folder)))
        looks = {
            "status": [*tool, "status", small],
            "plan": [*tool, "plan", small],
            "sql": [*tool, "sql", small, "SELECT COUNT(*) FROM ONE"],
            "run that skips everything": [*tool, "run", small],
            "run that skips everything, without its report": [*tool, "run", small, "--no-report"],
        }
        cases |= {f"{name}, on an embedded warehouse": command for name, command in looks.items()}
        print(f"{'':<62}{'clock':>9}{'CPU':>9}")
        for name, command in cases.items():
            clock, cpu = best(command)
            print(f"{name:<62}{clock:>7.2f} s{cpu:>7.2f} s", flush=True)


def ran(tool: list[str], folder: Path) -> Path:
    """A small pipeline that has run on an embedded warehouse."""
    spec = folder / "small.yaml"
    spec.write_text(
        "name: small\ntargets: {local: {type: local}}\nsteps:\n"
        "  one: {type: transform, query: SELECT 1 AS X, writes: one}\n"
        "  two: {type: transform, query: \"SELECT * FROM {{ ref('one') }}\", writes: two}\n"
    )
    subprocess.run([*tool, "run", str(spec)], capture_output=True, check=True)
    return spec


def best(command: list[str]) -> tuple[float, float]:
    """The seconds on the clock and of CPU, each the least of several runs."""
    clocks, cpus = [], []
    for _ in range(ROUNDS):
        begin, before = time.perf_counter(), _cpu()
        subprocess.run(command, capture_output=True, check=False)
        clocks.append(time.perf_counter() - begin)
        cpus.append(_cpu() - before)
    return min(clocks), min(cpus)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
