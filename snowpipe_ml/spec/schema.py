"""JSON Schemas generated from the models, for editors and to check a spec as written.

The document is checked before templates are rendered, so text with a template expression is allowed
wherever a value is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import jsonschema
from jsonschema import ValidationError
from jsonschema.validators import extend

from snowpipe_ml.plugins import step_types
from snowpipe_ml.spec.document import Document
from snowpipe_ml.spec.models import Pipeline
from snowpipe_ml.spec.templates import has_template
from snowpipe_ml.text.problems import Path, Problem, did_you_mean
from snowpipe_ml.text.redaction import redact

_REFERENCE = "#/$defs/{model}"
Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXPRESSION = {"type": "string", "pattern": r"\{\{.*\}\}", "description": "A template expression"}


class _Fault(Protocol):
    """An error of the validator: a ``jsonschema.ValidationError`` whose attributes are all set."""

    message: str
    validator: str
    validator_value: Any
    instance: Any
    schema: Schema
    context: Sequence[_Fault]
    path: Sequence[str | int]
    schema_path: Sequence[str | int]
    absolute_path: Sequence[str | int]


@cache
def _envelope() -> Schema:
    """Return the schema of a spec without the settings of its steps."""
    return Pipeline.model_json_schema(ref_template=_REFERENCE)


@cache
def _step(name: str) -> Schema:
    """Return the schema of one step type's settings. It is built on demand: a spec uses few types."""
    schema = step_types()[name].Settings.model_json_schema(ref_template=_REFERENCE)
    schema["properties"]["type"] = {"const": name}
    schema.pop("title", None)
    return schema


def pipeline_schema() -> Schema:
    """Return the schema of a whole spec, for editors."""
    schema: Schema = _allow_expressions(_envelope())
    names = sorted(step_types())
    schema["properties"]["steps"]["additionalProperties"] = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": names}},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/step.{name}"},
            }
            for name in names
        ],
    }
    for name in names:
        step = _allow_expressions(_step(name))
        schema["$defs"] |= step.pop("$defs", {})
        schema["$defs"][f"step.{name}"] = step
    schema["patternProperties"] = {"^x-": {}}  # keys that start with x- are free for the author's use
    return {"$schema": DIALECT, "title": "A snowpipe-ml pipeline", **schema}


def _allow_expressions(schema: object) -> Any:
    """Return a copy of a schema in which a template expression may stand for every scalar, and for a mapping of
    one of several types, such as a model.
    """
    if isinstance(schema, list):
        return [_allow_expressions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {
        key: {name: _allow_expressions(sub) for name, sub in value.items()}
        if key in ("properties", "$defs", "patternProperties")
        else _allow_expressions(value)
        if key in ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems")
        else value
        for key, value in schema.items()
    }
    restricted = copied.get("type") in ("integer", "number", "boolean", "array", "object") or (
        copied.get("type") == "string" and ("pattern" in copied or "enum" in copied)
    )
    if "discriminator" in copied or (restricted and "const" not in copied and "properties" not in copied):
        outer = {key: copied.pop(key) for key in ("title", "description", "default") if key in copied}
        return {**outer, "anyOf": [copied, _EXPRESSION]}
    return copied


def _tolerant(name: str) -> Callable[[object, object, object, object], Iterator[ValidationError]]:
    """Return the check of a keyword, changed to accept a template expression in place of any value."""
    original = jsonschema.Draft202012Validator.VALIDATORS[name]

    def check(
        validator: object, keyword: object, instance: object, schema: object
    ) -> Iterator[ValidationError]:
        if not has_template(instance):
            yield from original(validator, keyword, instance, schema) or ()

    return check


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    {
        name: _tolerant(name)
        for name in ("type", "enum", "pattern", "anyOf", "oneOf", "minLength", "maxLength", "format")
    },
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "array", lambda checker, value: isinstance(value, list | tuple)
    ),
)


def check_document(document: Document) -> list[Problem]:
    """Return all problems of a document that does not match the schema, in the order of the file."""
    value = document.value
    if not isinstance(value, dict):
        return [document.problem("a spec is a mapping with `name`, `targets` and `steps`", ())]
    own = {key: item for key, item in value.items() if not key.startswith("x-")}
    problems = list(_check(document, own, _envelope(), ()))
    declared_steps = own.get("steps")
    if isinstance(declared_steps, dict):
        for name, step in declared_steps.items():
            problems += _check_step(document, name, step)
    return sorted(set(problems), key=lambda p: (p.position.line, p.position.column))


