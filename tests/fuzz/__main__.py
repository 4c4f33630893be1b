"""Try random statements, requests and archives: ``python -m tests.fuzz --seed 1 --seconds 60 [--only sql wire archives]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz import archives, sql, wire


def of_sql(seed: int, seconds: float) -> tuple[int, list[tuple[str, str]]]:
    """Run statements."""
    return sql.run(seed, seconds)


def of_wire(seed: int, seconds: float) -> tuple[int, list[tuple[str, str]]]:
    """Send requests to a server."""
    with tempfile.TemporaryDirectory() as name, wire.served(Path(name)) as server:
        session = server.login()
        found = wire.run(server.port, session, seed, seconds)
        faults = found.faults
        if wrong := wire.works(server.port, session):
            faults.append(("SELECT 1 in the session afterwards", wrong))
        if logged := server.errors.read_text():
            faults.append(("the log of the server", logged[-3000:]))
        return found.count.total(), faults


def of_archives(seed: int, seconds: float) -> tuple[int, list[tuple[str, str]]]:
    """Read archives; those with a fault are kept."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    count, faults = archives.run(folder, seed, seconds)
    if not faults:
        folder.rmdir()
    return count, faults


PARTS = {"sql": (of_sql, "statements"), "wire": (of_wire, "requests"), "archives": (of_archives, "archives")}


def main() -> int:
    """Print what fails wrongly; return whether anything does."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60, help="of all parts together")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    failed = False
    for part in options.only:
        run, what = PARTS[part]
        count, faults = run(options.seed, options.seconds / len(options.only))
        for text, wrong in faults:
            print(f"{text}\n    {wrong}\n")
        print(f"{part}, seed {options.seed}: {count} {what}, {len(faults)} faults", flush=True)
        failed = failed or bool(faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
