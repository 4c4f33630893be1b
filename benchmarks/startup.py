"""Measure the startup time of commands: whole processes, the best of several runs.

    python benchmarks/startup.py

The floor is a Python process that only imports the libraries that every spec needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7


def main() -> None:
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
        for name, command in cases.items():
            print(f"{name:<62}{best(command):>7.2f} s")


def best(command: list[str]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - begin)
    return min(times)


if __name__ == "__main__":
    main()
