"""Send random requests to ``snowpipe-ml serve`` before and after a login, and measure what slow clients cost others.

    python benchmarks/serve_requests.py [--requests 10000] [--slow 100] [--seed 1]

The server runs in a separate process. The script prints the statuses, the requests that were answered wrongly, the lines that
the server logged (a traceback would be one), and its memory after a tenth of the requests and at the end. Then the
requests of one client, each a `SELECT 1`, are timed in turns with and without slow clients, which send a byte of a
request twice a second; their cost is the median over the turns of the ratio of the median times.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz import wire  # noqa: E402 - found by the path that is added above

MB = 2**20
TURNS, REQUESTS = 25, 100
SLOW_REQUEST = b"POST /session/v1/login-request HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


def send_slowly(port: int, count: int, ready: Event) -> None:
    """Send the requests of some clients byte by byte, until the process is ended."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for client in clients:
        client.sendall(SLOW_REQUEST)
    ready.set()
    while True:
        time.sleep(0.5)
        for client in clients:
            client.sendall(b" ")


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[None]:
    """Slow clients in another process, so that they do not slow the one that measures."""
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=send_slowly, args=(port, count, ready))
    process.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        process.kill()
        process.join()


def seconds(port: int, session: str) -> list[float]:
    """The times of requests of a client."""
    found = []
    for _ in range(REQUESTS):
        begin = time.perf_counter()
        wrong = wire.works(port, session)
        found.append(time.perf_counter() - begin)
        assert wrong is None, wrong
    return found


def main() -> int:
    """Print the figures; return whether something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=100, help="number of slow clients")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, wire.served(Path(name)) as server:
        session = server.login()
        begin = time.perf_counter()
        first = wire.run(server.port, session, options.seed, 3600, options.requests // 10)
        early = server.memory()
        rest = wire.run(server.port, session, options.seed + 1, 3600, options.requests - first.count.total())
        took, late = time.perf_counter() - begin, server.memory()
        count, statuses = first.count + rest.count, first.statuses + rest.statuses
        faults = first.faults + rest.faults
        logged = server.errors.read_text()
        print(
            f"{count.total():,} requests in {took:.1f} s: {dict(count)}, statuses {dict(sorted(statuses.items()))}"
        )
        print(
            f"{len(faults)} wrong answers, {logged.count('Traceback')} tracebacks, {len(logged.splitlines())} lines logged"
        )
        print(f"memory: {early / MB:.0f} MB after {first.count.total():,}, {late / MB:.0f} MB at the end")
        for fault in faults[:5]:
            print(*fault, sep="\n    ")
        print(logged[-3000:], end="")
        seconds(server.port, session)
        alone, beside = [], []
        for _ in range(TURNS):
            alone.append(seconds(server.port, session))
            with slow_clients(server.port, options.slow):
                beside.append(seconds(server.port, session))
        pairs = zip(alone, beside, strict=True)
        ratio = statistics.median(statistics.median(b) / statistics.median(a) for a, b in pairs)
        medians = (1000 * statistics.median(itertools.chain(*each)) for each in (alone, beside))
        print(
            "SELECT 1: {:.2f} ms alone, {:.2f} ms beside {} slow clients: {:+.1%}".format(
                *medians, options.slow, ratio - 1
            )
        )
    return int(bool(faults or logged))


if __name__ == "__main__":
    sys.exit(main())
