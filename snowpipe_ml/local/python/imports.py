"""Check the staged imports of a function and copy them to a separate folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from snowpipe_ml.local.catalog.stages import find_stage
from snowpipe_ml.local.core import errors, private
from snowpipe_ml.local.core.session import Session

_MAX_UNPACKED = 8 * 2**30


_MAX_RATIO = 200


def check_archive(path: Path) -> None:
    """Refuse an archive that would be harmful to unpack.

    Raises:
        ProgrammingError: a member is outside the folder of the archive or a symbolic link, or the archive
            would unpack to an excessive size.
    """
    try:
        members = zipfile.ZipFile(path).infolist()
    except zipfile.BadZipFile as raised:
        raise errors.error(100358, "22000", f"the import '{path.name}' is not a zip archive") from raised
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise errors.error(
                100358,
                "22000",
                f"the import '{path.name}' has a member that leaves its folder: '{member.filename}'",
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise errors.error(100358, "22000", f"the import '{path.name}' has a link: '{member.filename}'")
    total = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if total > _MAX_UNPACKED or (total > 2**26 and total / packed > _MAX_RATIO):
        raise errors.error(
            100358,
            "22000",
            f"the import '{path.name}' would unpack to {total / 2**20:,.0f} MiB from {packed / 2**20:,.1f}",
        )


def import_directory(session: Session, imports: Sequence[str]) -> Path:
    """Return a folder with the staged imports, created once for each set of contents."""
    files = []
    for reference in imports:
        stage, path = find_stage(session, reference)
        source = stage.file(path)
        if not path or not source.is_file():
            raise errors.error(
                91016,
                "22000",
                f"Remote file '{reference}' was not found. Check that the file exists on the stage.",
            )
        files.append(source)
    digest = hashlib.sha256()
    for source in files:
        digest.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    folder = session.storage.path / "functions" / digest.hexdigest()[:24]
    if not folder.exists():
        aside = folder.with_suffix(f".{os.getpid()}.making")
        shutil.rmtree(aside, ignore_errors=True)
        private.make_folder(aside)
        for source in files:
            if source.suffix in (".zip", ".whl", ".egg"):
                check_archive(source)
            private.copy_file(source, aside / source.name)
        aside.rename(folder)
    return folder
