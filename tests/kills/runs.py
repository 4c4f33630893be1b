"""Runs of a pipeline that are killed, as a whole or one task of it, and whose clock is set while they work."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import snowpipe_ml.engine.run.run
import snowpipe_ml.steps.data.transform
import snowpipe_ml.targets.local  # noqa: F401 - before the forks
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import LockedError, UsageError
from snowpipe_ml.local.core.errors import HolderGoneError
from tests.kills.acts import runner
from tests.kills.scene import Scene

DAY = 86_400
SPEC = """\
name: killed
targets: {local: {type: local, path: w, database: D}}
vars: {word: none}
steps:
  a: {type: transform, query: "SELECT SEQ4() AS N, {{ vars.word | literal }} AS S FROM TABLE(GENERATOR(ROWCOUNT => 40))", writes: a}
  b: {type: transform, query: "SELECT COUNT(*) AS N, S FROM {{ ref('a') }} GROUP BY S", writes: b}
  c: {type: transform, query: "SELECT N + 1 AS N, S FROM {{ ref('b') }}", writes: c}
"""
LASTS = 0.9  # seconds within which a process is killed


def pipeline(scene: Scene, word: str) -> Pipeline:
    """The pipeline, whose rows have a word."""
    path = scene.folder / "spec.yaml"
    if not path.exists():
        path.write_text(SPEC)
    return Pipeline.from_yaml(path, vars={"word": word})


def run(scene: Scene, word: str, *, resume: bool = False) -> None:
    """Run or resume the pipeline; begin a new run if there is nothing to resume."""
    try:
        result = pipeline(scene, word).run(resume=resume)
    except UsageError as raised:
        if "nothing to resume" not in str(raised):
            raise
        result = pipeline(scene, word).run()
    lost = [step.error for step in result.steps.values() if isinstance(step.error, LockedError)]
    if lost:
        raise lost[0]
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}


def check(scene: Scene, *words: str) -> None:
    """The tables are those of an undisturbed run with one of the words; with one word, the lock is free."""

    def look() -> None:
        with scene.open() as connection:
            query = runner(connection)
            found = []
            for table, rows in (("A", [(n,) for n in range(40)]), ("B", [(40,)]), ("C", [(41,)])):
                assert query(f"SELECT N FROM {table} ORDER BY N") == rows, table
                found += query(f"SELECT DISTINCT S FROM {table}")
            assert set(found) <= {(word,) for word in words}, found
            if len(words) == 1:
                held = query("SELECT RUN_ID, OWNER FROM SNOWPIPE_ML.LOCKS WHERE RUN_ID IS NOT NULL")
                assert held == [], f"locks are left: {held}"
                unfinished = query("SELECT RUN_ID FROM SNOWPIPE_ML.RUNS WHERE STATUS = 'running'")
                assert unfinished == [], f"runs are left without an end: {unfinished}"

    scene.expect(scene.done(look), "the tables are not those of an undisturbed run")
    scene.tidy()


def of_run(scene: Scene) -> int:
    """Kill a run up to five times, then resume it."""
    word, killed = f"w{scene.chance.randrange(10**9)}", 0
    for number in range(5):
        killed += scene.kill(scene.forked(partial(run, scene, word, resume=number > 0)), LASTS)
    scene.expect(scene.done(partial(run, scene, word, resume=True)), "a killed run is not resumed")
    check(scene, word)
    return killed


def of_task(scene: Scene) -> int:
    """Kill the process that begins a run, those that run its steps and the one that ends it; each is repeated."""
    word, killed = f"w{scene.chance.randrange(10**9)}", 0
    handle = scene.folder / "handle"

    def begin() -> None:
        text = json.dumps(pipeline(scene, word).begin_run(run_key=word).to_json())
        (scene.folder / "handle.new").write_text(text)
        (scene.folder / "handle.new").rename(handle)

    def step(name: str) -> None:
        outcome = pipeline(scene, word).run_step(json.loads(handle.read_text()), name)
        assert not outcome.error, outcome.message

    def finish() -> None:
        assert pipeline(scene, word).finish_run(json.loads(handle.read_text())).ok

    actions: list[Callable[[], None]] = [begin, *(partial(step, name) for name in "abc"), finish]
    for action in actions:
        killed += scene.kill(scene.forked(action), LASTS / 2)
        scene.expect(scene.done(action), f"{action} cannot be repeated")
    handle.unlink()
    check(scene, word)
    return killed


class Clock:
    """The clock of the processes that have the library of clock.c.

    Args:
        path: the file with the shift, which the variable CLOCK_SHIFT of the environment names.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)

    def set(self, seconds: int) -> None:
        """Shift the clock."""
        self._shift[:] = struct.pack("q", seconds)


def built(folder: Path) -> dict[str, str] | None:
    """Compile the library; return the variables of a process that has it, None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    made, shift = folder / "clock.so", folder / "shift"
    shift.write_bytes(bytes(8))
    source = Path(__file__).with_name("clock.c")
    command = [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return {"LD_PRELOAD": str(made), "CLOCK_SHIFT": str(shift)}


def of_clock(scene: Scene, clock: Clock) -> int:
    """Set the clock twice, a day forward or back, while two runs want the lock and one of them may be killed."""
    words = [f"w{scene.chance.randrange(10**9)}" for _ in range(3)]
    before = scene.chance.choice((0, -DAY, DAY))
    clock.set(before)

    def attempt(word: str) -> None:
        try:
            run(scene, word)
        except (
            LockedError,
            HolderGoneError,
        ) as refused:  # the other run has the lock, or had the warehouse and was killed
            print(refused, file=sys.stderr)

    first = scene.forked(partial(attempt, words[0]))
    time.sleep(scene.chance.uniform(0, LASTS / 2))
    clock.set(before + scene.chance.choice((-DAY, DAY)))
    second = scene.forked(partial(attempt, words[1]))
    if scene.chance.random() < 0.5:
        scene.kill(first, LASTS / 2)
    else:
        scene.expect(scene.waited(first) == 0, "a run whose clock was set failed")
    clock.set(before)
    scene.expect(scene.waited(second) == 0, "a run beside one whose clock was set failed")
    scene.expect(scene.done(partial(run, scene, words[2])), "no run begins after the clock was set")
    check(scene, words[2])
    clock.set(0)
    return 2


def environment() -> Path | None:
    """The file with the shift of this process, None if it has not the library."""
    return Path(os.environ["CLOCK_SHIFT"]) if "CLOCK_SHIFT" in os.environ else None
