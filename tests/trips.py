"""Small monthly archives in the layouts of the real files, with known counts."""

from __future__ import annotations

import calendar
import gzip
import io
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path

OLD = (
    '"tripduration","starttime","stoptime","start station id","start station name","start station latitude",'
    '"start station longitude","end station id","end station name","end station latitude","end station longitude",'
    '"bikeid","usertype","birth year","gender"'
)
NEW = (
    "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_name,end_station_id,"
    "start_lat,start_lng,end_lat,end_lng,member_casual"
)
STATIONS = [
    (3183, "JC001", "Exchange Place"),
    (3186, "JC002", "Grove St PATH"),
    (3199, "JC003", "Newport Pkwy"),
]


def trips_on(station: int, day: datetime) -> int:
    """The number of trips that start at a station on a day: a weekly pattern, plus the station's number."""
    return 1 + station + (2 if day.weekday() < 5 else 0) + day.day % 3


def month_csv(month: str, *, times: str = "%Y-%m-%d %H:%M:%S.%f", header: str | None = None) -> str:
    year, number = map(int, month.split("-"))
    new = (year, number) >= (2021, 2)
    lines = [header or (NEW if new else OLD)]
    for day_number in range(1, calendar.monthrange(year, number)[1] + 1):
        day = datetime(year, number, day_number)
        for station, (old_id, new_id, name) in enumerate(STATIONS):
            for n in range(trips_on(station, day)):
                start = day + timedelta(hours=7 + n, minutes=day_number)
                end = start + timedelta(minutes=12)
                if new:
                    ride = f"{station}{day_number:02d}{n:02d}{number:02d}"
                    lines.append(
                        f"{ride},classic_bike,{start},{end},{name},{new_id},{name},{new_id},40.7,-74.0,40.7,-74.0,member"
                    )
                else:
                    lines.append(
                        f'720,"{start.strftime(times)}","{end.strftime(times)}",{old_id},"{name}",40.7,-74.0,{old_id},'
                        f'"{name}",40.7,-74.0,29000,"Subscriber",NULL,1'
                    )
    return "\n".join(lines) + "\n"


def count(month: str) -> int:
    return month_csv(month).count("\n") - 1


def name_of(month: str) -> str:
    return f"JC-{month.replace('-', '')}-citibike-tripdata"


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def write_months(folder: Path, months: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, month in enumerate(months):
        text = month_csv(month).encode()
        if index % 2:
            (folder / f"{name_of(month)}.csv.gz").write_bytes(gzip.compress(text, mtime=0))
        else:
            members = {f"{name_of(month)}.csv": text, f"__MACOSX/._{name_of(month)}.csv": b"\0\1"}
            (folder / f"{name_of(month)}.csv.zip").write_bytes(zipped(members))


def write_weather(path: Path) -> None:
    """A weather file that covers the months from 2020-12 on."""
    lines = ['"STATION","NAME","DATE","AWND","PRCP","SNOW","SNWD","TMAX","TMIN"']
    for n in range(150):
        day = date(2020, 12, 1) + timedelta(days=n)
        lines.append(f'"X","X","{day}","1","{0.1 * (n % 3):.1f}","0","0","{40 + n % 20}","30"')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
