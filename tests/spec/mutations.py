"""Specs with one mistake: a node of a valid spec is replaced, renamed, added or removed."""

from __future__ import annotations

import copy
import json
import random
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SnowpipeMLError, SpecError
from snowpipe_ml.spec.document import Document, parse_document

WEIRD: tuple[Any, ...] = (
    None,
    "",
    " ",
    0,
    -1,
    1e400,
    10**30,
    1.5,
    True,
    [],
    {},
    [[]],
    {"a": 1},
    "x" * 300,
    "{{ vars.nope }}",
    "{{",
    "}}",
    "{% if %}",
    "{{ 1/0 }}",
    "{{ run.id }}",
    "; DROP TABLE T; --",
    "'",
    '"',
    '""',
    "a.b.c.d",
    "@",
    "@@",
    "@x/../y",
    "\t",
    "\u202e",
    "\u0000x",
    "É",
    "SELECT",
    "select",
    "1st",
    "a b",
    "{{ env.NOPE_NOT_SET }}",
    "{{ ref('x') }}",
    "*",
    "on",
    "2024-01-01",
    "0x1F",
    "~",
    "null",
)


@dataclass(frozen=True)
class Mutant:
    """The text of a spec, with the place and kind of its mutation."""

    text: str
    path: tuple[str | int, ...]
    what: str


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values below a value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*path, key))
    return found


def mutate(value: Any, seed: int) -> Mutant:
    """Make one random change to a spec, determined by a seed."""
    chance = random.Random(seed)
    value = copy.deepcopy(value)
    path = chance.choice(paths(value))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    what = chance.choice(("replace", "replace", "replace", "noise", "unknown", "remove", "rename"))
    target = parent[path[-1]]
    if what == "unknown" and isinstance(target, dict):
        name = "".join(chance.choices(string.ascii_lowercase, k=6))
        target[name] = chance.choice(WEIRD)
        path = (*path, name)
    elif what == "remove":
        del parent[path[-1]]
        path = path[:-1]
    elif what == "rename" and isinstance(parent, dict):
        name = chance.choice((str(path[-1]) + "x", str(path[-1])[1:] or "x", "1 2", "", "SELECT"))
        items = [(name if key == path[-1] else key, item) for key, item in parent.items()]
        parent.clear()
        parent.update(items)
        path = (*path[:-1], name)
    elif what == "noise" and isinstance(target, str) and target:
        at = chance.randrange(len(target))
        parent[path[-1]] = target[:at] + chance.choice("'\"{}[]@.;-\\/ \tÉ$") + target[at + 1 :]
    else:
        parent[path[-1]] = chance.choice(WEIRD)
        what = "replace"
    return Mutant(dump(value), path, what)


def dump(value: Any, indent: str = "") -> str:
    """Write YAML with one value per line, so that positions identify nodes; scalars are written as JSON."""
    if isinstance(value, dict) and value:
        return "".join(
            f"{indent}{json.dumps(str(key))}:{_below(item, indent)}" for key, item in value.items()
        )
    if isinstance(value, list) and value:
        return "".join(f"{indent}-{_below(item, indent)}" for item in value)
    return f"{indent}{_scalar(value)}\n"


def _below(value: Any, indent: str) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + dump(value, indent + "  ")
    return f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return ".inf" if value > 1e308 else repr(value)
    return json.dumps(value)


def check(mutant: Mutant, folder: Path) -> list[str]:
    """Return the errors that a mutant reports at a wrong position; none if the mutant is valid.

    A position is right inside the changed node, in the node directly around it, or at a reference that the
    change broke, such as a step that reads a renamed table.
    """
    path = folder / "spec.yaml"
    path.write_text(mutant.text, encoding="utf-8")
    try:
        Pipeline.from_yaml(path).validate()
    except SpecError as error:
        document = _positions(mutant.text)
        return [
            f"{problem.position.line}:{problem.position.column} {problem.message}"
            for problem in error.problems
            if not _in_place(document, mutant, problem)
        ]
    except SnowpipeMLError as error:
        return (
            []
            if mutant.path[:1] in (("default_target",), ("targets",), ("vars",), ())
            else [f"{type(error).__name__}: {error}"]
        )
    return []


def _positions(text: str) -> Document | None:
    try:
        return parse_document(text)
    except SpecError:
        return None


def _in_place(document: Document | None, mutant: Mutant, problem: Any) -> bool:
    if problem.position.line < 1 or problem.position.column < 1:
        return False
    if document is None:
        return True  # the text is not YAML, so the parser gives the position
    if _references(mutant, problem.message):
        return True
    begin = document.position(
        mutant.path[:-1] if mutant.what in ("remove", "rename") else mutant.path, key=True
    ).line
    below = [
        document.position(path).line
        for path in paths(document.value)
        if path[: len(mutant.path)] == mutant.path
    ]
    around = [
        document.position(path).line
        for path in paths(document.value)
        if path[: len(mutant.path) - 1] == mutant.path[:-1]
    ]
    lines = [*below, *around, begin]
    return min(lines) - 1 <= problem.position.line <= max(lines)


def _references(mutant: Mutant, message: str) -> bool:
    """Return whether an error elsewhere is an expected consequence, such as a reference to a missing name."""
    if mutant.path[:1] == ("vars",):
        return True  # an invalid variable is reported where it is used
    return any(words in message for words in _ELSEWHERE)


# Parts of the messages of a step that refers to another one, which was removed or changed.
_ELSEWHERE = (
    "no step",
    "writes",
    "not declared",
    "under `",
    "has no origin for the target",
    "cycle",
    "no list",
    "does not list it",
    "must be written by",
    "wait for each other",
    "has no column",
    "no such file",
    "cannot read",
    "header",
    " lock",
)
