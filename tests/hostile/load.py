"""Load hostile files by ``extract`` and ``copy_into``, and say of each what came of it.

::

    python -m tests.hostile.load FOLDER

Each folder in FOLDER has one file, and its own steps and table. It prints a line of JSON for each: whether its steps
succeeded, what they told, the seconds they took, and the rows; and one for the process: its errors, and the peak of its
memory above that after the load of a sound file.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SnowpipeMLError

PATIENCE = 300  # seconds for all files, then the process ends with its stack
_HEAD = """\
name: demo
targets: {local: {type: local, path: warehouse, database: DEMO}}
stages: {load: {}}
file_formats: {csv: {skip_header: 1, field_optionally_enclosed_by: '"'}}
"""
_TABLE = "  raw_{n}: {{columns: {{A: number, B: varchar}}}}\n"
_STEPS = """\
  extract_{n}:
    type: extract
    from: {folder}
    into: "@load/{n}/"
    refused: refused
    layouts: {{ab: {{columns: [a, b]}}}}
    retries: 0
  load_{n}:
    type: copy_into
    from: "@load/{n}/ab/"
    into: raw_{n}
    file_format: csv
    on_error: continue
    rejects: rejects
    retries: 0
"""
_ROWS = (
    "SELECT DISTINCT A::VARCHAR, CASE WHEN LENGTH(B) <= 300000 THEN B WHEN B IS NOT NULL THEN 'too long' END "
    "FROM raw_{n} LIMIT 1000"
)


def _peak() -> int:
    """Return the largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def load(place: Path, folders: list[Path]) -> list[dict[str, Any]]:
    """Run a pipeline over the files of folders."""
    spec = place / "spec.yaml"
    numbers = range(len(folders))
    spec.write_text(
        _HEAD
        + "tables:\n"
        + "".join(_TABLE.format(n=n) for n in numbers)
        + "steps:\n"
        + "".join(_STEPS.format(n=n, folder=json.dumps(str(folders[n]))) for n in numbers)
    )
    pipeline = Pipeline.from_yaml(spec)
    steps = pipeline.run(threads=1).steps
    found = []
    session = pipeline.session()
    try:
        lines: dict[str, list[int | None]] = {}
        for table in ("refused", "rejects"):
            for step, line in session.sql(f"SELECT STEP, LINE FROM {table}").collect():
                lines.setdefault(step, []).append(line)
        for n in numbers:
            pair = [steps[f"extract_{n}"], steps[f"load_{n}"]]
            found.append(
                {
                    "name": folders[n].name,
                    "ok": all(step.status.good for step in pair),
                    "told": [text for step in pair for text in (step.message, *step.warnings)],
                    "seconds": round(sum(step.seconds for step in pair), 2),
                    "lines": [*lines.get(f"extract_{n}", ()), *lines.get(f"load_{n}", ())][:100],
                    "rows": [list(row) for row in session.sql(_ROWS.format(n=n)).collect()],
                }
            )
    finally:
        session.close()
    return found


def main(folder: Path) -> None:
    """Load the files of each folder, after a sound file whose memory is the base."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    folders = sorted(folder.iterdir())
    trace = ""
    with tempfile.TemporaryDirectory() as scratch:
        first, second, sound = (Path(scratch, name) for name in ("first", "second", "sound"))
        for made in (first, second, sound):
            made.mkdir()
        (sound / "sound.csv").write_bytes(b"a,b\n1,x1\n2\n")
        load(first, [sound])
        base = _peak()
        try:
            for case in load(second, folders):
                print(json.dumps(case))
        except SnowpipeMLError as error:
            trace = f"{type(error).__name__}: {error}"
        except Exception:
            trace = traceback.format_exc()
    print(json.dumps({"trace": trace, "grown": max(0, _peak() - base)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
