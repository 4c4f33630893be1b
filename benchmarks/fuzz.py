"""Check ten thousand specs with one mistake each: no traceback, and every error at the right position.

python benchmarks/fuzz.py [--specs 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the mutations are part of the tests, which are not installed

from snowpipe_ml.spec.document import parse_document  # noqa: E402
from tests.spec.mutations import check, mutate  # noqa: E402


def main() -> None:
    """Print how many specs were refused at the right position, and list the others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--specs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("citibike", "insurance"):
            shutil.copytree(ROOT / "pipelines" / part, folder / part)
        shutil.copy(ROOT / "pipelines" / "insurance_autogluon.lock.yaml", folder / "spec.lock.yaml")
        bases = [
            parse_document((ROOT / "pipelines" / file).read_text(encoding="utf-8")).value
            for file in ("citibike.yaml", "insurance_autogluon.yaml")
        ]
        for seed in range(arguments.seed, arguments.seed + arguments.specs):
            mutant = mutate(bases[seed % len(bases)], seed)
            try:
                wrong = check(mutant, folder)
            except Exception:
                counts["traceback"] += 1
                print(f"seed {seed}: {mutant.what} {mutant.path}\n{traceback.format_exc()}")
                continue
            counts["wrong position" if wrong else "right position or valid"] += 1
            for text in wrong:
                print(f"seed {seed}: {mutant.what} {mutant.path}: {text}")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(1 if counts["traceback"] or counts["wrong position"] else 0)


if __name__ == "__main__":
    main()
