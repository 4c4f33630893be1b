"""The generated sample: two years of a small shop's receipts, identical on every machine."""

from __future__ import annotations

import csv
import math
import random
from datetime import date, timedelta
from pathlib import Path

ITEMS = ("bread", "milk", "tea", "cake", "soup", "ice cream", "apples", "soap")


def write_sales(path: Path) -> None:
    """Write the receipts as a CSV file."""
    chance = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["DAY", "ITEM_ID", "QUANTITY", "PRICE"])
        for n in range(730):
            day = date(2023, 1, 1) + timedelta(days=n)
            for index, item in enumerate(ITEMS):
                weekend = 1.5 if day.weekday() >= 5 else 1.0
                season = 1 + 0.5 * math.sin(2 * math.pi * n / 365.25 + index)
                mean = (index + 2) * weekend * season
                for _ in range(max(0, round(chance.gauss(mean, math.sqrt(mean))))):
                    writer.writerow(
                        [day, item, chance.randint(1, 3), round(1 + index * 0.7 + chance.random(), 2)]
                    )
