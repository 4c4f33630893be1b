"""The body of the procedure that runs the steps of an exported pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping

from snowpipe_ml.engine.export.archives import CACHE

_BODY = """\
import os
import sys
import tempfile
import zipfile


def unpacked(file):
    folder = os.path.join(tempfile.gettempdir(), file[: -len(".zip")])
    if not os.path.isdir(folder):
        aside = tempfile.mkdtemp()
        with zipfile.ZipFile(os.path.join(sys._xoptions["snowflake_import_directory"], file)) as archive:
            archive.extractall(aside)
        try:
            os.rename(aside, folder)
        except OSError:  # another process was faster
            if not os.path.isdir(folder):
                raise
    return folder


SETTINGS = {settings}
PIPELINE = unpacked({pipeline})
for name in [name for name in sys.modules if name.split(".")[0] == "snowpipe_ml"]:
    del sys.modules[name]  # only the staged version is used
sys.path.insert(0, unpacked({engine}))
os.environ["XDG_CACHE_HOME"] = os.path.join(PIPELINE, {cache})

from snowpipe_ml.engine.export.inside import run_task


def handler(session, action, step):
    return run_task(session, PIPELINE, SETTINGS, action, step)
"""


def procedure_body(engine: str, pipeline: str, settings: Mapping[str, object]) -> str:
    """Return the Python code of the procedure.

    Args:
        engine: the staged archive of the engine.
        pipeline: the staged archive of the spec's folder.
        settings: see :class:`snowpipe_ml.engine.export.inside.TaskSettings`.
    """
    values = {
        "{settings}": f"json.loads({json.dumps(settings)!r})",
        "{pipeline}": repr(pipeline),
        "{engine}": repr(engine),
        "{cache}": repr(CACHE),
    }
    body = _BODY
    for mark, text in values.items():
        body = body.replace(mark, text)
    return body.replace("import os\n", "import json\nimport os\n", 1)
