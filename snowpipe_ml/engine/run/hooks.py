"""The hooks ``on_success`` and ``on_failure``, which run after a run has ended."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.run.outcome import RunResult, cause
from snowpipe_ml.errors import StepError, TemplateError
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Hook
from snowpipe_ml.spec.templates import Namespace, has_template, render_query, render_scalar
from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.text.printable import one_line
from snowpipe_ml.text.redaction import redact

log = logging.getLogger("snowpipe_ml.engine")
_SECONDS = 60


def run_hooks(spec: Spec, result: RunResult, connection: Connection) -> None:
    """Run the hooks of the spec for the result of a run.

    A hook that fails is logged as a warning and does not change the result of the run.

    Args:
        spec: the spec as it was run.
        result: the result of the run.
        connection: the connection for the statements of hooks.
    """
    hooks = spec.pipeline.on_success if result.ok else spec.pipeline.on_failure
    name = "on_success" if result.ok else "on_failure"
    run = {
        **spec.scope["run"],
        "status": result.status.value,
        "failed": [name for name, step in result.steps.items() if step.status is Status.FAILED],
    }
    scope = {**spec.scope, "run": Namespace("run", run)}
    for number, hook in enumerate(hooks, 1):
        try:
            _run_hook(hook, scope, connection)
        except Exception as error:
            log.warning("%s, number %d: %s", name, number, one_line(cause(error)))


def hook_reads(spec: Spec) -> set[QualifiedName]:
    """Return the tables that the hooks name with ``ref``.

    A hook with an invalid template is ignored here; it is reported when it runs.
    """
    found: set[QualifiedName] = set()
    for hook in (*spec.pipeline.on_success, *spec.pipeline.on_failure):
        if hook.query is not None:
            with suppress(TemplateError):
                found.update(render_query(hook.query, spec.scope)[1])
    return found


def _run_hook(hook: Hook, scope: Mapping[str, object], connection: Connection) -> None:
    if hook.query is not None:
        statement, _ = render_query(hook.query, scope)
        execute(connection, statement)
        return
    command = [str(render_scalar(part, scope)) if has_template(part) else part for part in hook.command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise StepError(f"{command[0]} exited with {done.returncode}: {redact(done.stderr).strip()[-500:]}")
