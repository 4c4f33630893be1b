"""Tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from snowpipe_ml.local.catalog.kind import PLACE, Kept

_AFTER = "CAST(definition->'$.after' AS VARCHAR[][])"


class Tasks(Kept):
    """Tasks; a cloned task is suspended.

    https://docs.snowflake.com/en/user-guide/object-clone
    """

    word = "TASK"
    table = "TASKS"
    shown = (
        *PLACE,
        ("warehouse", "VARCHAR", "coalesce(definition->>'$.options.WAREHOUSE', '')"),
        ("schedule", "VARCHAR", "coalesce(definition->>'$.options.SCHEDULE', '')"),
        (
            "predecessors",
            "VARCHAR",
            "'[' || array_to_string("
            f"list_transform({_AFTER}, lambda name: to_json(array_to_string(name, '.'))), ', ') || ']'",
        ),
        ("state", "VARCHAR", "state"),
        ("definition", "VARCHAR", "definition->>'$.text'"),
        ("condition", "VARCHAR", "definition->>'$.when'"),
    )
    cloned: ClassVar[Mapping[str, str]] = {"name": "name", "definition": "definition", "state": "'suspended'"}
