"""Remove from a database what sessions and processes that ended without closing have left in it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import CATALOG, quoted

_LOG_DAYS = 90  # the longest DATA_RETENTION_TIME_IN_DAYS


def drop_leftovers(duck: Duck, database: str, stages: Path) -> None:
    """Drop temporary objects of killed sessions and outdated entries of the change log."""
    rows = duck.execute(f'SELECT kind, schema_name, name FROM "{database}".{CATALOG}.TEMPORARY').fetchall()
    for kind, schema, name in rows:
        duck.execute(f"DROP {kind} IF EXISTS {quoted(database, schema, name)} CASCADE")
    duck.execute(f'DELETE FROM "{database}".{CATALOG}.TEMPORARY')
    for (stage_id,) in duck.execute(
        f'DELETE FROM "{database}".{CATALOG}.STAGES WHERE session IS NOT NULL RETURNING id'
    ).fetchall():
        shutil.rmtree(stages / stage_id, ignore_errors=True)
    changes = f'"{database}".{CATALOG}.CHANGES'
    duck.execute(
        f"DELETE FROM {changes} AS o USING (SELECT schema_name, name, max(changed_at) AS changed_at FROM {changes} "
        "GROUP BY ALL HAVING count(*) > 1) n "
        "WHERE o.schema_name = n.schema_name AND o.name = n.name AND o.changed_at < n.changed_at "
        f"AND o.changed_at < {time.time_ns() - _LOG_DAYS * 86_400 * 10**9}"
    )
    # The runs of tasks that ended with the process that ran them.
    duck.execute(
        f"UPDATE \"{database}\".{CATALOG}.TASK_RUNS SET state = 'FAILED', completed = current_timestamp, "
        "error_message = 'the embedded warehouse was closed while the task ran' WHERE state = 'EXECUTING'"
    )
    for table in ("FILE_FORMATS", "FUNCTIONS"):
        duck.execute(f'DELETE FROM "{database}".{CATALOG}.{table} WHERE session IS NOT NULL')