def _check_step(document: Document, name: str, step: object) -> list[Problem]:
    path: Path = ("steps", name)
    if not isinstance(step, dict):
        return []  # the envelope's schema has reported it
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        return [
            document.problem(
                f"a step name may contain letters, digits, _ and -, not {name!r}", path, key=True
            )
        ]
    kind, known = step.get("type"), step_types()
    if kind is None:
        hint = f"known types: {', '.join(known)}"
        return [document.problem(f"the step {name!r} has no type", path, key=True, hint=hint)]
    if not isinstance(kind, str) or kind not in known:
        hint = did_you_mean(str(kind), known) or ""
        return [document.problem(f"unknown step type {kind!r}", (*path, "type"), hint=hint or None)]
    return list(_check(document, step, _step(kind), path))


def _check(document: Document, value: Mapping[str, object], schema: Schema, path: Path) -> Iterator[Problem]:
    for error in _Validator(schema).iter_errors(value):
        yield from _explain(document, error, path)


def _explain(document: Document, error: _Fault, base: Path) -> Iterator[Problem]:
    path = (*base, *error.absolute_path)
    name = next((part for part in reversed(path) if isinstance(part, str)), "the spec")
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for key in error.instance:
                if key not in known:
                    yield document.problem(
                        f"unknown key {key!r}", (*path, key), key=True, hint=did_you_mean(str(key), known)
                    )
        case "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield document.problem(
                        f"{name!r} lacks the key {key!r}", path, key=True, hint=_describe(error.schema, key)
                    )
        case "type":
            yield document.problem(
                f"{name!r} must be {_types(error.validator_value)}, not {_found(error.instance)}", path
            )
        case "enum" | "const":
            known = error.validator_value if error.validator == "enum" else [error.validator_value]
            yield document.problem(
                f"{name!r} cannot be {error.instance!r}",
                path,
                hint=did_you_mean(str(error.instance), map(str, known)),
            )
        case "anyOf" | "oneOf":
            yield from _explain_choice(document, error, base, path)
        case "pattern":
            yield document.problem(
                f"{name!r} does not have the expected format: {error.instance!r}",
                path,
                hint=error.schema.get("description") or f"expected {error.validator_value}",
            )
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            bound = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
            words = f"{bound.get(error.validator, 'less than')} {error.validator_value}"
            yield document.problem(f"{name!r} must be {words}, not {error.instance}", path)
        case "minProperties" | "minItems":
            yield document.problem(f"{name!r} must not be empty", path)
        case _:
            yield document.problem(f"{name!r}: {error.message}", path)


def _explain_choice(document: Document, error: _Fault, base: Path, path: Path) -> Iterator[Problem]:
    """Explain a value that matches none of several forms: by the form that was meant, or by all of them."""
    discriminator = error.schema.get("discriminator", {}).get("propertyName")
    if discriminator and isinstance(error.instance, dict):
        chosen = error.instance.get(discriminator)
        known = list(error.schema["discriminator"]["mapping"])
        if chosen not in known:
            if chosen is None:
                yield document.problem(
                    f"{path[-1]!r} lacks the key {discriminator!r}",
                    path,
                    key=True,
                    hint=f"one of: {', '.join(known)}",
                )
            else:
                yield document.problem(
                    f"{discriminator!r} cannot be {chosen!r}",
                    (*path, discriminator),
                    hint=did_you_mean(str(chosen), known),
                )
            return
        # Several discriminator values may share one form.
        form = error.schema["discriminator"]["mapping"][chosen]
        index = [option.get("$ref") for option in error.validator_value].index(form)
        for sub in error.context:
            if sub.schema_path[0] == index:
                yield from _explain(document, sub, base)
        return
    deeper = [sub for sub in error.context if sub.validator != "type" or len(sub.path) > 0]
    if deeper:
        best = min(deeper, key=lambda sub: -len(sub.absolute_path))
        yield from _explain(document, best, base)
        return
    expected = " or ".join(
        dict.fromkeys(_types(sub.validator_value) for sub in error.context if sub.validator_value != "null")
    )
    name = next((part for part in reversed(path) if isinstance(part, str)), "the spec")
    where = f"an item of {name!r}" if isinstance(path[-1], int) else repr(name)
    yield document.problem(f"{where} must be {expected}, not {_found(error.instance)}", path)


_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


def _types(names: str | list[str]) -> str:
    return " or ".join(_TYPE_WORDS[name] for name in ([names] if isinstance(names, str) else names))


def _found(value: object) -> str:
    match value:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f"the text {redact(value)[:40]!r}"
    return f"the number {value}"


def _describe(schema: Schema, key: str) -> str | None:
    description = schema.get("properties", {}).get(key, {}).get("description")
    return f"{key}: {re.sub(r'[.]$', '', description)}" if description else None
