"""The archives that ``extract`` has staged, according to the listing of the stage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# PUT interprets patterns and quotes in names, and the listing of a stage is lines of text.
ODD = re.compile(r"""[\x00-\x1f\x7f-\x9f"'*?\[\]\\%#/]""")
_MANIFEST = re.compile(r"/_manifests/(?P<name>[^/]+)\.(?P<digest>[0-9a-f]{16})\.json$")
_FOLDER = re.compile(r"/(?P<layout>[^/]+)/(?P<name>[^/]+)\.(?P<digest>[0-9a-f]{16})/(?P<member>[^/]+)$")


@dataclass
class StagedArchives:
    """The files of an extract step on the stage: the digests of each archive's manifest and folders.

    A folder without a manifest is from an archive with a refused member or an interrupted upload.
    """

    manifests: dict[str, str] = field(default_factory=dict)
    folders: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    members: set[tuple[str, str, str]] = field(
        default_factory=set
    )  # layout, name and digest of the archive, file

    def add(self, path: str, layouts: Iterable[str] | None = None) -> None:
        """Add a file that the stage lists."""
        if manifest := _MANIFEST.search(path):
            self.manifests[manifest["name"]] = manifest["digest"]
        elif (folder := _FOLDER.search(path)) and (layouts is None or folder["layout"] in layouts):
            self.folders.setdefault(folder["name"], set()).add((folder["layout"], folder["digest"]))
            self.members.add((folder["layout"], f"{folder['name']}.{folder['digest']}", folder["member"]))

    def contents(self) -> dict[str, str]:
        """Return the archive name of each digest that is staged, completely or in part."""
        found = {digest: name for name, digest in self.manifests.items()}
        for name, folders in self.folders.items():
            for _, digest in folders:
                found.setdefault(digest, name)
        return found

    def replaces(self, path: str) -> bool:
        """Return whether the archive of a file that is no longer listed is staged with other content."""
        gone = _FOLDER.search(f"/{path}")
        return gone is not None and self.has_changed(gone["name"], gone["digest"])

    def has_changed(self, name: str, digest: str) -> bool:
        """Return whether an archive of this name was staged with other content."""
        if name in self.manifests:
            return self.manifests[name] != digest
        return any(before != digest for _, before in self.folders.get(name, ()))


def stage_name(name: str) -> str:
    """Return an archive's name on the stage: its own, unless PUT or LIST would misread a character."""
    plain = ODD.sub("_", name)
    return name if plain == name else f"{plain}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
