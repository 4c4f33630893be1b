"""What the killed processes do: acts that are numbered, whose effect is all there or not there at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SETUP = (
    *(f"CREATE TABLE {name} (K INT)" for name in ("LEFT_SIDE", "RIGHT_SIDE", "REPLACED", "CALLED")),
    "CREATE TABLE MERGED (ID INT, V INT)",
    "CREATE STAGE FILES",
    "CREATE FUNCTION SAME(N INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = () HANDLER = 'h' "
    "AS $$\ndef h(n): return n\n$$",
)
ACTS = ("pair", "merge", "replace", "put")
Run = Callable[[str], Any]


def texts(name: str, k: int, folder: Path) -> list[str]:
    """The statements of the k-th act of a name."""
    if name == "pair":
        return ["BEGIN", *(f"INSERT INTO {side}_SIDE VALUES ({k})" for side in ("LEFT", "RIGHT")), "COMMIT"]
    if name == "merge":
        rows = f"(SELECT {k % 5} AS ID, {k} AS V UNION ALL SELECT {k % 5 + 5}, {k})"
        matched = (
            "WHEN MATCHED THEN UPDATE SET V = S.V WHEN NOT MATCHED THEN INSERT (ID, V) VALUES (S.ID, S.V)"
        )
        return [f"MERGE INTO MERGED USING {rows} AS S ON MERGED.ID = S.ID {matched}"]
    if name == "replace":
        return [f"CREATE OR REPLACE TABLE REPLACED AS SELECT {k} AS K FROM TABLE(GENERATOR(ROWCOUNT => 50))"]
    if name == "call":
        return [f"INSERT INTO CALLED SELECT SAME({k})"]
    (folder / "put.txt").write_text(f"{k}\n")
    return [f"PUT file://{folder}/put.txt @FILES AUTO_COMPRESS = FALSE OVERWRITE = TRUE"]


def last_of(run: Run, name: str, folder: Path) -> int:
    """The number of the last act of a name that the warehouse shows; an AssertionError if one is half there."""
    if name == "pair":
        left, right = (run(f"SELECT COUNT(*), MAX(K) FROM {side}_SIDE")[0] for side in ("LEFT", "RIGHT"))
        assert left == right, f"half a transaction: {left} and {right}"
    elif name == "call":
        left = run("SELECT COUNT(*), MAX(K) FROM CALLED")[0]
    elif name == "merge":
        found = [v for (v,) in run("SELECT V FROM MERGED ORDER BY ID")]
        assert found[:5] == found[5:], f"half a MERGE: {found}"
        return int(max(found))
    elif name == "replace":
        ((rows, low, high),) = run("SELECT COUNT(*), MIN(K), MAX(K) FROM REPLACED")
        assert (rows, low) == (50, high), f"half a table: {rows} rows from {low} to {high}"
        return int(high)
    else:
        run(f"GET @FILES/put.txt file://{folder}/got/")
        return int((folder / "got" / "put.txt").read_text())
    assert left[0] == left[1] + 1, f"{name}: {left[0]} rows up to {left[1]}: some are lost or doubled"
    return int(left[1])


def runner(connection: Any) -> Run:
    """Run a statement on a connection, and return its rows."""
    return lambda text: connection.cursor().execute(text).fetchall()
