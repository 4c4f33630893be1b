"""The calls of a Snowpark pipeline that was written for Snowflake, from raw files to flat tables of forecasts.

Public projects load trips, aggregate them by day and station, train in a table function and evaluate in a
function with just these calls. The data here is made up and small.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from snowflake.snowpark import Session, Window
from snowflake.snowpark import functions as F
from snowflake.snowpark import types as T

# A function's worker cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

DAYS, STATIONS, AHEAD = 40, ("101", "202"), 3
NAMES = ["STARTTIME", "STOPTIME", "STATION_ID"]


class Repeat:
    """Forecasts the last value of a station; takes whole columns of settings, as tables of Snowpark do."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.settings: tuple[Any, ...] = ()

    def process(self, date, count, lag, holiday, temp, names, target, cut, forecast, lags):
        """Keep a row."""
        self.rows.append((date, count, lag, holiday, temp))
        self.settings = (names, target, int(cut), forecast, lags)
        yield None

    def end_partition(self):
        """Return the history and the forecast as texts of JSON."""
        import json

        names, target, _, forecast, lags = self.settings
        if target not in names or lags != [1]:
            raise ValueError(f"the settings arrived as {self.settings}")
        known = [
            dict(
                zip(("DATE", "COUNT", "LAG_1"), (str(row[0]), int(row[1]), int(row[2])), strict=True),
                PRED=1.5,
            )
            for row in sorted(self.rows)
        ]
        ahead = [{"DATE": day[0], "COUNT": known[-1]["COUNT"], "LAG_1": 0, "PRED": 2.25} for day in forecast]
        yield ([json.dumps(known), json.dumps(ahead)],)


def evaluate(data: str, true: str, score: str) -> str:
    """Return the mean absolute error of forecasts, as JSON."""
    import json

    rows = json.loads(data)
    return json.dumps([{"mae": sum(abs(row[true] - row[score]) for row in rows) / len(rows)}])


@pytest.fixture
def trips(session: Session, tmp_path: Path) -> Session:
    schema = T.StructType([T.StructField(name, T.StringType()) for name in NAMES])
    session.sql("CREATE STAGE load_stage").collect()
    for number, written in ((1, "%Y-%m-%d %H:%M:%S"), (2, "%m/%d/%Y %H:%M:%S")):
        empty = session.create_dataframe([[None] * len(NAMES)], schema=schema)
        empty.na.drop().write.save_as_table(f"raw_schema{number}")
        file = tmp_path / f"{number}.csv.gz"
        with gzip.open(file, "wt", newline="") as text:
            writer = csv.writer(text, quoting=csv.QUOTE_ALL)
            writer.writerow(NAMES)
            for day in range(DAYS):
                start = dt.datetime(2020, 1, 1, 8) + dt.timedelta(days=day)
                for station in STATIONS:
                    writer.writerow([start.strftime(written), start.strftime(written), station])
        session.file.put(str(file), f"@load_stage/schema{number}/", auto_compress=False)
        reader = session.read.option("SKIP_HEADER", 1).option("FIELD_OPTIONALLY_ENCLOSED_BY", '"')
        reader.option("COMPRESSION", "GZIP").option("NULL_IF", "NULL").schema(schema).csv(
            f"@load_stage/schema{number}/"
        ).copy_into_table(
            f"raw_schema{number}",
            files=[file.name],
            format_type_options={"FIELD_OPTIONALLY_ENCLOSED_BY": "'\"'", "skip_header": 1},
        )
    return session


def test_a_pipeline_of_snowpark_calls(trips: Session) -> None:
    session = trips
    day_first = (
        r"^([0-9]?[0-9])/([0-9]?[0-9])/([0-9][0-9][0-9][0-9]) ([0-9]?[0-9]):([0-9][0-9])(:[0-9][0-9])?.*$"
    )
    both = session.table("raw_schema1")[NAMES].union_by_name(session.table("raw_schema2")[NAMES])
    for name in NAMES[:2]:
        iso = F.regexp_replace(F.col(name), F.lit(day_first), F.lit(r"\3-\1-\2 \4:\5\6"))
        both = both.with_column(name, iso).with_column(name, F.to_timestamp(name))
    both.write.mode("overwrite").save_as_table("trips")
    # Both files have the same trips, and UNION leaves out what is there twice only if it is written alike.
    assert session.table("trips").filter(F.col("STARTTIME").is_null()).count() == 0
    first, last = session.table("trips").select(F.min("STARTTIME"), F.max("STARTTIME")).collect()[0]
    assert (first, last.date() - first.date()) == (dt.datetime(2020, 1, 1, 8), dt.timedelta(days=DAYS - 1))

    holidays = session.create_dataframe([["2020-01-20"]], schema=["DATE"]).with_column("HOLIDAY", F.lit(1))
    holidays.write.save_as_table("holidays", mode="overwrite", table_type="temporary")
    session.table("holidays").write.mode("overwrite").save_as_table("holidays")
    session.sql(
        "CREATE TABLE weather AS SELECT DATEADD(day, SEQ4(), '2020-01-01'::DATE) AS date, 7.126::FLOAT AS temp "
        f"FROM TABLE(GENERATOR(ROWCOUNT => {DAYS + AHEAD}))"
    ).collect()
    weather = session.table("weather").select("DATE", F.round(F.col("TEMP"), 2).alias("TEMP")).sort("DATE")
    weather.create_or_replace_view("weather_view")
    session.sql("CREATE TAG model_id_tag").collect()
    session.sql("CREATE OR REPLACE TABLE clone_1 CLONE trips").collect()
    session.sql("ALTER TABLE clone_1 SET TAG model_id_tag = 'a_b'").collect()

    by_day = Window.partition_by(F.col("STATION_ID")).order_by(F.col("DATE").asc())
    features = (
        session.table("clone_1")
        .select(F.to_date(F.col("STARTTIME")).alias("DATE"), F.col("STATION_ID"))
        .group_by(F.col("STATION_ID"), F.col("DATE"))
        .count()
        .with_column("LAG_1", F.lag(F.col("COUNT"), offset=1).over(by_day))
        .na.drop()
        .join(session.table("holidays"), "DATE", join_type="left")
        .na.fill({"HOLIDAY": 0})
        .join(session.table("weather_view")[["DATE", "TEMP"]], "DATE", "inner")
        .with_column("DAYS", F.count(F.col("DATE")).over(Window.partition_by(F.col("STATION_ID"))))
        .filter(F.col("DAYS") >= 10)
        .drop(["DAYS"])
    )
    features.write.mode("overwrite").save_as_table("features")
    assert session.table("features").count() == (DAYS - 1) * len(STATIONS)

    start = last.date() + dt.timedelta(days=1)
    ahead = (
        session.table("holidays")
        .join(session.table("weather_view")[["DATE", "TEMP"]], "DATE", join_type="right")
        .na.fill({"HOLIDAY": 0})
        .filter((F.col("DATE") >= start) & (F.col("DATE") <= start + dt.timedelta(days=AHEAD)))
        .sort("DATE", ascending=True)
    )
    ahead.write.mode("overwrite").save_as_table("forecast")

    _train(session)
    assert _flat(session) == {
        ("flat_pred", STATIONS[0]): DAYS - 1,
        ("flat_pred", STATIONS[1]): DAYS - 1,
        ("flat_forecast", STATIONS[0]): AHEAD,
        ("flat_forecast", STATIONS[1]): AHEAD,
    }
    errors = session.table("flat_eval").collect()
    assert {str(row["MAE"]) for row in errors} == {"0.50"}


