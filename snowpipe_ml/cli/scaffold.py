"""The pipelines shipped with the package: templates to copy, and examples of step types from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from snowpipe_ml.cli.notebook import NAME as NOTEBOOK
from snowpipe_ml.cli.notebook import notebook_of
from snowpipe_ml.cli.own_csv import Columns, forecast_spec, recognize
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import step_types
from snowpipe_ml.spec.schema import pipeline_schema

TEMPLATES = {
    "minimal": "minimal",
    "citibike": "citibike",
    "citibike-cdc": "citibike_cdc",
    "insurance": "insurance_autogluon",
    "retail-weekly": "retail_weekly",
    "custom-model": "custom_model",
}
"""Template name -> pipeline name."""

FORECAST = "forecast"
"""The template whose spec is written for a CSV file."""

TESTING = "testing-only"
"""The template without a spec: Snowpark code and its tests."""

_SCHEMA = "pipeline.schema.json"
_SUFFIXES = (".yaml", ".py", ".sql", ".csv")


def init(directory: Path, template: str, *, notebook: bool = False) -> list[Path]:
    """Copy a template into a folder, with the JSON Schema with which editors check it.

    Args:
        directory: the folder; created if it does not exist.
        template: one of :data:`TEMPLATES`, :data:`FORECAST`, or :data:`TESTING`.
        notebook: whether to write a notebook that explores the series, too.

    Returns:
        The files, the spec first if there is one.

    Raises:
        UsageError: the template does not exist, one of its files already exists, or it has no series to explore;
            nothing is written then.
    """
    if template == FORECAST:
        return _write(directory, _forecast_sample(), notebook)
    if template == TESTING:
        if notebook:
            raise UsageError(f"the template {TESTING} has no series to explore in a notebook")
        code = resources.files("snowpipe_ml") / "pipelines" / "testing"
        return _write_all({directory / file.name: file.read_bytes() for file in _sorted(code)})
    if template not in TEMPLATES:
        raise UsageError(f"no template {template!r}; there are: {', '.join((*TEMPLATES, FORECAST, TESTING))}")
    return _write(directory, dict(_files(TEMPLATES[template])), notebook)


def init_from_csv(directory: Path, path: Path, columns: Columns, *, notebook: bool = False) -> list[Path]:
    """Write the spec that forecasts a CSV file, with the JSON Schema with which editors check it.

    Args:
        directory: the folder; created if it does not exist.
        path: the file; the spec refers to it by a relative path.
        columns: its columns, from :func:`snowpipe_ml.cli.own_csv.recognize`.
        notebook: whether to write a notebook that explores the series, too.

    Returns:
        The files, the spec first.

    Raises:
        UsageError: one of the files already exists; nothing is written then.
    """
    relative = Path(os.path.relpath(path.resolve(), directory.resolve())).as_posix()
    spec = forecast_spec(columns, relative, _pipeline_name(directory))
    return _write(directory, {f"{FORECAST}.yaml": spec.encode()}, notebook)


def _forecast_sample() -> dict[str, bytes]:
    """The template ``forecast``: a sample of sales, and the spec that would be written for it."""
    sample = resources.files("snowpipe_ml") / "pipelines" / FORECAST / "sales.csv"
    with resources.as_file(sample) as path:
        spec = forecast_spec(recognize(path), f"{FORECAST}/{path.name}", FORECAST)
    return {f"{FORECAST}.yaml": spec.encode(), f"{FORECAST}/{sample.name}": sample.read_bytes()}


def _write(directory: Path, contents: Mapping[str, bytes], notebook: bool) -> list[Path]:
    if notebook:
        spec, text = next(iter(contents.items()))
        contents = {**contents, NOTEBOOK: notebook_of(spec, text.decode())}
    schema = json.dumps(pipeline_schema(), indent=2, ensure_ascii=False) + "\n"
    return _write_all(
        {directory / name: data for name, data in contents.items()} | {directory / _SCHEMA: schema.encode()}
    )


def _write_all(files: Mapping[Path, bytes]) -> list[Path]:
    there = sorted(str(path) for path in files if path.exists())
    if there:
        raise UsageError(f"nothing was written, because these files exist already: {', '.join(there)}")
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(files)


def _pipeline_name(directory: Path) -> str:
    """The name of the folder as the name of a pipeline."""
    name = re.sub(r"\W+", "_", directory.resolve().name.lower(), flags=re.ASCII).strip("_") or FORECAST
    return name if name[0].isalpha() else f"p_{name}"


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a pipeline: its spec, the files beside it of its name, and those of its folder."""
    root = resources.files("snowpipe_ml") / "pipelines"
    text = (root / f"{name}.yaml").read_text(encoding="utf-8")
    yield f"{name}.yaml", text.replace(f"../schemas/{_SCHEMA}", _SCHEMA).replace("pipelines/", "").encode()
    for beside in (root / f"{name}{suffix}" for suffix in (".lock.yaml", ".tests.yaml", ".py")):
        if beside.is_file():
            yield beside.name, beside.read_bytes()
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
