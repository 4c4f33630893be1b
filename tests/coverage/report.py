"""Print the coverage of each folder of the package; fail if one is below its minimum.

python tests/coverage/report.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[2]
MINIMUM = {"local": 85.0}  # percent, by folder


def by_folder(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, tuple[int, int]]:
    """The covered and the existing lines and branches of each folder directly below the package."""
    found: dict[str, tuple[int, int]] = {}
    for name, file in files.items():
        parts = Path(name).parts
        inside = parts[parts.index("snowpipe_ml") + 1 :]
        folder = inside[0] if len(inside) > 1 else "."
        summary = file["summary"]
        covered = summary["covered_lines"] + summary.get("covered_branches", 0)
        total = summary["num_statements"] + summary.get("num_branches", 0)
        before = found.get(folder, (0, 0))
        found[folder] = (before[0] + covered, before[1] + total)
    return found


def with_workers(measured: coverage.Coverage) -> None:
    """Add what the workers of Python functions have kept: see sitecustomize.py."""
    for path in ROOT.glob(".coverage-worker.*"):
        content = path.read_bytes()
        if content:  # otherwise it was killed before its first answer
            data = coverage.CoverageData(no_disk=True)
            data.loads(content)
            measured.get_data().update(data)


def main() -> int:
    """Print the table, and return the exit status."""
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    with_workers(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        data.json_report(outfile=str(path), include=str(ROOT / "snowpipe_ml" / "*"), ignore_errors=True)
        files = json.loads(path.read_text())["files"]
    failed = False
    folders = by_folder(files)
    for folder, (covered, total) in sorted(folders.items()):
        percent = 100 * covered / total if total else 100.0
        least = MINIMUM.get(folder)
        below = least is not None and percent < least
        failed = failed or below
        note = f"  below the minimum of {least:.0f} %" if below else ""
        print(f"{folder:<14} {percent:5.1f} %  {covered:>6} of {total}{note}")
    missing = sorted(MINIMUM.keys() - folders.keys())
    if missing:
        print(f"no data for {', '.join(missing)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
