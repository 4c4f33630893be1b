"""The generated sample: three months of orders, identical on every machine."""

from __future__ import annotations

import csv
import io
import os
import random
import zipfile
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

FIRST, DAYS = date(2022, 1, 1), 90


def write_orders(folder: Path) -> None:
    """Write an archive of orders for each month."""
    _fail_once("orders")
    folder.mkdir()
    by_month: dict[str, list[tuple[object, ...]]] = {}
    for row in _orders():
        by_month.setdefault(f"{row[1]:%Y-%m}", []).append(row)
    for month, rows in by_month.items():
        _write(folder / f"orders-{month}.zip", ("id", "day", "region", "amount"), rows)


def write_returns(folder: Path) -> None:
    """Write the archive of returned orders."""
    _fail_once("returns")
    folder.mkdir()
    rows = [(number, day + timedelta(days=3)) for number, day, _, _ in _orders() if number % 17 == 0]
    _write(folder / "returns.zip", ("order_id", "day"), rows)


def _orders() -> list[tuple[int, date, str, float]]:
    chance = random.Random(11)
    rows: list[tuple[int, date, str, float]] = []
    for n in range(DAYS):
        for region, mean in (("north", 6), ("south", 4)):
            for _ in range(mean + n % 7 + chance.randint(-1, 1)):
                amount = round(chance.uniform(5, 120), 2) if len(rows) % 200 else 900.0
                rows.append((len(rows) + 1, FIRST + timedelta(days=n), region, amount))
    return rows


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    with zipfile.ZipFile(path, "w") as archive:
        # A fixed time makes the archive the same in each run.
        archive.writestr(zipfile.ZipInfo(f"{path.stem}.csv", (2022, 1, 1, 0, 0, 0)), text.getvalue())


def _fail_once(name: str) -> None:
    """Fail as a server does that does not answer, once, in the folder of ORDERS_FAILURES if that is set."""
    folder = os.environ.get("ORDERS_FAILURES")
    if folder is None:
        return
    try:
        (Path(folder) / name).touch(exist_ok=False)
    except FileExistsError:
        return
    raise ConnectionError(f"the server of the {name} does not answer")
