"""A target: an embedded warehouse in a folder below the user's home or another root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from snowpipe_ml import local_session
from snowpipe_ml.plugins import Target
from snowpipe_ml.sql import Identifier

if TYPE_CHECKING:
    from snowflake.snowpark import Session


class SharedTarget(Target):
    """An embedded warehouse that several specs share."""

    guards_tables: ClassVar[bool] = True

    type: Literal["shared"]
    root: str

    def open_session(self, base_dir: Path, warehouse: Identifier | None) -> Session:
        """Open a Session on the shared warehouse."""
        return local_session(base_dir / self.root, self.database.sql, self.schema_.sql)

    def namespace(self, base_dir: Path) -> str:
        """The folder as a URL."""
        return f"file://{(base_dir / self.root).resolve()}"
