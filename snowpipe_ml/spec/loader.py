"""Load a YAML file as a :class:`Spec`: the declared objects, the settings of the steps, positions.

All problems are collected, in stages that each depend on the one before: the YAML, the schema, the
templates, the rendered values. References between objects are checked by the graph.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path as FilePath

import pydantic

from snowpipe_ml.errors import SpecError, TemplateError, UsageError
from snowpipe_ml.plugins import RunInfo, Step, StepSettings, Target, step_types
from snowpipe_ml.spec import models
from snowpipe_ml.spec.document import WORD_HINT, Document, read_document
from snowpipe_ml.spec.environments import Environment
from snowpipe_ml.spec.fanout import FanOut, Rows, base_name, spread
from snowpipe_ml.spec.schema import check_document
from snowpipe_ml.spec.templates import Namespace, has_template, render_scalar
from snowpipe_ml.text.problems import Path, Problem, did_you_mean
from snowpipe_ml.text.redaction import remember_secrets, remember_shapes

# The values of run.* outside a run: validate and plan must render without one.
NO_RUN = RunInfo(
    "00000000T000000000-000000",
    datetime(1970, 1, 1, tzinfo=UTC),
    "MODEL_00000000T000000000",
    date(1970, 1, 1),
)

# Sections that are never rendered, or only after a run has ended. In `targets`, only `env` is in scope.
_UNRENDERED = (
    "name",
    "version",
    "description",
    "vars",
    "default_target",
    "on_success",
    "on_failure",
    "tests",
)


@dataclass
class Spec:
    """A spec, rendered for one target.

    Attributes:
        path: the file.
        document: the text with its positions.
        pipeline: the declared objects.
        steps: the steps, with validated settings.
        target_name: the target that the spec was rendered for.
        scope: ``vars``, ``env``, ``target`` and ``run``, as templates see them.
        problems: mistakes that did not prevent the rest from being read.
        fanned: the nodes of each step that has a ``foreach``.
        broken: the names of what could not be read, and those that it mentions: none is reported as missing.
        environment: the environment of the target that it is in; None for the target itself.
    """

    path: FilePath
    document: Document
    pipeline: models.Pipeline
    steps: dict[str, Step[StepSettings]]
    target_name: str
    scope: Mapping[str, Namespace]
    problems: list[Problem] = field(default_factory=list)
    fanned: Mapping[str, list[str]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    environment: Environment | None = None

    @property
    def target(self) -> Target:
        """The target that it was rendered for."""
        target: Target = self.pipeline.targets[self.target_name]
        return target


def load_spec(
    path: FilePath,
    *,
    target: str | None = None,
    variables: Mapping[str, object] | None = None,
    run: RunInfo = NO_RUN,
    rows: Rows | None = None,
) -> Spec:
    """Read, check and render a spec.

    Args:
        path: the YAML file.
        target: the name of a target; None for the default target.
        variables: values that override the ``vars`` of the file.
        run: the values of ``run.*``.
        rows: runs the queries of ``foreach`` on the target; None without a connection.

    Returns:
        The spec. Its ``problems`` are the mistakes inside steps; they are returned rather than raised,
        so that the graph is checked too and everything is reported at once.

    Raises:
        SpecError: the file is not a usable spec.
        UsageError: the target does not exist, the spec does not declare a variable, or the query of a
            ``foreach`` cannot be run.
    """
    remember_secrets(os.environ)
    document = read_document(path)
    _remember_written(document.value)
    problems = check_document(document)
    raw = document.value
    if not isinstance(raw, dict) or not isinstance(raw.get("targets"), dict) or not raw["targets"]:
        raise SpecError(problems)
    name = _choose_target(document, raw, target)
    scope = _scope(document, raw, name, variables or {}, run)
    rendered = _Renderer(document, scope)
    rendered.refuse(raw.get("vars"), ("vars",))
    problems += _ambiguous(document)
    of_targets = _Renderer(document, {"env": scope["env"]})
    value = {
        key: item
        if key in _UNRENDERED
        else (of_targets if key == "targets" else rendered).render(item, (key,))
        for key, item in raw.items()
        if key != "steps" and not str(key).startswith("x-")
    }
    fan = spread(document, _mapping(raw.get("steps")), rendered.render, scope, rows)
    nodes = {node: rendered.of_step(node, settings, fan) for node, settings in fan.steps.items()}
    for settings in nodes.values():
        remember_secrets(_settings(settings))
    problems += fan.problems
    # A value that failed to render or does not match the schema is not reported again.
    tainted = rendered.failed | of_targets.failed | _tainted(document, problems)
    problems += rendered.problems + of_targets.problems
    steps, more = _steps(document, nodes, fan, tainted)
    problems += more
    broken = {
        text
        for node in set(fan.steps) - set(steps)
        for text in _texts(fan.steps[node], node, base_name(node))
    }
    broken |= {text for p in fan.problems for step in fan.nodes for text in _texts(raw["steps"][step], step)}
    value["steps"] = raw.get("steps")
    pipeline, more, dropped = _pipeline(document, value, tainted)
    problems += more
    if pipeline is None or name not in pipeline.targets:
        raise SpecError(_in_order(problems))
    return Spec(
        path,
        document,
        pipeline,
        steps,
        name,
        scope,
        _in_order(problems),
        fan.nodes,
        frozenset(broken | dropped),
    )


def _remember_written(value: object) -> None:
    """Remember the secrets that a document has: by their names in ``vars``, and elsewhere by their shape."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "vars":
                remember_secrets(_mapping(item))
            else:
                _remember_written(item)
    elif isinstance(value, list):
        for item in value:
            _remember_written(item)
    elif isinstance(value, str):
        remember_shapes(value)


