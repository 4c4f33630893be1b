"""The pipelines shipped with the package: templates to copy, and examples of step types from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import step_types
from snowpipe_ml.spec.schema import pipeline_schema

TEMPLATES = {"minimal": "minimal", "citibike": "citibike", "insurance": "insurance_autogluon"}
"""Template name -> pipeline name."""

_SCHEMA = "pipeline.schema.json"
_SUFFIXES = (".yaml", ".py", ".sql", ".csv")


def init(directory: Path, template: str) -> list[Path]:
    """Copy a template into a folder, with the JSON Schema with which editors check it.

    Args:
        directory: the folder; created if it does not exist.
        template: one of :data:`TEMPLATES`.

    Returns:
        The files, the spec first.

    Raises:
        UsageError: the template does not exist, or one of its files already exists; nothing is written then.
    """
    if template not in TEMPLATES:
        raise UsageError(f"no template {template!r}; there are: {', '.join(TEMPLATES)}")
    schema = json.dumps(pipeline_schema(), indent=2, ensure_ascii=False) + "\n"
    files = {directory / name: data for name, data in _files(TEMPLATES[template])}
    files[directory / _SCHEMA] = schema.encode()
    there = sorted(str(path) for path in files if path.exists())
    if there:
        raise UsageError(f"nothing was written, because these files exist already: {', '.join(there)}")
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(files)


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a pipeline: its spec, its lock file if it has one, and its folder."""
    root = resources.files("snowpipe_ml") / "pipelines"
    text = (root / f"{name}.yaml").read_text(encoding="utf-8")
    yield f"{name}.yaml", text.replace(f"../schemas/{_SCHEMA}", _SCHEMA).replace("pipelines/", "").encode()
    lock = root / f"{name}.lock.yaml"
    if lock.is_file():
        yield lock.name, lock.read_bytes()
    folder = root / name.partition("_")[0]
    yield from ((f"{folder.name}/{file.name}", file.read_bytes()) for file in _sorted(folder))


def _sorted(folder: Traversable) -> list[Traversable]:
    files = (file for file in folder.iterdir() if Path(file.name).suffix in _SUFFIXES)
    return sorted(files, key=lambda file: file.name)


def example_of(type_name: str) -> str | None:
    """Return an example of a step type: its own ``example``, or a step of a shipped pipeline, or None."""
    own = step_types()[type_name].example
    if own is not None:
        return own.strip("\n")
    root = resources.files("snowpipe_ml") / "pipelines"
    for name in TEMPLATES.values():
        text = (root / f"{name}.yaml").read_text(encoding="utf-8")
        steps = _child(yaml.compose(text, Loader=yaml.SafeLoader), "steps")
        for key, value in steps.value:
            kind = _child(value, "type")
            if kind.value == type_name:
                lines = text.splitlines()[key.start_mark.line : value.end_mark.line]
                while lines and re.match(r"\s*(#|$)", lines[-1]):
                    lines.pop()  # blank lines and comments before the next step
                return "\n".join(line.removeprefix("  ") for line in lines)
    return None


def _child(node: yaml.Node | None, name: str) -> yaml.Node:
    assert isinstance(node, yaml.MappingNode)
    pairs: dict[str, yaml.Node] = {key.value: value for key, value in node.value}
    return pairs[name]
