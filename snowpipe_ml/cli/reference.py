"""The reference page: every key of a spec and every setting of a step type, from the models themselves."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from snowpipe_ml.cli.scaffold import example_of
from snowpipe_ml.plugins import StepSettings, step_types
from snowpipe_ml.spec.models import Pipeline

_HEAD = """# Reference

<!-- Written by `snowpipe-ml schema` from the models; `make check` compares. -->

Wherever a value stands, `{{ ... }}` may stand: `vars`, `env`, `target` and `run` are in scope, and `item` in a step
with `foreach`. Names are identifiers as in SQL: without quotes they are upper case.
"""


def reference_page() -> str:
    """The page as Markdown."""
    common = list(_rows(StepSettings))
    parts = [_HEAD, "## A spec\n", *_table(_rows(Pipeline)), *_nested(Pipeline)]
    parts += ["\n## Every step\n", *_table(common), *_nested(StepSettings)]
    shared = {row[0] for row in common}
    for name, cls in step_types().items():
        parts += [f"\n## `{name}`\n", _plain(inspect.getdoc(cls) or ""), ""]
        parts += _table(row for row in _rows(cls.Settings) if row[0] not in shared)
        parts += _nested(cls.Settings, leave_out={"Query"})
        example = example_of(name)
        if example is not None:
            parts += ["\n```yaml", example, "```"]
    return "\n".join(parts) + "\n"


def _rows(model: Any) -> Iterator[tuple[str, str, str, str]]:
    """(name, type, default, description) of each setting."""
    schema = model.model_json_schema()
    yield from _fields(schema, schema)


def _nested(model: Any, leave_out: Iterable[str] = ()) -> list[str]:
    """A table for each mapping that stands inside."""
    schema = model.model_json_schema()
    lines: list[str] = []
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner and name not in leave_out:
            about = inspect.cleandoc(inner.get("description") or "")
            lines += [f"\n**{_title(name, inner)}.** {_plain(about)}\n", *_table(_fields(inner, schema))]
    return lines


def _title(name: str, inner: dict[str, Any]) -> str:
    """What a mapping is called: its type, where it has one, as a spec has it; else the class."""
    kind = inner["properties"].get("type", {})
    kinds = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
    return f"`type: {' | '.join(kinds)}`" if kinds else name


def step_text(type_name: str) -> str:
    """A step type for the terminal: its own settings, the mappings inside, the names of what every step has."""
    cls = step_types()[type_name]
    shared = [row[0] for row in _rows(StepSettings)]
    lines = [f"{type_name}: {inspect.getdoc(cls) or ''}", ""]
    lines += _listed(row for row in _rows(cls.Settings) if row[0] not in shared)
    schema = cls.Settings.model_json_schema()
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner and name != "Query":
            about = inspect.cleandoc(inner.get("description") or "").partition("\n")[0]
            lines += ["", f"{_title(name, inner).strip('`')}: {about}", *_listed(_fields(inner, schema))]
    lines += ["", f"As every step: {', '.join(shared)}"]
    return "\n".join(lines).replace("`", "")


def _listed(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    for name, kind, default, text in rows:
        known = default if default in ("", "required") else f"default {default}"
        yield f"  {name}  ({'; '.join(filter(None, (kind, known)))})"
        if text:
            yield f"      {text}"


def _fields(inner: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    required = set(inner.get("required", ()))
    for name, field in inner["properties"].items():
        default = "required" if name in required else _default(field.get("default"))
        yield name, _type(field, schema), default, field.get("description", "")


def _table(rows: Any) -> list[str]:
    lines = ["| Key | Value | Default | |", "|---|---|---|---|"]
    for name, kind, default, text in rows:
        cells = [f"`{name}`", kind, default, _plain(text)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _default(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """A few words for a type."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        inner = schema["$defs"][name]
        return f"a {name}" if "properties" in inner else _type(inner, schema)
    if "discriminator" in field:
        return (
            f"a mapping with `type`: {', '.join(f'`{kind}`' for kind in field['discriminator']['mapping'])}"
        )
    if "anyOf" in field or "oneOf" in field:
        found = [_type(option, schema) for option in field.get("anyOf") or field["oneOf"]]
        return " or ".join(dict.fromkeys(text for text in found if text != "empty"))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum") or [field["const"]])
    match field.get("type"):
        case "array":
            inner = field.get("items") or {}
            return "list of " + _type(inner, schema) if inner else "list"
        case "object":
            inner = field.get("additionalProperties")
            return "mapping to " + _type(inner, schema) if isinstance(inner, dict) and inner else "mapping"
        case "null":
            return "empty"
        case str(name):
            words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
            return words.get(name, name)
    return "any value"


def _plain(text: str) -> str:
    """Docstring marks as Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", text)