def _settings(settings: object) -> dict[str, object]:
    """Return the settings of a step that are texts: names further inside are mostly those of columns."""
    return {name: value for name, value in _mapping(settings).items() if isinstance(value, str)}


def _ambiguous(document: Document) -> Iterator[Problem]:
    """Yield a problem for each variable that a template would treat as true although it is ``off``."""
    for path, word in document.words.items():
        if path[0] == "vars" or (path[0] == "targets" and path[2:3] == ("vars",)):
            yield document.problem(f"{word!r} can be a boolean or text", path, hint=WORD_HINT)


def _mapping(value: object) -> dict[str, object]:
    """Return the value if it is a mapping, else an empty one: the schema check has reported it."""
    return value if isinstance(value, dict) else {}


def _texts(value: object, *more: str) -> Iterator[str]:
    """Yield every text inside a value, in lower case."""
    yield from map(str.lower, more)
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value.lower()


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(set(problems), key=lambda p: (p.position.line, p.position.column))


def _choose_target(document: Document, raw: Mapping[str, object], target: str | None) -> str:
    known = list(_mapping(raw["targets"]))
    if target is not None:
        if target not in known:
            hint = did_you_mean(target, known)
            raise UsageError(f"no target {target!r} in {document.file}" + (f"; {hint}" if hint else ""))
        return target
    default = raw.get("default_target", known[0])
    if default not in known:
        raise SpecError(
            [
                document.problem(
                    f"no target {default!r}", ("default_target",), hint=did_you_mean(str(default), known)
                )
            ]
        )
    return str(default)


def _scope(
    document: Document, raw: Mapping[str, object], target: str, variables: Mapping[str, object], run: RunInfo
) -> dict[str, Namespace]:
    declared = _mapping(raw.get("vars"))
    own = _mapping(_mapping(raw["targets"])[target])
    of_target = _mapping(own.get("vars"))
    for name in variables:
        if name not in declared:
            hint = did_you_mean(name, declared)
            raise UsageError(f"{document.file} declares no variable {name!r}" + (f"; {hint}" if hint else ""))
    for given in (declared, of_target, variables):
        remember_secrets(given)
    values = {**declared, **of_target, **variables}
    return {
        "vars": Namespace("vars", values),
        "env": Namespace("env", os.environ),
        "target": Namespace(
            "target",
            {
                "name": target,
                **{k: own.get(k) for k in ("type", "database", "schema", "timezone", "week_start")},
            },
        ),
        "run": Namespace(
            "run", {"id": run.id, "started_at": run.started_at, "model_id": run.model_id, "date": run.date}
        ),
    }


