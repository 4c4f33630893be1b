"""A generated sample of insurance charges, with the columns and relations of the well-known data set.

The values are drawn from distributions with a fixed seed; no row describes a real person.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

ROWS = 1_338
REGIONS = ("northeast", "northwest", "southeast", "southwest")


def write_charges(path: Path) -> None:
    """Write a CSV file: age, sex, bmi, children, smoker, region, charges."""
    draw = random.Random(20240229)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "sex", "bmi", "children", "smoker", "region", "charges"])
        for _ in range(ROWS):
            age = draw.randint(18, 64)
            bmi = round(min(max(draw.gauss(30.6, 6.1), 16), 53), 2)
            children = min(int(draw.expovariate(0.9)), 5)
            smoker = draw.random() < 0.205
            charges = 250 + 3.3 * age**2 + 480 * children + draw.expovariate(1 / 900)
            if smoker:
                charges += 12_500 + (15_500 if bmi > 30 else 0) + 260 * (bmi - 25)
            elif draw.random() < 0.08:
                # An accident or an illness, which no feature predicts.
                charges += draw.uniform(6_000, 16_000)
            writer.writerow(
                [
                    age,
                    draw.choice(("female", "male")),
                    bmi,
                    children,
                    "yes" if smoker else "no",
                    draw.choice(REGIONS),
                    round(max(charges, 1_100), 4),
                ]
            )