def _train(session: Session) -> None:
    number = T.DecimalType()
    session.sql("CREATE STAGE model_stage").collect()
    session.udtf.register(
        Repeat,
        name="train_predict",
        is_permanent=True,
        stage_location="@model_stage",
        replace=True,
        input_types=[
            T.DateType(),
            number,
            number,
            number,
            T.FloatType(),
            T.ArrayType(),
            T.StringType(),
            number,
            T.ArrayType(),
            T.ArrayType(),
        ],
        output_schema=T.StructType([T.StructField("PRED_DATA", T.VariantType())]),
    )
    session.udf.register(
        evaluate,
        name="evaluate_output",
        is_permanent=True,
        stage_location="@model_stage",
        replace=True,
        input_types=[T.StringType()] * 3,
        return_type=T.VariantType(),
    )
    history = session.table("features")
    names = F.array_construct(*[F.lit(name) for name in history.columns if name != "STATION_ID"])
    ahead = session.table("forecast").select(
        F.array_agg(F.array_construct(F.col("*"))).alias("FORECAST_DATA")
    )
    rows = history.join(ahead)
    train = F.table_function("train_predict")
    rows.select(
        rows["STATION_ID"],
        train(
            rows["DATE"],
            rows["COUNT"],
            rows["LAG_1"],
            rows["HOLIDAY"],
            rows["TEMP"],
            F.lit(names),
            F.lit("COUNT"),
            F.lit(10),
            rows["FORECAST_DATA"],
            F.lit(F.array_construct(F.lit(1))),
        ).over(partition_by="STATION_ID"),
    ).write.mode("overwrite").save_as_table("pred")
    session.table("pred").select(
        "STATION_ID",
        F.call_udf(
            "evaluate_output", F.parse_json(F.col("PRED_DATA")[0]), F.lit("COUNT"), F.lit("PRED")
        ).alias("EVAL_DATA"),
    ).with_column("RUN_DATE", F.to_date(F.lit(dt.date(2020, 3, 1)))).write.mode("overwrite").save_as_table(
        "eval"
    )


def _flat(session: Session) -> dict[tuple[str, str], int]:
    counts = {}
    for place, name in enumerate(("flat_pred", "flat_forecast")):
        rows = session.table("pred").select(
            "STATION_ID", F.parse_json(F.col("PRED_DATA")[place]).alias("PRED_DATA")
        )
        rows.flatten("PRED_DATA").select("STATION_ID", F.col("VALUE").alias("PRED_DATA")).select(
            "STATION_ID",
            F.to_date(F.col("PRED_DATA")["DATE"]).alias("DATE"),
            F.as_integer(F.col("PRED_DATA")["COUNT"]).alias("COUNT"),
            F.as_decimal(F.col("PRED_DATA")["PRED"]).alias("PRED"),
        ).write.mode("overwrite").save_as_table(name)
        for row in session.table(name).group_by("STATION_ID").count().collect():
            counts[name, row["STATION_ID"]] = row["COUNT"]
    session.table("eval").select(
        "RUN_DATE", "STATION_ID", F.parse_json(F.col("EVAL_DATA")).alias("EVAL_DATA")
    ).flatten("EVAL_DATA").select("RUN_DATE", "STATION_ID", F.col("VALUE").alias("EVAL_DATA")).select(
        "RUN_DATE", "STATION_ID", F.as_decimal(F.col("EVAL_DATA")["mae"], 10, 2).alias("mae")
    ).write.mode("append").save_as_table("flat_eval")
    assert json.loads(session.table("pred").collect()[0]["PRED_DATA"])
    return counts
