"""The lock that allows one run of a pipeline on a target at a time: a lease with a fencing token.

The lock is a row in the state store. It is acquired by a conditional UPDATE, so only one of two runs
succeeds. It is renewed only while steps run, so it does not keep a warehouse awake. If a run stalls for
longer than its lease, another run can take the lock over with a new fencing token. The stalled run checks
its token before it publishes an output; it finds that it no longer holds the lock, and publishes nothing.
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from snowpipe_ml.engine.retry import DOES_NOT_EXIST, again, number_of
from snowpipe_ml.errors import LockedError
from snowpipe_ml.plugins.connection import Connection, Row, execute
from snowpipe_ml.sql import Fragment, Literal, QualifiedName, Sql, sql

log = logging.getLogger("snowpipe_ml.engine")
COLUMNS = """PIPELINE VARCHAR, TARGET VARCHAR, RUN_ID VARCHAR, OWNER VARCHAR, TOKEN NUMBER(38, 0),
  EXPIRES_AT TIMESTAMP_NTZ"""
LASTS = 900  # seconds
LASTS_IN_CLIENT = 7200
"""Seconds of the lease while steps compute in the client only, and no warehouse is awake for its renewal."""


@dataclass
class RunLock:
    """The lock of a pipeline on a target.

    Args:
        connection: the connection of the state store.
        table: the table of locks.
        pipeline: the pipeline's name.
        target: the target's name.
        run_id: the run that acquires the lock. A resumed run takes over its own lock.
        lasts: the lease duration: seconds until the lock expires if it is not renewed.
        sleep: waits before a statement is retried.
        run_key: the key of the run, which its owner's text begins with.
        end_leftovers: ends what the processes of a run left running on the target that did not release the
            lock; called by the run that takes the lock over, or is resumed.
        tag: the query tag of the statements on the connection.
        new: whether the table of locks was just created, and no run can have left anything.
    """

    connection: Connection
    table: QualifiedName
    pipeline: str
    target: str
    run_id: str
    lasts: int = LASTS
    sleep: Callable[[float], None] = time.sleep
    run_key: str | None = None
    end_leftovers: Callable[[], None] = lambda: None
    tag: str | None = None
    new: bool = False
    token: int | None = field(default=None, init=False)
    _renewed: float = field(default=0.0, init=False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock during the context.

        An interrupt does not release the lock, since the session may still be busy; another run
        takes it over.

        Raises:
            LockedError: another run holds the lock.
        """
        self.take()
        try:
            yield
        except Exception:
            self.release()
            raise
        self.release()

    def take(self) -> None:
        """Acquire the lock, and end what its last holder left running if that did not release it.

        Raises:
            LockedError: another run holds the lock, or what it left running does not end. The lock is then
                kept, so that the next run tries to end it too.
        """
        left: list[Row] = []
        while not self._taken(left):
            log.debug("the lock of %s expired meanwhile", self.pipeline)
        self._renewed = time.monotonic()
        if left:
            self.end_leftovers()

    def _taken(self, left: list[Row]) -> bool:
        """Return whether the lock was acquired; add those to the list who have not released it."""
        self.token = None
        look = self._sql(
            "SELECT RUN_ID, OWNER, TOKEN, RUN_ID <> {run} AND EXPIRES_AT >= SYSDATE() AS HELD FROM {table} "
            "WHERE {mine} ORDER BY EXPIRES_AT DESC"
        )
        before, self.new = [] if self.new else self._run(look), False
        if not before:
            self._run(
                self._sql(
                    "INSERT INTO {table} SELECT {pipeline}, {target}, NULL, NULL, 0, NULL "
                    "WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {mine})"
                )
            )
        for holder in before:
            if holder["RUN_ID"] is None:
                continue
            if not holder["HELD"]:
                left.append(holder)
            elif _is_dead(holder["OWNER"]):  # no need to wait until its lock expires
                self._run(
                    self._sql(
                        "UPDATE {table} SET RUN_ID = NULL WHERE {mine} AND RUN_ID = {other} AND TOKEN = {token}",
                        other=Literal(holder["RUN_ID"]),
                        token=Literal(holder["TOKEN"]),
                    )
                )
                left.append(holder)
        self._run(
            self._sql(
                "UPDATE {table} SET RUN_ID = {run}, OWNER = {owner}, TOKEN = TOKEN + 1, "
                "EXPIRES_AT = DATEADD(second, {lasts}, SYSDATE()) "
                "WHERE {mine} AND (RUN_ID IS NULL OR RUN_ID = {run} OR EXPIRES_AT < SYSDATE())",
                owner=Literal(owner(self.run_key)),
            )
        )
        holders = self._run(
            self._sql(
                "SELECT RUN_ID, OWNER, TOKEN, EXPIRES_AT FROM {table} WHERE {mine} "
                "AND (RUN_ID = {run} OR EXPIRES_AT >= SYSDATE()) ORDER BY EXPIRES_AT DESC"
            )
        )
        others = [row for row in holders if row["RUN_ID"] != self.run_id]
        # Two runs that both found no row have each inserted one: then both release the lock.
        if others:
            self.release()
            holder = others[0]
            error = LockedError(
                f"{self.pipeline} is being run on {self.target} by {holder['OWNER']} (run {holder['RUN_ID']}); its lock "
                f"expires at {holder['EXPIRES_AT']:%Y-%m-%d %H:%M:%S} UTC unless it is renewed; "
                "`snowpipe-ml cancel` cancels that run"
            )
            error.run_key = str(holder["OWNER"]).rpartition(" by ")[0] or None
            raise error
        if not holders:
            return False  # the lock of another run ended between the two statements
        self.token = max(int(row["TOKEN"]) for row in holders)
        return True

    def current(self) -> int | None:
        """Return the token with which this run holds the lock; None if it does not."""
        ((token,),) = self._run(self._sql("SELECT MAX(TOKEN) FROM {table} WHERE {mine} AND RUN_ID = {run}"))
        return None if token is None else int(token)

    def holder(self) -> str | None:
        """Return the run that has the lock, also if it has expired; None if no run has it."""
        look = self._sql(
            "SELECT RUN_ID FROM {table} WHERE {mine} AND RUN_ID IS NOT NULL ORDER BY EXPIRES_AT DESC"
        )
        try:
            rows = self._run(look)
        except Exception as error:
            if number_of(error) not in DOES_NOT_EXIST:
                raise
            return None
        return str(rows[0][0]) if rows else None

    @property
    def lost(self) -> bool:
        """Whether the run has lost the lock."""
        return self.current() != self.token

    def join(self, token: int) -> None:
        """Hold the lock together with other processes of this run, which have the same token.

        The lease is extended if a third of it has passed.

        Raises:
            LockedError: the run does not hold the lock with this token.
        """
        rows = self._run(
            self._sql(
                "SELECT DATEDIFF(second, SYSDATE(), EXPIRES_AT) FROM {table} WHERE {mine} AND RUN_ID = {run} "
                "AND TOKEN = {token}",
                token=Literal(token),
            )
        )
        if not rows:
            raise LockedError(
                f"the run {self.run_id} of {self.pipeline} on {self.target} does not hold the lock with the token {token}: "
                "it was finished or canceled, or another run has taken the lock over; begin the run again"
            )
        self.token = token
        self._renewed = time.monotonic() - max(0, self.lasts - int(rows[0][0]))
        self.renew()

    def hand_over(self, lasts: int) -> None:
        """Leave the lock to the processes that join it, with a longer lease.

        Until then its owner is this process, so that the lock of a process that is killed is free at once.
        """
        self._run(
            self._sql(
                "UPDATE {table} SET OWNER = {owner}, EXPIRES_AT = DATEADD(second, {lasts}, SYSDATE()) "
                "WHERE {mine} AND RUN_ID = {run} AND TOKEN = {token}",
                owner=Literal(f"{self.run_key or 'tasks'} by {_user()}"),
                lasts=Literal(lasts),
                token=Literal(self.token),
            )
        )

    @property
    def due(self) -> bool:
        """Whether a third of the lease has passed."""
        return time.monotonic() - self._renewed >= self.lasts / 3

    def renew(self) -> bool:
        """Extend the lease if a third of its duration has passed. Call it repeatedly while steps run.

        Returns:
            Whether the run still holds the lock, as far as it was asked.
        """
        if not self.due:
            return True
        ((renewed, *_),) = self._run(
            self._sql(
                "UPDATE {table} SET EXPIRES_AT = DATEADD(second, {lasts}, SYSDATE()) WHERE {mine} AND RUN_ID = {run} "
                "AND TOKEN = {token}",
                token=Literal(self.token),
            )
        )
        self._renewed = time.monotonic()
        return bool(renewed)

    def check(self, execute: Callable[[Sql], Sequence[Sequence[object]]]) -> None:
        """Check, on a step's own Session, that this run still holds the lock.

        Args:
            execute: runs a statement on that Session, with retries.

        Raises:
            LockedError: another run has taken the lock over.
        """
        statement = self._sql(
            "SELECT COUNT(*) FROM {table} WHERE {mine} AND RUN_ID = {run} AND TOKEN = {token}",
            token=Literal(self.token),
        )
        ((count,),) = execute(statement)
        if not count:
            raise LockedError(
                f"the run {self.run_id} has lost its lock: it did not renew it for {self.lasts} s, and another run has "
                "started; this run publishes nothing more"
            )

    def release(self) -> None:
        """Release the lock if this run still holds it.

        A later acquisition under the same run id has a greater token and is not released.
        """
        text = "UPDATE {table} SET RUN_ID = NULL, OWNER = NULL, EXPIRES_AT = NULL WHERE {mine} AND RUN_ID = {run}"
        if self.token is None:
            self._run(self._sql(text))
        else:
            self._run(self._sql(text + " AND TOKEN <= {token}", token=Literal(self.token)))

    def _sql(self, text: str, **values: Fragment) -> Sql:
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

    def _run(self, statement: Sql) -> list[Row]:
        return again(lambda: execute(self.connection, statement, self.tag), sleep=self.sleep)


