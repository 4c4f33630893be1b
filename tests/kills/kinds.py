"""The kinds of processes: each function kills some of a kind, and returns how many."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings

import snowflake.connector
from snowflake.connector.errors import Error

import snowpipe_ml.local.python.registry  # noqa: F401 - before the forks
from snowpipe_ml.local.server.http import WarehouseServer
from tests.kills.acts import ACTS, runner
from tests.kills.scene import Scene, descendants

TOKEN = "a token"


def of_holder(scene: Scene) -> int:
    def work() -> None:
        with scene.open() as connection:
            scene.work(runner(connection))

    killed = scene.kill(scene.forked(work), 0.4)
    scene.check()
    return killed


def of_guest(scene: Scene) -> int:
    holder = scene.forked(scene.hold)
    scene.until("ready")
    killed = 0
    for _ in range(10):
        killed += of_one_guest(scene)
    (scene.folder / "stop").touch()
    scene.expect(scene.waited(holder) == 0, "the holder failed")
    scene.check()
    return killed


def of_one_guest(scene: Scene) -> int:
    def work() -> None:
        with scene.open() as connection:
            scene.work(runner(connection))

    killed = scene.kill(scene.forked(work), 0.25)
    scene.check(shared=True)
    return killed


def of_shared(scene: Scene) -> int:
    def work() -> None:
        with scene.open() as connection, contextlib.suppress(Error):  # the holder is gone
            scene.work(runner(connection))

    holder = scene.forked(scene.hold)
    scene.until("ready")
    guest = scene.forked(work)
    killed = scene.kill(holder, 0.3)
    (scene.folder / "stop").touch()
    scene.expect(scene.waited(guest) == 0, "a guest of a killed holder failed")
    scene.check()
    return killed


def of_function(scene: Scene, depth: int) -> int:
    """Kill workers (depth 1) or the process that forks them (depth 0)."""

    def work() -> None:
        with scene.open() as connection:
            scene.work(runner(connection), ("call", "pair"))

    child = scene.forked(work)
    killed = 0
    scene.until("ledger", 1)
    for _ in range(12):
        time.sleep(scene.chance.uniform(0, 0.25))
        starters = [p for p, command in descendants(child) if "local.python.worker" in command]
        forkers = [p for p in starters if any(q in starters for q, _ in descendants(p))] or starters[:1]
        wanted = forkers if depth == 0 else [p for p in starters if p not in forkers]
        if wanted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(scene.chance.choice(wanted), signal.SIGKILL)
                killed += 1
    (scene.folder / "stop").touch()
    scene.expect(scene.waited(child) == 0, "a statement failed otherwise than by its worker")
    scene.check()
    return killed


def of_serve(scene: Scene) -> int:
    def serve() -> None:
        server = WarehouseServer(scene.folder / "w", 0, TOKEN, "D")
        (scene.folder / "port").write_text(str(server.port))
        (scene.folder / "ready").touch()
        server.serve_forever()

    def work() -> None:
        warnings.simplefilter("ignore")
        port = int((scene.folder / "port").read_text())
        login = {"account": "local", "user": "local", "password": TOKEN, "database": "D", "schema": "PUBLIC"}
        served = {"host": "127.0.0.1", "port": port, "protocol": "http"}
        limits = {"login_timeout": 2, "network_timeout": 2}
        with snowflake.connector.connect(**login, **served, **limits) as connection:
            scene.work(runner(connection), tuple(name for name in ACTS if name != "put"))

    server = scene.forked(serve)
    scene.until("ready")
    client = scene.forked(work)
    killed = scene.kill(server, 0.6)
    os.kill(client, signal.SIGKILL)
    scene.waited(client)
    scene.check()
    return killed
