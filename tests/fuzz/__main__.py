"""Run random statements for some seconds: ``python -m tests.fuzz --seed 1 --seconds 60``."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz import sql


def main() -> int:
    """Print the statements that fail wrongly; return whether there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    count, faults = sql.run(options.seed, options.seconds)
    for text, wrong in faults:
        print(f"{text}\n    {wrong}\n")
    print(f"seed {options.seed}: {count} statements, {len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
