"""The code with which staged archives of the engine and of a spec begin, and the procedure that runs the steps of a spec."""

from __future__ import annotations

import json
from collections.abc import Mapping

from snowpipe_ml.engine.export.archives import CACHE

UNPACKING = """\
import json
import os
import sys
import tempfile
import zipfile


def unpacked(place, file):
    folder = os.path.join(tempfile.gettempdir(), file[: -len(".zip")])
    if not os.path.isdir(folder):
        aside = tempfile.mkdtemp()
        with zipfile.ZipFile(os.path.join(place, file)) as archive:
            archive.extractall(aside)
        try:
            os.rename(aside, folder)
        except OSError:  # another process was faster
            if not os.path.isdir(folder):
                raise
    return folder
"""
"""Code that unpacks a staged archive, once in a sandbox, and returns its folder."""

_BODY = """

IMPORTS = sys._xoptions["snowflake_import_directory"]
SETTINGS = {settings}
PIPELINE = unpacked(IMPORTS, {pipeline})
for name in [name for name in sys.modules if name.split(".")[0] == "snowpipe_ml"]:
    del sys.modules[name]  # only the staged version is used
sys.path.insert(0, unpacked(IMPORTS, {engine}))
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
    return UNPACKING + filled(
        _BODY, settings=as_python(settings), pipeline=repr(pipeline), engine=repr(engine), cache=repr(CACHE)
    )


def as_python(settings: Mapping[str, object]) -> str:
    """Return settings as an expression of Python."""
    return f"json.loads({json.dumps(settings)!r})"


def filled(code: str, **values: str) -> str:
    """Return a text with values in the places that are named in braces."""
    for name, text in values.items():
        code = code.replace(f"{{{name}}}", text)
    return code