class _Renderer:
    """Renders every scalar and records the paths that failed."""

    def __init__(self, document: Document, scope: Mapping[str, object]) -> None:
        self.document = document
        self.scope = scope
        self.problems: list[Problem] = []
        self.failed: set[Path] = set()

    def render(self, value: object, path: Path) -> object:
        if isinstance(value, dict):
            return {key: self.render(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, (*path, i)) for i, item in enumerate(value)]
        if not has_template(value) or self._is_sql_text(path):
            return value
        try:
            return render_scalar(value, self.scope)
        except TemplateError as error:
            self.problems.append(self.document.problem(error.message, path, hint=error.hint))
            self.failed.add(path)
            return value

    def of_step(self, node: str, settings: object, fan: FanOut) -> object:
        """Render the settings of a node, with its item in scope."""
        path: Path = ("steps", base_name(node))
        if node not in fan.items:
            return self.render(settings, path)
        inner = _Renderer(self.document, {**self.scope, "item": fan.items[node]})
        rendered = inner.render(settings, path)
        self.problems += inner.problems
        self.failed |= inner.failed
        return rendered

    def refuse(self, value: object, path: Path) -> None:
        """Report each template in a value that must not contain any."""
        if isinstance(value, dict | list):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self.refuse(item, (*path, key))
        elif has_template(value):
            hint = "write the value itself; steps may combine variables"
            self.problems.append(
                self.document.problem("a variable cannot contain a template", path, hint=hint)
            )

    @staticmethod
    def _is_sql_text(path: Path) -> bool:
        # An inline query or predicate is a SQL template: filters insert its values when it is used.
        own = len(path) == 3 or (len(path) == 4 and path[2] in ("foreach", "when", "delete"))
        return own and path[0] == "steps" and path[-1] in ("query", "predicate")


def _tainted(document: Document, problems: list[Problem]) -> set[Path]:
    """Return the paths of the smallest values at the positions of the problems."""
    lines = {(p.position.line, p.position.column) for p in problems}
    return {
        path
        for marks in (document._values, document._keys)
        for path, (line, column, _) in marks.items()
        if (line + 1, column + 1) in lines and path
    }


def _steps(
    document: Document, raw: Mapping[str, object], fan: FanOut, tainted: set[Path]
) -> tuple[dict[str, Step[StepSettings]], list[Problem]]:
    steps: dict[str, Step[StepSettings]] = {}
    problems: list[Problem] = []
    types = step_types()
    for name, settings in raw.items():
        cls = types.get(str(settings.get("type"))) if isinstance(settings, dict) else None
        if cls is None:
            continue
        base: Path = ("steps", base_name(name))
        try:
            steps[name] = cls(name, cls.Settings.model_validate(settings))
            if name in fan.items:
                steps[name].item = fan.items[name]
        except pydantic.ValidationError as error:
            problems += problems_of(document, error, base, tainted)
    return steps, problems


def _pipeline(
    document: Document, value: Mapping[str, object], tainted: set[Path]
) -> tuple[models.Pipeline | None, list[Problem], set[str]]:
    """Validate the declared objects.

    Returns:
        The valid objects, so that these are checked further; the problems; the names of the invalid objects.
    """
    try:
        return models.Pipeline.model_validate(value), [], set()
    except pydantic.ValidationError as error:
        problems = list(problems_of(document, error, (), tainted))
        bad = {item["loc"][:2] for item in error.errors()}
    kept = {
        section: {name: item for name, item in content.items() if (section, name) not in bad}
        if isinstance(content, dict)
        else content
        for section, content in value.items()
        if (section,) not in bad
    }
    try:
        return (
            models.Pipeline.model_validate(kept),
            problems,
            {str(part).lower() for loc in bad for part in loc[1:]},
        )
    except pydantic.ValidationError:
        return None, problems, set()


def problems_of(
    document: Document,
    error: pydantic.ValidationError,
    base: Path = (),
    tainted: Collection[Path] = frozenset(),
) -> Iterator[Problem]:
    """Yield the problems of a value that a model refuses, with their positions.

    Args:
        document: the document of the value.
        error: the error of the model.
        base: the path of the value in the document.
        tainted: paths with problems that were reported before.
    """
    for item in error.errors():
        path = base
        for part in item["loc"]:
            # pydantic includes the name of the chosen union member, which is not a key of the spec.
            if (*path, part) in document._values or (item["type"] == "missing" and part == item["loc"][-1]):
                path = (*path, part)
        if any(path[: len(bad)] == bad or bad[: len(path)] == path for bad in tainted):
            continue
        message = item["msg"].removeprefix("Value error, ")
        where = f"{path[-1]!r}: " if path and isinstance(path[-1], str) else ""
        if item["type"] == "value_error" and item["loc"]:
            where = ""
        yield document.problem(where + message, path)
