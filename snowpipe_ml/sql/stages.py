"""Places on a stage: ``@load_stage/trips/``."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.sql.identifiers import QualifiedName
from snowpipe_ml.sql.literals import Literal


@dataclass(frozen=True, slots=True)
class StagePath:
    """A stage and a path on it, without a leading slash; the path may be empty."""

    stage: QualifiedName
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> StagePath:
        """Read ``@[[database.]schema.]stage[/path]``.

        Raises:
            ValueError: no ``@`` in front, not a name behind it, or a path with ``..`` in it.
        """
        if not text.startswith("@"):
            raise ValueError(f"a place on a stage starts with @, as in '@load_stage/trips/': {text!r}")
        name, _, path = text[1:].partition("/")
        if ".." in path.split("/") or "\0" in path:
            raise ValueError(f"'..' is not a folder on a stage: {text!r}")
        return cls(QualifiedName.parse(name), path)

    def child(self, name: str) -> StagePath:
        """A file or folder below this place."""
        base = self.path if not self.path or self.path.endswith("/") else self.path + "/"
        return StagePath(self.stage, base + name)

    def overlaps(self, other: StagePath) -> bool:
        """Return whether one place holds the other."""
        return self.stage == other.stage and (
            self.path.startswith(other.path) or other.path.startswith(self.path)
        )

    @property
    def text(self) -> str:
        """``@STAGE/path``, as the file functions of a Session take it."""
        return f"@{self.stage.sql}/{self.path}"

    @property
    def sql(self) -> str:
        """The place as a quoted string, the form that allows any character in the path."""
        return Literal(self.text).sql

    def __str__(self) -> str:
        return self.text
