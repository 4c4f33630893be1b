"""Statements whose effect is all there or not there at all, and how to see which.

Each act leaves a different trace, so acts do not depend on each other's success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BEFORE, AFTER = "before", "after"
ROUNDS = 6

Probe = Callable[[Any], object]


@dataclass(frozen=True)
class Act:
    """Statements that are acknowledged together.

    Attributes:
        name: its name, for messages.
        statements: run in order; an error ends the act.
        probe: returns what the warehouse shows of it.
        before: what the probe returns when the act had no effect.
        after: what it returns when the act had its effect.
    """

    name: str
    statements: tuple[str, ...]
    probe: Probe
    before: object
    after: object

    def state(self, cursor: Any) -> str:
        """Return BEFORE, AFTER, or what was found instead."""
        found = self.probe(cursor)
        return BEFORE if found == self.before else AFTER if found == self.after else f"found {found!r}"


def rows(query: str) -> Probe:
    """The rows of a query; the word "missing" if its table does not exist."""

    def probe(cursor: Any) -> object:
        try:
            return [tuple(row) for row in cursor.execute(query).fetchall()]
        except Exception as raised:
            if "does not exist" not in str(raised):
                raise
            return "missing"

    return probe


GENERATED = "SELECT {k} AS K, SEQ4() AS N, '{word}' AS S FROM TABLE(GENERATOR(ROWCOUNT => {count}))"


def generated(k: int, count: int, word: str = "new") -> str:
    """A query with a number of rows."""
    return GENERATED.format(k=k, word=word, count=count)


def prepare(cursor: Any, folder: Path) -> None:
    """Create what the acts change."""
    (folder / "files").mkdir()
    for text in (
        "CREATE TABLE LOG (K INT, N INT, S VARCHAR)",
        "CREATE TABLE LOADED (K INT, N INT)",
        "CREATE TABLE MERGED (ID INT, V INT)",
        "CREATE TABLE LEFT_SIDE (K INT, N INT, S VARCHAR)",
        "CREATE TABLE RIGHT_SIDE (K INT, N INT, S VARCHAR)",
        "CREATE TABLE BASE (K INT)",
        "CREATE TABLE CHANGED (K INT)",
        "CREATE STAGE FILES",
    ):
        cursor.execute(text)
    for k in range(ROUNDS):
        path = folder / "files" / f"load{k}.csv"
        path.write_text("".join(f"{k},{n}\n" for n in range(20)))
        cursor.execute(f"PUT file://{path} @FILES/in AUTO_COMPRESS = FALSE")
        (folder / "files" / f"put{k}.txt").write_text(f"{k}\n" * 3000)
        cursor.execute(
            f"INSERT INTO MERGED SELECT {100 * k} + SEQ4(), 0 FROM TABLE(GENERATOR(ROWCOUNT => 10))"
        )
        cursor.execute(f"CREATE TABLE OVERWRITTEN{k} AS {generated(k, 10, 'old')}")
        cursor.execute(f"CREATE TABLE ALTERED{k} (N INT)")
        cursor.execute(f"CREATE TABLE DROPPED{k} (N INT)")
        cursor.execute(f"CREATE STREAM STREAM{k} ON TABLE BASE")
        if k % 2:
            cursor.execute(f"CREATE TABLE MADE{k} AS {generated(k, 10, 'old')}")
    cursor.execute("INSERT INTO BASE VALUES (1), (2), (3)")
    cursor.execute(f"INSERT INTO LOG {generated(-1, 50)}")
    cursor.execute("CREATE DATABASE GOING")
    cursor.execute("USE SCHEMA D.PUBLIC")


def _staged(name: str) -> Probe:
    def probe(cursor: Any) -> object:
        return sorted(
            (row[0].rpartition("/")[2], row[1] > 0)
            for row in cursor.execute(f"LIST @FILES/{name}").fetchall()
        )

    return probe


def _databases(name: str) -> Probe:
    def probe(cursor: Any) -> object:
        return name in [row[1] for row in cursor.execute("SHOW DATABASES").fetchall()]

    return probe


def _of_round(k: int, folder: Path) -> list[Act]:
    count = f"COUNT(*) FROM {{}} WHERE K = {k}"
    old = [(10, "old", "old")] if k % 2 else "missing"
    made = f"SELECT COUNT(*), MIN(S), MAX(S) FROM MADE{k}"
    pair = f"SELECT (SELECT {count.format('LEFT_SIDE')}), (SELECT {count.format('RIGHT_SIDE')})"
    merged = f"SELECT COUNT(*), SUM(V) FROM MERGED WHERE ID >= {100 * k} AND ID < {100 * k + 100}"
    stream = f"SELECT (SELECT COUNT(*) FROM STREAM{k}), (SELECT {count.format('CHANGED')})"
    return [
        Act(
            "ctas",
            (f"CREATE OR REPLACE TABLE MADE{k} AS {generated(k, 200)}",),
            rows(made),
            old,
            [(200, "new", "new")],
        ),
        Act(
            "insert",
            (f"INSERT INTO LOG {generated(k, 50)}",),
            rows(f"SELECT {count.format('LOG')}"),
            [(0,)],
            [(50,)],
        ),
        Act(
            "copy",
            (f"COPY INTO LOADED FROM @FILES/in/load{k}.csv FILE_FORMAT = (TYPE = CSV)",),
            rows(f"SELECT {count.format('LOADED')}"),
            [(0,)],
            [(20,)],
        ),
        Act(
            "merge",
            (
                f"MERGE INTO MERGED USING (SELECT {100 * k} + SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => 20))) AS S "
                "ON MERGED.ID = S.ID WHEN MATCHED THEN UPDATE SET V = 1 "
                "WHEN NOT MATCHED THEN INSERT (ID, V) VALUES (S.ID, 1)",
            ),
            rows(merged),
            [(10, 0)],
            [(20, 20)],
        ),
        Act(
            "overwrite",
            (f"INSERT OVERWRITE INTO OVERWRITTEN{k} {generated(k, 30)}",),
            rows(f"SELECT COUNT(*), MIN(S), MAX(S) FROM OVERWRITTEN{k}"),
            [(10, "old", "old")],
            [(30, "new", "new")],
        ),
        Act(
            "transaction",
            (
                "BEGIN",
                f"INSERT INTO LEFT_SIDE {generated(k, 20)}",
                f"INSERT INTO RIGHT_SIDE {generated(k, 30)}",
                "COMMIT",
            ),
            rows(pair),
            [(0, 0)],
            [(20, 30)],
        ),
        Act(
            "alter",
            (f"ALTER TABLE ALTERED{k} ADD COLUMN M INT",),
            lambda cursor: len(cursor.execute(f"DESCRIBE TABLE ALTERED{k}").fetchall()),
            1,
            2,
        ),
        Act("drop", (f"DROP TABLE DROPPED{k}",), rows(f"SELECT COUNT(*) FROM DROPPED{k}"), [(0,)], "missing"),
        Act(
            "put",
            (f"PUT file://{folder}/files/put{k}.txt @FILES/put AUTO_COMPRESS = FALSE",),
            _staged(f"put/put{k}.txt"),
            [],
            [(f"put{k}.txt", True)],
        ),
        Act(
            "unload",
            (
                f"COPY INTO @FILES/out/{k}.csv FROM ({generated(k, 500)}) SINGLE = TRUE FILE_FORMAT = (TYPE = CSV)",
            ),
            _staged(f"out/{k}.csv"),
            [],
            [(f"{k}.csv", True)],
        ),
        Act(
            "stream",
            (f"INSERT INTO CHANGED SELECT {k} FROM STREAM{k}",),
            rows(stream),
            [(3, 0)],
            [(0, 3)],
        ),
        Act(
            "view",
            (f"CREATE VIEW SHOWN{k} AS SELECT * FROM LOG",),
            rows(f"SELECT COUNT(*) FROM SHOWN{k} WHERE FALSE"),
            "missing",
            [(0,)],
        ),
    ]


def _of_databases(folder: Path) -> list[Act]:
    return [
        Act(
            "large",
            (f"CREATE TABLE LARGE AS {generated(0, 150_000)}",),
            rows("SELECT COUNT(*), COUNT(DISTINCT N) FROM LARGE"),
            "missing",
            [(150_000, 150_000)],
        ),
        Act("create database", ("CREATE DATABASE COMING",), _databases("COMING"), False, True),
        Act("drop database", ("DROP DATABASE GOING",), _databases("GOING"), True, False),
        Act(
            "tag",
            ("CREATE TAG D.PUBLIC.OWNER",),
            lambda cursor: len(cursor.execute("SHOW TAGS IN SCHEMA D.PUBLIC").fetchall()),
            0,
            1,
        ),
    ]


def parts(folder: Path) -> list[list[Act]]:
    """The workload: parts that open the warehouse, run their acts in order and close it.

    The last part has no acts: it runs a pipeline, which publishes tables and writes records.
    """
    return [*(_of_round(k, folder) for k in range(ROUNDS)), _of_databases(folder), []]


def spec(folder: Path, word: str) -> Path:
    """A pipeline that publishes two tables, whose rows have a word."""
    path = folder / "spec.yaml"
    steps = {
        "made": {"type": "transform", "query": f"SELECT N, '{word}' AS S FROM LOG", "writes": "published"},
        "added": {
            "type": "transform",
            "query": "SELECT COUNT(*) AS N, MIN(S) AS S FROM published",
            "needs": ["made"],
            "writes": "counted",
        },
    }
    target = {"type": "local", "path": str(folder / "w"), "database": "D", "schema": "PUBLIC"}
    path.write_text(yaml.safe_dump({"name": "faults", "targets": {"local": target}, "steps": steps}))
    return path


def is_whole(cursor: Any, words: Sequence[str]) -> bool:
    """Whether the published tables have the rows of one run each."""
    for query in (
        "SELECT COUNT(DISTINCT S), MIN(S) FROM PUBLISHED",
        "SELECT COUNT(*), MIN(S) FROM COUNTED",
    ):
        ((count, word),) = cursor.execute(query).fetchall()
        if count != 1 or word not in words:
            return False
    return True
