"""Install the built wheel in new environments, run it there, and print seconds and megabytes.

    python benchmarks/install.py                       # the base and the extras of the README
    python benchmarks/install.py --extras local plots  # these, each by itself
    python benchmarks/install.py --python python3.13

Builds the wheel and the sdist of the checkout first. Packages come from pip's index or from its cache, so the seconds are
those of this machine's network. ``--keep FOLDER`` keeps the environments.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICKSTART = "local,forecast,plots"
SAMPLE = ROOT / "pipelines" / "forecast" / "sales.csv"
# Named first, as the Makefile does: this release is a small build for CPUs.
TORCH = "torch==2.13.0"
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def timed(*command: object, cwd: Path | None = None) -> tuple[float, str]:
    """Run a command; return its seconds and its output, and end the script if it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return time.monotonic() - began, done.stdout


def megabytes(folder: Path) -> float:
    """Return the size of the files in a folder, in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def build(folder: Path, python: str) -> Path:
    """Build the wheel and the sdist from the files that git has; return the wheel."""
    checkout, tools = folder / "checkout", folder / "tools"
    timed("git", "clone", "--quiet", ROOT, checkout)
    timed(python, "-m", "venv", tools)
    timed(tools / "bin" / "pip", "install", "--quiet", "build")
    seconds, _ = timed(tools / "bin" / "python", "-m", "build", "--outdir", folder / "dist", checkout)
    sizes = ", ".join(
        f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in (folder / "dist").iterdir()
    )
    print(f"python -m build: {seconds:.0f} s; {sizes}\n")
    return next((folder / "dist").glob("*.whl"))


def install(wheel: Path, extra: str, folder: Path, python: str) -> Path:
    """Install the wheel with extras in a new environment, print a row of the table, and return the environment."""
    place = folder / (extra.replace(",", "-") or "base")
    began = time.monotonic()
    timed(python, "-m", "venv", place)
    pip = (place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check")
    empty = megabytes(place)
    if {"forecast", "automl"} & set(extra.split(",")):
        timed(*pip, TORCH)
    timed(*pip, f"{wheel}[{extra}]" if extra else wheel)
    seconds = time.monotonic() - began
    packages = len(timed(place / "bin" / "pip", "list", "--format", "freeze")[1].splitlines())
    print(
        f"| {extra or '(none)'} | {packages} | {megabytes(place) - empty:,.0f} | {seconds:.0f} |", flush=True
    )
    return place


def main() -> None:
    """Print a table of the extras, then the seconds of the first forecast."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--extras", nargs="*", default=["", "local", "plots", "forecast"])
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        wheel = build(folder, given.python)
        print("| extra | packages | MB | seconds |\n| --- | ---: | ---: | ---: |")
        for extra in given.extras:
            install(wheel, extra, folder, given.python)
        place = install(wheel, QUICKSTART, folder, given.python)
        (folder / "sales.csv").write_bytes(SAMPLE.read_bytes())
        command = place / "bin" / "snowpipe-ml"
        first, out = timed(command, "init", "mine", "--csv", "sales.csv", "--run", cwd=folder)
        again, _ = timed(command, "run", "mine/forecast.yaml", cwd=folder)
        query = "SELECT COUNT(*) AS N, COUNT(DISTINCT SERIES) AS SERIES FROM FORECAST"
        sql, rows = timed(command, "sql", "mine/forecast.yaml", query, "--format", "csv", cwd=folder)
        version = timed(place / "bin" / "python", "--version")[1].strip()
        print(f"\n{version}: init --csv --run {first:.1f} s, run again {again:.1f} s, sql {sql:.1f} s")
        print("forecasts and series:", rows.splitlines()[1], "\n\n" + out)


if __name__ == "__main__":
    main()
