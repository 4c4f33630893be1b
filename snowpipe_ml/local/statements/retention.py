"""``DATA_RETENTION_TIME_IN_DAYS`` of databases, schemas and tables.

https://docs.snowflake.com/en/user-guide/data-time-travel
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.properties import set_property
from snowpipe_ml.local.catalog.versions import CHANGE_TRACKING, RETENTION, forget_versions
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options

_LONGEST = 90
_LONGEST_TRANSIENT = 1


def check_retention(options: Options, *, transient: bool = False) -> None:
    """Check DATA_RETENTION_TIME_IN_DAYS among the options of a statement.

    Raises:
        ProgrammingError: it is not a number of days from 0 to 90, or to 1 for a transient table.
    """
    if RETENTION not in options:
        return
    text = str(options[RETENTION])
    if not text.isdigit() or int(text) > (_LONGEST_TRANSIENT if transient else _LONGEST):
        raise errors.error(
            1008, "22023", f"SQL compilation error:\ninvalid value [{text}] for parameter '{RETENTION}'"
        )


def set_retention(session: Session, name: Name, options: Options) -> None:
    """Keep the options of Time Travel of a database, schema or table."""
    if RETENTION in options:
        set_property(session, name, RETENTION, str(options[RETENTION]))
        session.storage.retentions.pop(name[0], None)
        if str(options[RETENTION]) == "0":
            forget_versions(session, name)
    if CHANGE_TRACKING in options:
        set_property(session, name, CHANGE_TRACKING, str(options[CHANGE_TRACKING]).upper())


def unset_retention(session: Session, name: Name, keys: list[str]) -> None:
    """Return to the defaults of the options of Time Travel that are named."""
    for key in keys:
        if key in (RETENTION, CHANGE_TRACKING):
            set_property(session, name, key, None)
            session.storage.retentions.pop(name[0], None)
            if key == RETENTION:
                forget_versions(session, name)
