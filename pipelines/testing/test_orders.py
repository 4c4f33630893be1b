"""Tests of Snowpark code on an embedded warehouse: each test has an empty database, and needs no account."""

from __future__ import annotations

from datetime import date

import orders
import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException


def test_returned_orders_are_not_sold(snowpark_session, snowpark_load):
    snowpark_load(
        "ORDERS",
        [
            {"DAY": date(2024, 1, 1), "AMOUNT": 10.0, "RETURNED": False},
            {"DAY": date(2024, 1, 1), "AMOUNT": 5.0, "RETURNED": True},
            {"DAY": date(2024, 1, 2), "AMOUNT": 7.0, "RETURNED": False},
        ],
    )
    rows = orders.daily_sales(snowpark_session).sort("DAY").collect()
    assert [tuple(row) for row in rows] == [(date(2024, 1, 1), 10.0), (date(2024, 1, 2), 7.0)]


def test_prices_are_merged(snowpark_session, snowpark_load):
    snowpark_load("PRICES", [{"ITEM": "tea", "PRICE": 2}, {"ITEM": "milk", "PRICE": 1}])
    snowpark_load("NEW_PRICES", [{"ITEM": "tea", "PRICE": 3}, {"ITEM": "soap", "PRICE": 4}])
    orders.merge_prices(snowpark_session)
    rows = snowpark_session.table("PRICES").sort("ITEM").collect()
    assert [tuple(row) for row in rows] == [("milk", 1), ("soap", 4), ("tea", 3)]


def test_two_new_prices_of_an_item_are_an_error(snowpark_session, snowpark_load):
    snowpark_load("PRICES", [{"ITEM": "tea", "PRICE": 2}])
    snowpark_load("NEW_PRICES", [{"ITEM": "tea", "PRICE": 3}, {"ITEM": "tea", "PRICE": 4}])
    with pytest.raises(SnowparkSQLException, match="Duplicate row detected during DML action"):
        orders.merge_prices(snowpark_session)


def test_a_python_function(snowpark_session):
    orders.register_slug(snowpark_session)
    assert snowpark_session.sql("SELECT SLUG('Green  Tea')").collect()[0][0] == "green-tea"
