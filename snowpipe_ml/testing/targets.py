"""The check of a target."""

from __future__ import annotations

from pathlib import Path

from snowpipe_ml.plugins import TARGETS
from snowpipe_ml.text.problems import did_you_mean


def check_target(kind: str, base_dir: Path, **settings: object) -> None:
    """Check that a registered target keeps the contract: a session opens, works in its schema, and closes.

    Args:
        kind: its ``type`` in a spec.
        base_dir: a folder for its files, as the folder of a spec is.
        **settings: its settings.

    Raises:
        AssertionError: it says which part of the contract is broken.
    """
    assert kind in TARGETS, f"no target {kind!r} is registered; {did_you_mean(kind, TARGETS)}"
    target = TARGETS[kind].model_validate({"type": kind, **settings})
    assert "://" in target.namespace(base_dir), f"{kind}: namespace() must be a URL"
    session = target.open_session(base_dir, target.default_warehouse)
    try:
        found = session.sql("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()").collect()[0]
        wanted = (target.database.name, target.schema_.name)
        assert tuple(found) == wanted, f"{kind}: the session is in {tuple(found)}, not in {wanted}"
        session.sql("CREATE OR REPLACE TABLE SNOWPIPE_CHECK (A NUMBER)").collect()
        session.sql("INSERT INTO SNOWPIPE_CHECK VALUES (1), (2)").collect()
        assert session.table("SNOWPIPE_CHECK").count() == 2, f"{kind}: two rows were inserted"
        second = target.open_session(base_dir, target.default_warehouse)
        try:
            seen = second.table("SNOWPIPE_CHECK").count()
        finally:
            second.close()
        assert seen == 2, f"{kind}: a second session must see what the first one has committed"
        session.sql("DROP TABLE SNOWPIPE_CHECK").collect()
    finally:
        session.close()
    assert not target.is_empty(base_dir), f"{kind}: is_empty() must be false once a session has worked there"
