"""Stage paths: ``@load_stage/trips/``."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.sql.identifiers import QualifiedName
from snowpipe_ml.sql.literals import Literal


@dataclass(frozen=True, slots=True)
class StagePath:
    """A stage and a path on it. The path has no leading slash and may be empty."""

    stage: QualifiedName
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> StagePath:
        """Parse ``@[[database.]schema.]stage[/path]``.

        Raises:
            ValueError: the text does not start with ``@`` and the name of a stage, or its path contains
                ``..``.
        """
        if not text.startswith("@"):
            raise ValueError(f"a stage path starts with @, as in '@load_stage/trips/': {text!r}")
        name, _, path = text[1:].partition("/")
        if ".." in path.split("/") or "\0" in path:
            raise ValueError(f"a stage path cannot contain '..' or a NUL character: {text!r}")
        return cls(QualifiedName.parse(name), path)

    def child(self, name: str) -> StagePath:
        """Return the path of a file or folder below this path."""
        base = self.path if not self.path or self.path.endswith("/") else self.path + "/"
        return StagePath(self.stage, base + name)

    def contains(self, other: object) -> bool:
        """Return whether another place is this one or inside of it."""
        inside = isinstance(other, StagePath) and self.stage == other.stage
        return inside and isinstance(other, StagePath) and other.path.startswith(self.path)

    def overlaps(self, other: StagePath) -> bool:
        """Return whether one path contains the other."""
        return self.stage == other.stage and (
            self.path.startswith(other.path) or other.path.startswith(self.path)
        )

    @property
    def text(self) -> str:
        """The path as ``@STAGE/path``, the form that the file functions of a Session take."""
        return f"@{self.stage.sql}/{self.path}"

    @property
    def sql(self) -> str:
        """The path as a quoted string, the form that allows any character in the path."""
        return Literal(self.text).sql

    def __str__(self) -> str:
        return self.text
