"""One run of a pipeline on a target at a time: a lock in the records, with an expiry and a fencing token.

The lock is taken by an UPDATE that is guarded by its own condition, so that of two runs one changes a
row. It is renewed while steps run and never otherwise, so that it keeps no warehouse awake. A run that
was believed dead, because it was not heard of for longer than the lock lasts, finds another token in
its place when it comes back, and publishes nothing.
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.run.retry import again
from snowpipe_ml.errors import LockedError
from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session

log = logging.getLogger("snowpipe_ml.engine")
COLUMNS = """PIPELINE VARCHAR, TARGET VARCHAR, RUN_ID VARCHAR, OWNER VARCHAR, TOKEN NUMBER(38, 0),
  EXPIRES_AT TIMESTAMP_NTZ"""
LASTS = 900  # seconds


@dataclass
class RunLock:
    """The lock of a pipeline on a target.

    Args:
        session: the records' Session.
        table: the table of locks.
        pipeline: the pipeline's name.
        target: the target's name.
        run_id: the run that wants it. A run that is resumed takes its own lock over.
        lasts: seconds until it expires if it is not renewed.
        sleep: waits before a statement is tried again.
    """

    session: Session
    table: QualifiedName
    pipeline: str
    target: str
    run_id: str
    lasts: int = LASTS
    sleep: Callable[[float], None] = time.sleep
    token: int | None = field(default=None, init=False)
    _renewed: float = field(default=0.0, init=False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock. An interrupt leaves it to be taken over: the session may be busy still.

        Raises:
            LockedError: another run has it.
        """
        self.take()
        try:
            yield
        except Exception:
            self.release()
            raise
        self.release()

    def take(self) -> None:
        """Take the lock.

        Raises:
            LockedError: another run has it.
        """
        while not self._taken():
            log.debug("the lock of %s expired meanwhile", self.pipeline)
        self._renewed = time.monotonic()

    def _taken(self) -> bool:
        self.token = None
        self._run(
            self._sql(
                "INSERT INTO {table} SELECT {pipeline}, {target}, NULL, NULL, 0, NULL "
                "WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {mine})"
            )
        )
        for holder in self._others():
            if _is_dead(holder["OWNER"]):  # it cannot come back: its lock need not expire
                self._run(
                    self._sql(
                        "UPDATE {table} SET RUN_ID = NULL WHERE {mine} AND RUN_ID = {other} AND TOKEN = {token}",
                        other=Literal(holder["RUN_ID"]),
                        token=Literal(holder["TOKEN"]),
                    )
                )
        self._run(
            self._sql(
                "UPDATE {table} SET RUN_ID = {run}, OWNER = {owner}, TOKEN = TOKEN + 1, "
                "EXPIRES_AT = DATEADD(second, {lasts}, SYSDATE()) "
                "WHERE {mine} AND (RUN_ID IS NULL OR RUN_ID = {run} OR EXPIRES_AT < SYSDATE())",
                owner=Literal(owner()),
            )
        )
        others = self._others()
        # Two runs that both found no row have each made one: then neither is sure, and both let go.
        if others:
            self.release()
            holder = others[0]
            raise LockedError(
                f"{self.pipeline} is being run on {self.target} by {holder['OWNER']} (run {holder['RUN_ID']}); its lock "
                f"lasts until {holder['EXPIRES_AT']:%Y-%m-%d %H:%M:%S} UTC unless it is renewed"
            )
        (row,) = self._run(
            self._sql("SELECT MAX(TOKEN) AS TOKEN FROM {table} WHERE {mine} AND RUN_ID = {run}")
        )
        if row["TOKEN"] is None:
            return False  # another's lock ended between the two statements
        self.token = int(row["TOKEN"])
        return True

    def renew(self) -> None:
        """Put the expiry off, if a third of the time has passed. For while something runs."""
        if time.monotonic() - self._renewed < self.lasts / 3:
            return
        self._run(
            self._sql(
                "UPDATE {table} SET EXPIRES_AT = DATEADD(second, {lasts}, SYSDATE()) WHERE {mine} AND RUN_ID = {run} "
                "AND TOKEN = {token}",
                token=Literal(self.token),
            )
        )
        self._renewed = time.monotonic()

    def check(self, session: Session) -> None:
        """Make sure, on a step's own Session, that the lock is still this run's.

        Raises:
            LockedError: another run has taken it over.
        """
        statement = self._sql(
            "SELECT COUNT(*) FROM {table} WHERE {mine} AND RUN_ID = {run} AND TOKEN = {token}",
            token=Literal(self.token),
        )
        ((count,),) = again(lambda: session.sql(statement.text).collect(), sleep=self.sleep)
        if not count:
            raise LockedError(
                f"the run {self.run_id} has lost its lock: it was not heard of for {self.lasts} s, and another run has "
                "begun; nothing more is published by this one"
            )

    def release(self) -> None:
        """Let the lock go, if it is still this run's; a later taking under the same id has a greater token."""
        text = "UPDATE {table} SET RUN_ID = NULL, OWNER = NULL, EXPIRES_AT = NULL WHERE {mine} AND RUN_ID = {run}"
        if self.token is None:
            self._run(self._sql(text))
        else:
            self._run(self._sql(text + " AND TOKEN <= {token}", token=Literal(self.token)))

    def _others(self) -> list[Any]:
        """The rows that another run holds, and that have not expired."""
        return self._run(
            self._sql(
                "SELECT RUN_ID, OWNER, TOKEN, EXPIRES_AT FROM {table} WHERE {mine} AND RUN_ID <> {run} "
                "AND EXPIRES_AT >= SYSDATE() ORDER BY EXPIRES_AT DESC"
            )
        )

    def _sql(self, text: str, **values: Any) -> Sql:
        mine = sql("PIPELINE = {p} AND TARGET = {t}", p=Literal(self.pipeline), t=Literal(self.target))
        known = {
            "table": self.table,
            "mine": mine,
            "run": Literal(self.run_id),
            "lasts": Literal(self.lasts),
            "pipeline": Literal(self.pipeline),
            "target": Literal(self.target),
            **values,
        }
        return sql(text, **{name: value for name, value in known.items() if f"{{{name}}}" in text})

    def _run(self, statement: Sql) -> list[Any]:
        rows: list[Any] = again(lambda: self.session.sql(statement.text).collect(), sleep=self.sleep)
        return rows


def owner() -> str:
    """Who holds a lock: ``ada@laptop, process 4711``."""
    return f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"


def _is_dead(text: str) -> bool:
    """Return whether an owner is a process of this machine that has ended."""
    where, _, process = text.rpartition(", process ")
    if where.rpartition("@")[2] != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
