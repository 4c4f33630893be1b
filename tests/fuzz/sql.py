"""Mutations of the documented statements: each runs, or is refused in Snowflake's words."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Iterator
from typing import Any

import sqlglot
from snowflake.connector.errors import Error
from sqlglot import exp

import snowpipe_ml.local as local
from tests.documented.cases import all_cases

# What DuckDB and Python say, and names that only the translation uses.
FOREIGN = re.compile(
    r"(?:Binder|Catalog|Parser|Conversion|Invalid Input|Invalid Type|Out of Range|Mismatch Type|Not implemented|INTERNAL|"
    r"Internal|Serialization|Constraint|Dependency|Syntax|Sequence|TransactionContext) (?:Error|Exception):|"
    r"Traceback|Candidate functions:|\bLINE \d+:|_MACROS|\bsf_[a-z]|DuckDB|duckdb|object at 0x|(?:Key|Value|Type|Attribute)Error"
)
_QUOTED = re.compile("DuckDB says .*", re.S)
_ODD = [
    "NULL",
    "''",
    "'x'",
    "0",
    "-1",
    "1.5",
    "1e308",
    "'2024-02-30'::DATE",
    "TRUE",
    "ARRAY_CONSTRUCT()",
    "9" * 38,
]
_LONGEST = 3000


def statements() -> list[tuple[tuple[str, ...], exp.Expression]]:
    """Return the queries of the documented cases, each with the statements before it."""
    found = []
    for case in all_cases():
        shared = any(re.match("ALTER SESSION|USE|SET|CREATE DATABASE|PUT", line, re.I) for line in case.setup)
        if re.match(r"\s*(?:SELECT|WITH)\b", case.sql, re.I) and case.refused is None and not shared:
            try:
                found.append((case.setup, sqlglot.parse_one(case.sql, read="snowflake")))
            except sqlglot.errors.SqlglotError:
                continue
    return found


def mutated(tree: exp.Expression, others: list[exp.Expression], random_: random.Random) -> str:
    """Return the text of a changed copy of a tree."""
    tree = tree.copy()
    for _ in range(random_.randint(1, 3)):
        nodes = [node for node in tree.walk() if node.parent is not None]
        if not nodes:
            break
        node = random_.choice(nodes)
        match random_.randrange(4):
            case 0:
                node.replace(sqlglot.parse_one(random_.choice(_ODD), read="snowflake"))
            case 1:
                donors = [
                    other
                    for other in random_.choice(others).walk()
                    if isinstance(other, exp.Condition) == isinstance(node, exp.Condition)
                ]
                if donors:
                    node.replace(random_.choice(donors).copy())
            case 2:
                names = [name for name, value in node.args.items() if value is not None]
                if names:
                    node.set(random_.choice(names), None)
            case _:
                lists = [value for value in node.args.values() if isinstance(value, list) and value]
                if lists:
                    chosen = random_.choice(lists)
                    chosen.append(random_.choice(chosen))
    return tree.sql("snowflake")


def texts(seed: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield statements without end, each with those before it."""
    random_ = random.Random(seed)
    known = statements()
    trees = [tree for _, tree in known]
    while True:
        setup, tree = random_.choice(known)
        try:
            text = mutated(tree, trees, random_)
        except Exception:  # sqlglot writes no text of a tree that it cannot have read
            continue
        if random_.random() < 0.2 and text:
            place = random_.randrange(len(text))
            text = (
                text[:place]
                + random_.choice(["(", ")", "'", '"', ",", ";", "$$", "::", "\0", "é"])
                + text[place:]
            )
        if len(text) <= _LONGEST:
            yield setup, text


def fault_of(cursor: Any, text: str) -> str | None:
    """Run a statement; return what is wrong with how it fails, None if nothing is."""
    try:
        cursor.execute(text).fetchall()
    except Error as error:
        said = str(error.raw_msg or error)
        said = _QUOTED.sub("", said)  # a message that names DuckDB as its source does not pass as Snowflake's
        found = FOREIGN.search(said)
        return f"foreign words: {said}" if found and found.group() not in text else None
    except Exception:
        return traceback.format_exc(limit=-4)
    return None


def run(seed: int, seconds: float, most: int = 10**9) -> tuple[int, list[tuple[str, str]]]:
    """Run mutated statements for some seconds, or a number of them.

    Returns:
        Their number, and those that fail wrongly with why.
    """
    connection = local.connect()
    faults: list[tuple[str, str]] = []
    count = 0
    try:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE fuzz")
        cursor.execute("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 5")
        until = time.monotonic() + seconds
        for setup, text in texts(seed):
            if count == most or time.monotonic() > until:
                break
            if setup:
                cursor.execute("CREATE OR REPLACE SCHEMA fuzz.own")
                cursor.execute("USE SCHEMA fuzz.own")
                for statement in setup:
                    cursor.execute(statement)
            count += 1
            if wrong := fault_of(cursor, text):
                faults.append((text, wrong))
    finally:
        connection.close()
    return count, faults
