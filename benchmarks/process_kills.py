"""Kill every kind of process of an embedded warehouse at random moments, set its clock, and compare the tables.

    python benchmarks/process_kills.py [--kills 500] [--jumps 50] [--seed 0] [--kinds KIND ...]

A process works on a small warehouse: it commits a transaction over two tables, merges, replaces a table and stores a
file, and notes each acknowledged statement in a ledger. It is killed with SIGKILL at a random moment, while it opens
the warehouse included. The next process that opens the warehouse must find all that the ledger has, at most the one
statement that was running besides, whole, and must be able to write at once. A process, a temporary file or a lock
that is left behind is an error.

The kinds are the process that has the warehouse open (holder), one that works through it (guest), the holder while a
guest works (shared), the worker of a Python function (worker), the process that forks the workers (forker),
`snowpipe-ml serve` (serve), a run of a pipeline (run), and a task of a run that has its lock together with other
processes (task). A jump (clock) sets the clock of runs a day forward or back while they work, some at the same time as
another one and some killed. It is a library before libc, loaded into these processes only, and needs a C compiler.

`benchmarks/kills.py` kills the reference pipeline.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Imported before forking; otherwise each killed process would spend its time on imports.
from tests.kills import kinds, runs  # noqa: E402 - found by the path that is added above
from tests.kills.scene import Scene  # noqa: E402 - found by the path that is added above

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans become children of this process, so that none is overlooked
# Each with its part of the kills.
KINDS: dict[str, tuple[int, Callable[[Scene], int]]] = {
    "holder": (20, kinds.of_holder),
    "guest": (20, kinds.of_guest),
    "shared": (10, kinds.of_shared),
    "worker": (15, partial(kinds.of_function, depth=1)),
    "forker": (10, partial(kinds.of_function, depth=0)),
    "serve": (5, kinds.of_serve),
    "run": (10, runs.of_run),
    "task": (10, runs.of_task),
}


def main() -> int:
    """Kill processes, set the clock, print a table; return whether something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--jumps", type=int, default=50, help="how often the clock is set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=[*KINDS, "clock"], default=[*KINDS, "clock"])
    options = parser.parse_args()
    if ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this needs Linux")
    # Not a TemporaryDirectory: the ends of the forked processes would remove it.
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        if "clock" in options.kinds and options.jumps and runs.environment() is None:
            library = runs.built(folder)
            if library is not None:
                command = [sys.executable, "-W", "ignore", *sys.argv]
                return subprocess.run(command, env={**os.environ, **library}, check=False).returncode
            print("the clock is not set: there is no C compiler")
        return attempted(folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def attempted(folder: Path, options: argparse.Namespace) -> int:
    """Kill processes of each kind, each kind on a new warehouse."""
    parts = {kind: KINDS[kind][0] for kind in options.kinds if kind != "clock"}
    wanted = {kind: -(-options.kills * part // sum(parts.values())) for kind, part in parts.items()}
    acts = {kind: KINDS[kind][1] for kind in parts}
    shift = runs.environment()
    if "clock" in options.kinds and options.jumps and shift is not None:
        clock = runs.Clock(shift)
        wanted["clock"], acts["clock"] = options.jumps, partial(runs.of_clock, clock=clock)
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    print(f"seed {options.seed}\n{'kind':10}{'kills':>7}{'checks':>8}{'seconds':>9}  wrong", flush=True)
    for kind, count in wanted.items():
        scene = Scene(folder / kind, random.Random(f"{options.seed} {kind}"))
        scene.folder.mkdir()
        os.environ["TMPDIR"], tempfile.tempdir = str(scene.folder / "tmp"), None
        begin = time.monotonic()
        scene.prepare()
        checks = 0
        while counted[kind] < count and len(scene.wrong) < 5:
            counted[kind] += acts[kind](scene)
            checks += 1
        seconds = time.monotonic() - begin
        print(f"{kind:10}{counted[kind]:7}{checks:8}{seconds:9.1f}  {len(scene.wrong)}", flush=True)
        wrong += [f"{kind}: {text}" for text in scene.wrong]
    for text in wrong:
        print(f"\n{text}")
    jumps = counted.pop("clock", 0)
    told = "tables equal, locks free, nothing left behind" if not wrong else f"{len(wrong)} faults"
    print(f"{sum(counted.values())} kills, {jumps} jumps of the clock: {told}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
