"""The files of dropped databases, which UNDROP DATABASE restores: bounded in number, size and time."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from snowpipe_ml.local.core import private

LARGEST = 256 * 2**20
"""The bytes of all files that are kept; the oldest databases are deleted first."""

MOST = 10
"""How many dropped databases are kept."""

_DAY = 86_400


class DroppedDatabases:
    """The dropped databases of a warehouse. Each has its file, its log, and a JSON file that says when it expires.

    Args:
        folder: the folder that holds them; it is made when the first one is dropped.
        stages: the folder of the staged files, which stay where they are.
    """

    def __init__(self, folder: Path, stages: Path) -> None:
        self._folder, self._stages = folder, stages
        self._make_room(0)

    def keep(self, file: Path, days: int, stages: list[str], note: str) -> bool:
        """Move the file of a detached database here; return False if it is too large.

        Args:
            file: the file.
            days: after how many days it is deleted.
            stages: the folders of its staged files.
            note: a text that is kept with it.
        """
        log = Path(f"{file}.wal")
        size = sum(each.stat().st_size for each in (file, log) if each.exists())
        if size > LARGEST:
            return False
        self._make_room(size)
        private.make_folder(self._folder)
        private.restrict(self._folder)
        kept = self._folder / f"{file.stem}.{time.time_ns()}.duckdb"
        about = {"until": time.time() + days * _DAY, "stages": stages, "note": note}
        with private.create_file(kept.with_suffix(".json")) as written:
            written.write(json.dumps(about).encode())
        for source, target in ((file, kept), (log, Path(f"{kept}.wal"))):
            if source.exists():
                source.replace(target)
        return True

    def restore(self, name: str, file: Path) -> str | None:
        """Move the latest database of a name to a file; return its note, or None if there is none."""
        found = [each for each in self._kept() if each.name.rsplit(".", 2)[0] == name]
        if not found:
            return None
        about = json.loads(found[-1].with_suffix(".json").read_text("utf-8"))
        log = Path(f"{found[-1]}.wal")
        if log.exists():
            log.replace(f"{file}.wal")
        found[-1].replace(file)
        found[-1].with_suffix(".json").unlink()
        return str(about["note"])

    def _kept(self) -> list[Path]:
        """List the files, the oldest first."""
        files = self._folder.glob("*.duckdb") if self._folder.is_dir() else []
        return sorted(files, key=lambda each: int(each.name.rsplit(".", 2)[1]))

    def _make_room(self, size: int) -> None:
        """Delete expired databases, and the oldest ones until another of a size fits."""
        number, total = 1, size
        for file in reversed(self._kept()):
            about = json.loads(file.with_suffix(".json").read_text("utf-8"))
            number, total = number + 1, total + file.stat().st_size
            if number > MOST or total > LARGEST or about["until"] < time.time():
                for stage in about["stages"]:
                    shutil.rmtree(self._stages / stage, ignore_errors=True)
                for each in (file, Path(f"{file}.wal"), file.with_suffix(".json")):
                    each.unlink(missing_ok=True)
