"""What SHOW has listed: asked once for a schema and kind, and again of an object that may have changed."""

from __future__ import annotations

from typing import Any

from snowpipe_ml.plugins.connection import Row, execute
from snowpipe_ml.plugins.listings import Listings
from snowpipe_ml.sql import Identifier, QualifiedName, Sql

PLACE = QualifiedName.of("LOCAL", "PUBLIC")


class Target:
    """Runs statements on a Session's connection, and keeps them."""

    def __init__(self, session: Any) -> None:
        self.asked: list[str] = []
        self._connection = session.connection

    def ask(self, statement: Sql) -> list[Row]:
        self.asked.append(statement.text)
        return execute(self._connection, statement)


def test_an_object_is_handed_out_once_from_the_list(session: Any) -> None:
    for name in ("A", "B"):
        session.sql(f"CREATE TABLE {name} (X INT)").collect()
    target, listings = Target(session), Listings()
    assert set(listings.all(target.ask, "TABLES", PLACE)) == {"A", "B"}
    assert [row["name"] for row in listings.of(target.ask, "TABLES", PLACE, Identifier("A"))] == ["A"]
    assert listings.of(target.ask, "TABLES", PLACE, Identifier("C")) == []
    assert len(target.asked) == 1
    session.sql("DROP TABLE A").collect()
    session.sql("CREATE TABLE C (X INT)").collect()
    assert listings.of(target.ask, "TABLES", PLACE, Identifier("A")) == []
    assert len(listings.of(target.ask, "TABLES", PLACE, Identifier("C"))) == 1
    assert target.asked[1:] == [f"SHOW TABLES LIKE '{name}' IN SCHEMA LOCAL.PUBLIC" for name in "AC"]


def test_a_list_is_forgotten_after_a_while_and_by_name(session: Any) -> None:
    session.sql("CREATE TABLE A (X INT)").collect()
    moment = [0.0]
    target, listings = Target(session), Listings(lambda: moment[0])
    listings.all(target.ask, "TABLES", PLACE)
    session.sql("DROP TABLE A").collect()
    listings.forget(Identifier("A"))
    assert listings.of(target.ask, "TABLES", PLACE, Identifier("A")) == []
    assert len(target.asked) == 2
    session.sql("CREATE TABLE B (X INT)").collect()
    moment[0] = 3600.0
    assert len(listings.of(target.ask, "TABLES", PLACE, Identifier("B"))) == 1