def held_locks(run: Callable[[Sql], list[Row]], table: QualifiedName) -> list[tuple[str, str, str]]:
    """Return the locks of a state store that runs hold: the pipeline, the run and its owner.

    Args:
        run: runs a statement.
        table: the table of locks; without one, there are no locks.
    """
    look = sql(
        "SELECT PIPELINE, RUN_ID, OWNER FROM {table} WHERE RUN_ID IS NOT NULL AND EXPIRES_AT >= SYSDATE()",
        table=table,
    )
    try:
        rows = run(look)
    except Exception as error:
        if number_of(error) not in DOES_NOT_EXIST:
            raise
        return []
    return [(str(row[0]), str(row[1]), str(row[2])) for row in rows if not _is_dead(str(row[2]))]


def owner(run_key: str | None = None) -> str:
    """Return the owner of a lock taken by this process, as in ``ada@laptop, process 4711``.

    It begins with the key of the run, if that has one: ``nightly by ada@laptop, process 4711``.
    """
    by = f"{run_key} by " if run_key else ""
    return f"{by}{_user()}, process {os.getpid()}"


def _user() -> str:
    try:
        name = getpass.getuser()
    except (
        KeyError,
        OSError,
    ):  # in a procedure, the user of the process has no entry in the password database
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _is_dead(text: str) -> bool:
    """Return whether an owner is a process on this machine that has ended."""
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
