"""The generated sample: three years of weekly sales of eight stores with promotions, identical on every machine."""

from __future__ import annotations

import csv
import math
import random
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2023, 1, 2)
WEEKS = 156
AHEAD = 13
"""The weeks after the last sale whose promotions are planned already."""

STORES = {
    "N1": "north",
    "N2": "north",
    "N3": "north",
    "S1": "south",
    "S2": "south",
    "S3": "south",
    "S4": "south",
    "S5": "south",
}


def _promoted(store: int, week: int) -> bool:
    return (week + 3 * store) % 11 == 0


def write_sales(path: Path) -> None:
    """Write the units that each store sold in each week as a CSV file."""
    chance = random.Random(11)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["WEEK", "REGION", "STORE", "UNITS"])
        for week in range(WEEKS):
            for number, (store, region) in enumerate(STORES.items()):
                season = 1 + 0.3 * math.sin(2 * math.pi * (week / 52.18 + (region == "south") / 4))
                mean = (
                    (60 + 25 * number) * season * (1 + week / 600) * (1.4 if _promoted(number, week) else 1.0)
                )
                units = max(0, round(chance.gauss(mean, math.sqrt(2 * mean))))
                writer.writerow([FIRST + timedelta(weeks=week), region, store, units])


def write_promotions(path: Path) -> None:
    """Write the past and planned promotions of each store as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["WEEK", "STORE", "PROMOTED"])
        for week in range(WEEKS + AHEAD):
            for number, store in enumerate(STORES):
                writer.writerow([FIRST + timedelta(weeks=week), store, int(_promoted(number, week))])
