"""The generated sample of the pipeline: synthetic trips and weather, identical on every machine.

About a million trips of thirty-two stations over thirty-one months. The archives have the quirks of
the real files: two header layouts, nested archives, `__MACOSX` members, months split into several CSV
files, fractional seconds, times edited by a spreadsheet, and missing stations and birth years.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

FIRST, LAST = date(2019, 9, 1), date(2022, 3, 31)
NEW_LAYOUT = date(2021, 2, 1)
STATIONS = 32
SEED = 20190901

OLD_HEADER = (
    '"tripduration","starttime","stoptime","start station id","start station name","start station latitude",'
    '"start station longitude","end station id","end station name","end station latitude","end station longitude",'
    '"bikeid","usertype","birth year","gender"\n'
)
NEW_HEADER = (
    "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_name,end_station_id,"
    "start_lat,start_lng,end_lat,end_lng,member_casual\n"
)
_STREETS = ("Harbor", "Market", "Orchard", "Mill", "Garden", "Bridge", "Station", "Church")
_ENDS = ("St", "Ave", "Park", "Plaza")
# Public holidays that keep commuters at home, by month and day.
_HOLIDAYS = {(1, 1), (7, 4), (11, 11), (12, 25)}


def _days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def _weather() -> tuple[np.ndarray, np.ndarray]:
    """The highest temperature (Fahrenheit) and the precipitation (inches) of each day."""
    rng = np.random.default_rng(SEED)
    days = _days()
    season = np.array([np.cos(2 * np.pi * (day.timetuple().tm_yday - 200) / 365.25) for day in days])
    noise = np.zeros(len(days))
    for i in range(1, len(days)):
        noise[i] = 0.7 * noise[i - 1] + rng.normal(0, 5)
    temperature = 62 + 23 * season + noise
    wet = rng.random(len(days)) < 0.3
    precipitation = np.where(wet, rng.gamma(0.8, 0.45, len(days)), 0.0)
    return np.round(temperature), np.round(precipitation, 2)


def write_weather(path: Path) -> None:
    """Write daily summaries in the layout of NOAA."""
    temperature, precipitation = _weather()
    lines = ['"STATION","NAME","DATE","AWND","PRCP","SNOW","SNWD","TMAX","TMIN"']
    for day, high, rain in zip(_days(), temperature, precipitation, strict=True):
        lines.append(
            f'"SAMPLE00001","SAMPLE CITY","{day.isoformat()}","5.0","{rain:.2f}","0.0","0.0","{high:.0f}","{high - 14:.0f}"'
        )
    path.write_text("\n".join(lines) + "\n")


def _demand() -> np.ndarray:
    """The expected numbers of trips, (stations, days)."""
    rng = np.random.default_rng(SEED + 1)
    days = _days()
    temperature, precipitation = _weather()
    size = rng.lognormal(3.4, 0.45, STATIONS)
    leisure = rng.random(STATIONS)  # 0: offices, 1: parks
    weekend = np.array([day.weekday() >= 5 for day in days])
    holiday = np.array([(day.month, day.day) in _HOLIDAYS for day in days])
    free = weekend | holiday
    comfort = 1 / (1 + np.exp(-(temperature - 52) / 9)) + 0.15
    dry = np.exp(-0.9 * np.minimum(precipitation, 2))
    week = np.where(free[None, :], 0.45 + 0.9 * leisure[:, None], 1.15 - 0.35 * leisure[:, None])
    growth = np.linspace(0.85, 1.2, len(days))
    demand: np.ndarray = size[:, None] * week * comfort[None, :] * dry[None, :] * growth[None, :] * 1.35
    # One station opens late, and one closes permanently before the end.
    demand[STATIONS - 1, : len(days) - 60] = 0
    demand[STATIONS - 2, len(days) - 200 :] = 0
    return demand


def _months() -> Iterator[tuple[int, int, np.ndarray]]:
    days = _days()
    index = np.arange(len(days))
    stamps = np.array([day.year * 100 + day.month for day in days])
    for stamp in np.unique(stamps):
        yield int(stamp) // 100, int(stamp) % 100, index[stamps == stamp]


def _stations() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SEED + 2)
    numbers = np.arange(STATIONS)
    names = np.array([f"{_STREETS[i % 8]} {_ENDS[i // 8]}" for i in numbers])
    return (
        numbers + 3180,
        np.array([f"JC{i + 1:03d}" for i in numbers]),
        names,
        np.round(40.71 + 0.04 * rng.random(STATIONS), 6),
        np.round(-74.08 + 0.05 * rng.random(STATIONS), 6),
    )


def _month_columns(
    rng: np.random.Generator, counts: np.ndarray, day_index: np.ndarray
) -> dict[str, np.ndarray]:
    """The trips of a month as columns, ordered by start time."""
    station, day = np.nonzero(counts)
    repeats = counts[station, day]
    start = np.repeat(station, repeats)
    total = len(start)
    midnight = np.datetime64(FIRST, "ms") + day_index[np.repeat(day, repeats)].astype("timedelta64[D]")
    morning = rng.random(total) < 0.4
    hour = np.clip(np.where(morning, rng.normal(8.5, 1.2, total), rng.normal(16.8, 3.0, total)), 0.05, 23.9)
    started = midnight + (hour * 3_600_000).astype("timedelta64[ms]")
    seconds = np.clip(rng.lognormal(6.2, 0.7, total), 61, 80_000).astype(int)
    order = np.argsort(started, kind="stable")
    return {
        "start": start[order],
        "end": rng.integers(0, STATIONS, total)[order],
        "started": started[order],
        "seconds": seconds[order],
        "member": (rng.random(total) < 0.78)[order],
        "u": rng.random(total)[order],
    }


def _old_csv(c: dict[str, np.ndarray], spreadsheet: bool) -> bytes:
    numbers, _, names, lat, lng = _stations()
    stopped = c["started"] + c["seconds"].astype("timedelta64[s]")

    def times(values: np.ndarray) -> np.ndarray | list[str]:
        if spreadsheet:
            return [t.strftime("%-m/%-d/%Y %-H:%M") for t in values.astype("datetime64[s]").astype(object)]
        return np.char.add(np.char.replace(values.astype("datetime64[ms]").astype(str), "T", " "), "0")

    birth = np.where(c["u"] < 0.06, "NULL", (1950 + (c["u"] * 52).astype(int)).astype(str))
    return _csv(
        OLD_HEADER,
        [
            c["seconds"],
            times(c["started"]),
            times(stopped),
            numbers[c["start"]],
            names[c["start"]],
            lat[c["start"]],
            lng[c["start"]],
            numbers[c["end"]],
            names[c["end"]],
            lat[c["end"]],
            lng[c["end"]],
            (c["u"] * 20_000).astype(int) + 15_000,
            np.where(c["member"], "Subscriber", "Customer"),
            birth,
            (c["u"] * 3).astype(int),
        ],
    )


def _new_csv(c: dict[str, np.ndarray], month: int) -> bytes:
    _, ids, names, lat, lng = _stations()
    stopped = c["started"] + c["seconds"].astype("timedelta64[s]")
    lost = c["u"] < 0.004  # bikes that were left away from a station have no end station
    ride = (c["u"] * 2**52).astype(np.int64)

    def times(values: np.ndarray) -> np.ndarray:
        return np.char.replace(values.astype("datetime64[s]").astype(str), "T", " ")

    return _csv(
        NEW_HEADER,
        [
            [f"{value:013X}{month:03X}" for value in ride],
            np.where(c["u"] < 0.3, "electric_bike", "classic_bike"),
            times(c["started"]),
            times(stopped),
            names[c["start"]],
            ids[c["start"]],
            np.where(lost, "", names[c["end"]]),
            np.where(lost, "", ids[c["end"]]),
            lat[c["start"]],
            lng[c["start"]],
            lat[c["end"]],
            lng[c["end"]],
            np.where(c["member"], "member", "casual"),
        ],
    )


def _csv(header: str, columns: list[np.ndarray | list[str]]) -> bytes:
    table = pa.table([pa.array(column) for column in columns], names=[str(i) for i in range(len(columns))])
    out = io.BytesIO(header.encode())
    out.seek(0, io.SEEK_END)
    pacsv.write_csv(table, out, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
    return out.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2022, 4, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 1)
    return out.getvalue()


def write_trips(folder: Path) -> None:
    """Write the monthly archives to a folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(SEED + 3)
    demand = _demand()
    year_2019: dict[str, bytes] = {}
    for year, month, days in _months():
        stamp = f"{year}{month:02d}"
        columns = _month_columns(rng, rng.poisson(demand[:, days]), days)
        name = f"JC-{stamp}-citibike-tripdata"
        if date(year, month, 1) < NEW_LAYOUT:
            members = {f"{name}.csv": _old_csv(columns, spreadsheet=(year, month) == (2020, 2))}
        else:
            half = len(columns["start"]) // 2 if (year, month) == (2022, 3) else len(columns["start"])
            members = {}
            for part, piece in enumerate((slice(0, half), slice(half, None)), 1):
                rows = {key: values[piece] for key, values in columns.items()}
                if len(rows["start"]):
                    members[f"{name}_{part}.csv" if half < len(columns["start"]) else f"{name}.csv"] = (
                        _new_csv(rows, month)
                    )
            if year == 2022:
                members[f"__MACOSX/._{name}.csv"] = b"\x00\x05\x16\x07 resource fork"
        archive = _zip(members)
        if year == 2019:
            year_2019[f"{name}.csv.zip"] = archive
        else:
            (folder / f"{name}.csv.zip").write_bytes(archive)
    (folder / "JC-2019-citibike-tripdata.zip").write_bytes(_zip(year_2019))
