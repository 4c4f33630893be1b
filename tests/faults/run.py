"""Run the workload once for each n with the n-th change of a file failing, each time in new processes.

::

    LD_PRELOAD=shim.so python -m tests.faults.run FOLDER [SHARE/SHARES] KIND:PART:N... KIND:all...

The kinds are ENOSPC (the disk is full from the n-th change on), EIO (this change fails), torn (half of it is done, and
the process is killed), and limit, which needs no shim: no file may grow beyond n KiB, and the kernel says EFBIG.

With 1/2, it runs the first, third, ... of the failures; a process with 2/2 and another folder runs the others.

It prints one line of JSON for each n: the call that failed, how many acts were acknowledged, and what is wrong.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from snowflake.connector.errors import Error

import snowpipe_ml.engine.run.run
import snowpipe_ml.local.client.connect
import snowpipe_ml.local.python.registry
import snowpipe_ml.steps.data.transform
import snowpipe_ml.targets.local  # noqa: F401
from snowpipe_ml import Pipeline
from snowpipe_ml.local import connect
from snowpipe_ml.local.core import checkpoints
from tests.faults import acts
from tests.faults.acts import Act

KINDS = {"none": 0, "ENOSPC": 1, "EIO": 2, "torn": 3}  # as in shim.c
LIMIT = "limit"
PATIENCE = 60  # seconds for one process
NOTHING = "changed nothing"  # in the message of a statement without effect
OPEN, CLOSE, RUN = "open", "close", "run"
DONE = "took effect"  # in the message of one that is complete although an error followed


class Shim:
    """The functions of shim.c; a limit of the kernel on the size of files where that is not loaded."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._library = library if hasattr(library, "fault_arm") else None
        if self._library is not None:
            self._library.fault_told.restype = ctypes.c_char_p
            self._library.fault_calls.restype = ctypes.c_long

    def arm(self, folder: Path, n: int, kind: str) -> None:
        if kind == LIMIT:
            resource.setrlimit(resource.RLIMIT_FSIZE, (n * 1024, resource.RLIM_INFINITY))
        elif self._library is not None:
            self._library.fault_arm(str(folder).encode(), ctypes.c_long(n), KINDS[kind])
        elif kind != "none":
            raise SystemExit("the shim is not loaded")

    def disarm(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if self._library is not None:
            self._library.fault_disarm()

    def calls(self) -> int:
        return 0 if self._library is None else int(self._library.fault_calls())

    def told(self) -> str:
        return "" if self._library is None else str(self._library.fault_told().decode())


def apart(run: Callable[[], None], errors: Path) -> str:
    """Run a function in a forked process; return how it ended: "" for a normal end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            with errors.open("w") as file:
                os.dup2(file.fileno(), 2)
            signal.alarm(PATIENCE)
            run()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "", -signal.SIGKILL: "killed", -signal.SIGALRM: "hangs"}.get(code, f"exit {code}")


def prepare(folder: Path) -> None:
    """Make the warehouse that each run of the workload begins with."""
    with connect(folder / "w", "D", share=False) as connection:
        acts.prepare(connection.cursor(), folder)
    failed = run_pipeline(folder, "old")
    if failed:
        raise SystemExit(failed)


def run_pipeline(folder: Path, word: str) -> str:
    """Run the pipeline; return what failed."""
    outcome = Pipeline.from_yaml(acts.spec(folder, word)).run()
    return "; ".join(str(step.error) for step in outcome.steps.values() if step.error)


def work(folder: Path, part: Sequence[Act], n: int, kind: str, told: Path) -> None:
    """Run a part of the workload; write what each act said to a file outside of the folder that fails."""
    shim = Shim()
    connection: Any = None
    with told.open("w", buffering=1) as out:

        def attempt(name: str, run: Callable[[], str | None]) -> None:
            what, message = "done", ""
            try:
                failed = run()
                if failed:
                    what, message = "failed", failed
            except Error as raised:
                what, message = "failed", str(raised)
            except Exception as raised:
                what, message = "crash", "".join(traceback.format_exception(raised))[-3000:]
            if kind == LIMIT:  # it would also apply to this file
                shim.disarm()
            out.write(json.dumps([name, what, message, shim.calls(), shim.told()]) + "\n")
            if kind == LIMIT:
                shim.arm(folder / "w", n, kind)

        def begin() -> None:
            nonlocal connection
            connection = connect(folder / "w", "D", share=False)

        def perform(act: Act) -> None:
            try:
                for text in act.statements:
                    connection.cursor().execute(text)
            except Error:
                connection.cursor().execute("ROLLBACK")
                raise

        shim.arm(folder / "w", n, kind)
        if part:
            attempt(OPEN, begin)
            for act in part if connection is not None else ():
                attempt(act.name, partial(perform, act))
            if connection is not None:
                attempt(CLOSE, connection.close)
        else:
            attempt(RUN, lambda: run_pipeline(folder, "new"))
        shim.disarm()


def check(folder: Path, part: Sequence[Act], told: Path, found: Path) -> None:
    """Open the warehouse where there is room, and compare it with what was said."""
    wrong: list[str] = []
    said = {
        name: (what, message) for name, what, message, *_ in map(json.loads, told.read_text().splitlines())
    }
    names = [OPEN, *(act.name for act in part), CLOSE] if part else [RUN]
    killed = names[len(said)] if len(said) < len(names) else None
    for name, (what, message) in said.items():
        if what == "crash":
            wrong.append(f"{name}: {message}")
        elif what == "failed" and ("DuckDB" in message or "SQL compilation" in message):
            wrong.append(f"{name}: its message: {message}")
    with connect(folder / "w", "D", share=False) as connection:
        cursor = connection.cursor()
        for act in part:
            state = act.state(cursor)
            what, message = said.get(act.name, ("killed" if act.name == killed else "not begun", ""))
            if what == "failed":
                allowed = {acts.BEFORE} if NOTHING in message else {acts.AFTER} if DONE in message else set()
            else:
                allowed = {"done": {acts.AFTER}, "not begun": {acts.BEFORE}}.get(
                    what, {acts.BEFORE, acts.AFTER}
                )
            if state not in allowed:
                wrong.append(f"{act.name} was {what} ({message[:700]}): {state}")
            if act.name == "copy":
                cursor.execute(act.statements[0])
                if act.state(cursor) != acts.AFTER:
                    wrong.append(f"copy, {state}, and again: {act.probe(cursor)}")
        ran = said.get(RUN, ("",))[0] == "done"
        if not acts.is_whole(cursor, ("new",) if ran else ("old", "new")):
            wrong.append(f"the published tables are half done: {said.get(RUN)}")
    if not part and (failed := run_pipeline(folder, "new")):
        wrong.append(f"the next run failed: {failed}")
    left = [path.name for path in (folder / "w").rglob("*") if path.name.endswith((".uploading", ".tmp"))]
    if left:
        wrong.append(f"left behind: {left}")
    found.write_text(
        json.dumps({"acknowledged": sum(what == "done" for what, _ in said.values()), "wrong": wrong})
    )


def once(base: Path, place: int, kind: str, n: int) -> dict[str, Any]:
    """Run a part of the workload with one failure, and check what it left.

    Returns:
        the call that failed, the acknowledged acts, and what is wrong.
    """
    aside = base / f"{kind}-{place}-{n}"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(base / f"before{place}", aside / "folder")
    folder, told, found = (aside / name for name in ("folder", "told", "found"))
    part = acts.parts(folder)[place]
    ended = apart(lambda: work(folder, part, n, kind, told), aside / "errors")
    wrong = []
    if ended != ("killed" if kind == "torn" and n else ""):
        wrong.append(f"the workload ended so: {ended}")
    if "Traceback" in (aside / "errors").read_text():
        wrong.append(f"a traceback: {(aside / 'errors').read_text()[-3000:]}")
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    if kind == "none":
        shutil.copytree(folder, base / f"before{place + 1}")
    checked = apart(lambda: check(folder, part, told, found), aside / "errors of the check")
    if checked:
        wrong.append(f"the check: {checked} {(aside / 'errors of the check').read_text()[-3000:]}")
    verdict = json.loads(found.read_text()) if found.exists() else {"acknowledged": 0, "wrong": []}
    made = {
        "kind": kind,
        "part": place,
        "n": n,
        "failed": next((at for *_, at in lines if at), ended),
        "calls": max((calls for *_, calls, _ in lines), default=0),
        "acknowledged": verdict["acknowledged"],
        "wrong": wrong + verdict["wrong"],
    }
    if not made["wrong"]:
        shutil.rmtree(aside)
    return made


def measure(base: Path) -> list[int]:
    """Run the workload without failures; keep the warehouse before each part, and return the calls of each."""
    made = [once(base, place, "none", 0) for place in range(len(acts.parts(base)))]
    for each in made:
        if each["wrong"]:
            raise SystemExit(f"without a failure: {each}")
    return [each["calls"] for each in made]


def main() -> None:
    """Run the workload as often as the arguments say."""
    warnings.simplefilter("ignore")
    base, arguments = Path(sys.argv[1]), sys.argv[2:]
    share, _, shares = arguments.pop(0).partition("/") if "/" in arguments[0] else ("1", "/", "1")
    wanted = [item.split(":") for item in arguments]
    checkpoints._LOG_SIZE = 24 * 2**10  # so that the workload has several checkpoints
    (base / "before0").mkdir(parents=True)
    prepare(base / "before0")  # in this process, so that its children have everything imported
    if any(place == "all" for _, place, *_ in wanted):
        calls = measure(base)
        print(json.dumps({"calls": calls}), flush=True)
        every = [(str(place), str(n)) for place, count in enumerate(calls) for n in range(1, count + 1)]
        alls = [kind for kind, place, *_ in wanted if place == "all"]
        wanted = [item for item in wanted if item[1] != "all"]
        wanted += [[kind, place, n] for kind in alls for place, n in every]
    for kind, place, n in wanted[int(share) - 1 :: int(shares)]:
        print(json.dumps(once(base, int(place), kind, int(n))), flush=True)


if __name__ == "__main__":
    main()
