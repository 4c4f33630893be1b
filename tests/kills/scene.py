"""A warehouse with the processes that work on it and are killed, and the check of what they left."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snowflake.connector.errors import Error

from snowpipe_ml.local import connect
from tests.kills.acts import ACTS, SETUP, Run, last_of, runner, texts

PATIENCE = 60.0  # seconds for a process that is not killed


@dataclass
class Scene:
    """A warehouse, the processes that work on it, and what is known about both.

    Attributes:
        folder: the warehouse `w`, the folder `tmp` of temporary files, and the ledger.
        chance: when processes are killed.
        seen: by act, the number that the last check has found.
    """

    folder: Path
    chance: random.Random
    seen: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def forked(self, action: Callable[[], object]) -> int:
        """Run an action in a forked process that leads a new session; return the process id."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(self.folder / "errors", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
            action()
            atexit._run_exitfuncs()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def done(self, action: Callable[[], object]) -> bool:
        """Run an action in a forked process to its end; return whether it succeeded."""
        return self.waited(self.forked(action)) == 0

    def waited(self, child: int) -> int | None:
        """Wait for a process; return its exit code, None for one that hangs."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.wrong.append("a process hangs")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None

    def kill(self, child: int, seconds: float) -> bool:
        """Kill a process at a random moment; return whether it had not ended before."""
        time.sleep(self.chance.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        return self.waited(child) == -signal.SIGKILL

    def open(self) -> Any:
        return connect(self.folder / "w", "D")

    def prepare(self) -> None:
        for name in ("tmp", "got"):
            (self.folder / name).mkdir(parents=True)

        def make() -> None:
            with self.open() as connection:
                run = runner(connection)
                for text in SETUP:
                    run(text)
                for k in range(5):
                    for name in (*ACTS, "call"):
                        for text in texts(name, k, self.folder):
                            run(text)

        assert self.done(make), (self.folder / "errors").read_text()
        self.seen = dict.fromkeys((*ACTS, "call"), 4)

    def work(self, run: Run, acts: tuple[str, ...] = ACTS) -> None:
        """Perform acts, and note those that were acknowledged, until there is a file named stop."""
        with (self.folder / "ledger").open("a", buffering=1) as ledger:
            at = {name: self.seen[name] + 1 for name in acts}
            while not (self.folder / "stop").exists():
                for name in acts:
                    try:
                        for text in texts(name, at[name], self.folder):
                            run(text)
                    except Error as raised:
                        if "Python Interpreter Error" not in str(raised) or "worker process" not in str(
                            raised
                        ):
                            raise
                        continue  # its worker was killed: the statement had no effect, and is run again
                    ledger.write(f"{name} {at[name]}\n")
                    at[name] += 1

    def hold(self, ready: str = "ready") -> None:
        """Have the warehouse open for guests until there is a file named stop."""
        with self.open():
            (self.folder / ready).touch()
            while not (self.folder / "stop").exists():
                time.sleep(0.005)

    def until(self, name: str, size: int = 0) -> None:
        """Wait until a file exists and has a size."""
        path = self.folder / name
        until = time.monotonic() + PATIENCE
        while not path.exists() or path.stat().st_size < size:
            assert time.monotonic() < until, f"no {name}: {(self.folder / 'errors').read_text()[-2000:]}"
            time.sleep(0.002)

    def check(self, *, shared: bool = False) -> None:
        """Open the warehouse in a new process, and compare it with the ledger."""
        ledger = self.folder / "ledger"
        noted = [line.split() for line in (ledger.read_text() if ledger.exists() else "").splitlines()]
        acknowledged = self.seen | {name: int(k) for name, k in noted}
        found = self.folder / "found"
        found.unlink(missing_ok=True)

        def look() -> None:
            with self.open() as connection:
                run = runner(connection)
                found.write_text(json.dumps({name: last_of(run, name, self.folder) for name in self.seen}))
                for table in ("LEFT_SIDE", "RIGHT_SIDE", "REPLACED", "MERGED", "CALLED"):
                    run(f"DELETE FROM {table} WHERE FALSE")  # no lock is left
                for text in ("BEGIN", "UPDATE REPLACED SET K = -1", "UPDATE MERGED SET V = -1", "ROLLBACK"):
                    run(text)

        self.expect(self.done(look), "the warehouse is not as the ledger says")
        if found.exists():
            self.seen = json.loads(found.read_text())
            for name, last in acknowledged.items():
                at = self.seen[name]
                self.expect(at in (last, last + 1), f"{name}: {last} was acknowledged, {at} is found")
        for each in ("ledger", "stop", "ready"):
            if not (shared and each == "ready"):
                (self.folder / each).unlink(missing_ok=True)
        if not shared:
            self.tidy()

    def tidy(self) -> None:
        """No process, temporary file or folder is left."""
        until = time.monotonic() + 5
        with contextlib.suppress(ChildProcessError):
            while True:
                orphan, _ = os.waitpid(-1, os.WNOHANG)
                if not orphan and time.monotonic() > until:
                    orphans = descendants(os.getpid())
                    self.wrong.append(f"processes are left: {orphans}")
                    for process, _ in orphans:
                        os.kill(process, signal.SIGKILL)
                    until += 5
                time.sleep(0 if orphan else 0.002)
        places = (self.folder / "tmp", self.folder / "w" / "spill", self.folder / "w" / "external")
        left = [str(path.relative_to(self.folder)) for place in places for path in place.rglob("*")]
        left += [
            path.name for path in (self.folder / "w").rglob("*") if path.suffix in (".tmp", ".uploading")
        ]
        self.expect(not left, f"files are left: {left[:5]}")
        for path in (self.folder / "tmp").iterdir():
            shutil.rmtree(path)

    def expect(self, holds: bool, text: str) -> None:
        """Note what is wrong, with the last words of the processes."""
        errors = self.folder / "errors"
        if not holds:
            self.wrong.append(f"{text}\n{errors.read_text()[-3000:] if errors.exists() else ''}")
        errors.unlink(missing_ok=True)


def descendants(process: int) -> list[tuple[int, str]]:
    """The processes below one that have not ended, with their command lines; the children of each after it."""
    known: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                known[int(entry.name)] = int(parent)
    found = [process]
    for each in found:
        found += [child for child, parent in known.items() if parent == each]
    told = []
    for each in found[1:]:
        with contextlib.suppress(OSError):
            told.append((each, (Path("/proc") / str(each) / "cmdline").read_text().replace("\0", " ")[:200]))
    return told
