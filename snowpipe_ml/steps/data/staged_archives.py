"""The archives that ``extract`` has staged, as the stage lists them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# PUT reads patterns and quotes in names, and a stage's listing is lines of text.
ODD = re.compile(r"""[\x00-\x1f\x7f-\x9f"'*?\[\]\\%#/]""")
_MANIFEST = re.compile(r"/_manifests/(?P<name>[^/]+)\.(?P<digest>[0-9a-f]{16})\.json$")
_FOLDER = re.compile(r"/(?P<layout>[^/]+)/(?P<name>[^/]+)\.(?P<digest>[0-9a-f]{16})/(?P<member>[^/]+)$")


@dataclass
class StagedArchives:
    """An extract's files on the stage: the digest of each archive's manifest, and those of its folders.

    A folder without a manifest is an archive of which a member was refused, or whose upload was interrupted.
    """

    manifests: dict[str, str] = field(default_factory=dict)
    folders: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    members: set[tuple[str, str, str]] = field(
        default_factory=set
    )  # layout, name and digest of the archive, file

    def add(self, path: str, layouts: Iterable[str] | None = None) -> None:
        """Take note of a file that the stage lists."""
        if manifest := _MANIFEST.search(path):
            self.manifests[manifest["name"]] = manifest["digest"]
        elif (folder := _FOLDER.search(path)) and (layouts is None or folder["layout"] in layouts):
            self.folders.setdefault(folder["name"], set()).add((folder["layout"], folder["digest"]))
            self.members.add((folder["layout"], f"{folder['name']}.{folder['digest']}", folder["member"]))

    def contents(self) -> dict[str, str]:
        """Give the archive's name for each digest that is staged, if only in part."""
        found = {digest: name for name, digest in self.manifests.items()}
        for name, folders in self.folders.items():
            for _, digest in folders:
                found.setdefault(digest, name)
        return found

    def replaces(self, path: str) -> bool:
        """Say whether other content is staged of the archive that a file came from, which is not listed any more."""
        gone = _FOLDER.search(f"/{path}")
        return gone is not None and self.has_changed(gone["name"], gone["digest"])

    def has_changed(self, name: str, digest: str) -> bool:
        """Return whether other content than this was staged under the name."""
        if name in self.manifests:
            return self.manifests[name] != digest
        return any(before != digest for _, before in self.folders.get(name, ()))


def stage_name(name: str) -> str:
    """An archive's name on the stage: its own, unless it has characters that PUT or LIST would misread."""
    plain = ODD.sub("_", name)
    return name if plain == name else f"{plain}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
