"""The code that is tested: transformations of DataFrames, a SQL statement, and a Python function."""

from __future__ import annotations

from snowflake.snowpark import DataFrame, Session
from snowflake.snowpark.functions import col, udf
from snowflake.snowpark.functions import sum as sum_of
from snowflake.snowpark.types import StringType


def daily_sales(session: Session) -> DataFrame:
    """Return the amount sold on each day, without returned orders."""
    orders = session.table("ORDERS").filter(~col("RETURNED"))
    return orders.group_by("DAY").agg(sum_of("AMOUNT").alias("AMOUNT"))


def merge_prices(session: Session) -> None:
    """Update the prices that have changed, and add the new ones."""
    session.sql(
        "MERGE INTO PRICES P USING NEW_PRICES N ON P.ITEM = N.ITEM "
        "WHEN MATCHED THEN UPDATE SET PRICE = N.PRICE "
        "WHEN NOT MATCHED THEN INSERT (ITEM, PRICE) VALUES (N.ITEM, N.PRICE)"
    ).collect()


def register_slug(session: Session) -> None:
    """Create the function SLUG, which makes a part of a URL of a name."""

    @udf(
        name="SLUG",
        return_type=StringType(),
        input_types=[StringType()],
        packages=[],
        replace=True,
        session=session,
    )
    def slug(name: str) -> str:
        return "-".join(name.lower().split())
