"""Parse YAML text into plain values, each with its position.

A spec is read from PyYAML's node graph rather than its constructors, because only nodes record their
positions. The surprises of YAML 1.1 are disabled: ``no`` and ``on`` are text, and so is ``2024-01-01``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from snowpipe_ml.errors import SpecError
from snowpipe_ml.text.files import read_text
from snowpipe_ml.text.problems import Path, Position, Problem
from snowpipe_ml.text.redaction import STARS

_MAX_NODES = 200_000
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)")
_MERGE = "tag:yaml.org,2002:merge"
_TAGS = {"map", "seq", "str", "int", "float", "bool", "null", "merge"}


# libyaml is faster; where PyYAML was built without it, the pure Python loader is used.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """SafeLoader without implicit timestamps, sexagesimals and yes/no booleans."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


_WORDS = ("yes", "no", "on", "off")
WORD_HINT = "write true or false for a boolean, or quote it for text"


@dataclass
class Document:
    """A parsed YAML file.

    Attributes:
        file: the file name shown in messages.
        value: the content as dicts, lists and scalars.
        lines: the lines of the text.
        scalars: the paths of the scalars that fit on one line.
        words: unquoted ``yes``, ``no``, ``on`` and ``off`` by path: text here, booleans in YAML 1.1.
    """

    file: str
    value: object
    lines: list[str]
    words: dict[Path, str] = field(default_factory=dict)
    scalars: set[Path] = field(default_factory=set)
    _values: dict[Path, tuple[int, int, int]] = field(default_factory=dict)
    _keys: dict[Path, tuple[int, int, int]] = field(default_factory=dict)

    def __contains__(self, path: object) -> bool:
        """Return whether there is a value at a path."""
        return path in self._values

    def problem(self, message: str, path: Path, *, key: bool = False, hint: str | None = None) -> Problem:
        """Return a problem at a value, at its key, or at the nearest parent that has a position."""
        line, column, width = self._mark(path, key)
        snippet = self.lines[line] if line < len(self.lines) else ""
        return Problem(
            message,
            Position(self.file, line + 1, column + 1),
            snippet,
            max(1, min(width, len(snippet) - column)),
            hint,
            path,
        )

    def shown_lines(self, hide: Callable[[Path], bool]) -> list[str]:
        """Return the lines of the text, with asterisks in place of the scalars whose paths are hidden."""
        shown = list(self.lines)
        # From right to left, so that the columns of earlier scalars remain valid.
        for path, (line, column, width) in sorted(
            self._values.items(), key=lambda item: item[1], reverse=True
        ):
            if path in self.scalars and line < len(shown) and hide(path):
                shown[line] = f"{shown[line][:column]}{STARS}{shown[line][column + width :]}"
        return shown

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Return the position of a value or of its key."""
        line, column, _ = self._mark(path, key)
        return Position(self.file, line + 1, column + 1)

    def _mark(self, path: Path, key: bool) -> tuple[int, int, int]:
        if key and path in self._keys:
            return self._keys[path]
        while path and path not in self._values:
            path = path[:-1]
        return self._values.get(path, (0, 0, 1))


def read_document(path: FilePath) -> Document:
    """Read a YAML file.

    Raises:
        SpecError: the file is missing, not UTF-8 or not YAML; all duplicate keys are reported at once.
    """
    file = str(path)
    try:
        text = read_text(path)
    except OSError as error:
        raise SpecError([Problem(f"cannot read the spec: {error.strerror}", Position(file, 1, 1))]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError([Problem("the spec is not UTF-8 text", Position(file, line, 1))]) from error
    return parse_document(text, file)


def parse_value(text: str) -> object:
    """Parse a value of the command line as the same text in a spec would be parsed.

    Raises:
        ValueError: the text is not YAML, or not a value that a spec can contain.
    """
    try:
        document = parse_document(text)
    except SpecError as error:
        raise ValueError(error.problems[0].message) from error
    if document.words:
        raise ValueError(f"{next(iter(document.words.values()))!r} can be a boolean or text: {WORD_HINT}")
    return document.value


def parse_document(text: str, file: str = "<spec>") -> Document:
    """Parse YAML text; ``file`` is the file name shown in messages."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if _CONFLICT.match(line):
            raise SpecError(
                [
                    Problem(
                        "a merge conflict was left in the file",
                        Position(file, number, 1),
                        line,
                        7,
                        "resolve it, keeping one side, and remove the markers",
                    )
                ]
            )
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise SpecError([Problem("the spec is empty", Position(file, 1, 1))])
            document = Document(file, None, lines)
            builder = _Builder(document, loader)
            document.value = builder.build(root, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at, column = (mark.line, mark.column) if mark else (0, 0)
        snippet = lines[at] if at < len(lines) else ""
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(
            [Problem(f"not valid YAML: {what}", Position(file, at + 1, column + 1), snippet)]
        ) from error
    except yaml.YAMLError as error:
        at = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise SpecError([Problem(f"not valid YAML: {error}", Position(file, at, 1))]) from error
    except RecursionError as error:
        raise SpecError([Problem("the YAML is nested too deeply", Position(file, 1, 1))]) from error
    if builder.problems:
        raise SpecError(builder.problems)
    return document


class _Builder:
    def __init__(self, document: Document, loader: _Loader) -> None:
        self.document = document
        self.loader = loader
        self.problems: list[Problem] = []
        self._count = 0

    def build(self, node: yaml.Node, path: Path) -> object:
        self._count += 1
        if self._count > _MAX_NODES:
            raise SpecError([self._at(node, "the YAML has too many nodes (aliases of aliases?)")])
        self.document._values[path] = _span(node)
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            self.problems.append(self._at(node, f"the YAML tag {node.tag!r} is not supported in a spec"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        if node.start_mark.line == node.end_mark.line:
            self.document.scalars.add(path)
        if (
            isinstance(node, yaml.ScalarNode) and not node.style and node.value.lower() in _WORDS
        ):  # no quotes: None, or empty with libyaml
            self.document.words[path] = node.value
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        seen: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                self._merge(value_node, path, result)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(self._at(key_node, "a key must be plain text"))
                continue
            key = str(key_node.value)
            if "\0" in key:
                self.problems.append(self._at(key_node, "a NUL character, which SQL cannot contain"))
                continue
            if key in seen:
                first = seen[key].start_mark.line + 1
                self.problems.append(self._at(key_node, f"the key {key!r} is already on line {first}"))
                continue
            seen[key] = key_node
            self.document._keys[(*path, key)] = _span(key_node)
            result[key] = self.build(value_node, (*path, key))
        return result

    def _merge(self, node: yaml.Node, path: Path, result: dict[str, object]) -> None:
        merged = self.build(node, path) if isinstance(node, yaml.MappingNode) else None
        if not isinstance(merged, dict):
            self.problems.append(self._at(node, "'<<' takes one mapping, by its alias"))
            return
        for key, value in merged.items():
            result.setdefault(key, value)

    def _scalar(self, node: yaml.Node) -> object:
        if "\0" in str(node.value):
            self.problems.append(self._at(node, "a NUL character, which SQL cannot contain"))
            return None
        try:
            return self.loader.construct_object(node)
        except (yaml.constructor.ConstructorError, ValueError) as error:
            what = getattr(error, "problem", None) or str(error)
            self.problems.append(self._at(node, f"not a value that a spec can contain: {what}"))
            return None

    def _at(self, node: yaml.Node, message: str) -> Problem:
        line, column, width = _span(node)
        snippet = self.document.lines[line] if line < len(self.document.lines) else ""
        return Problem(message, Position(self.document.file, line + 1, column + 1), snippet, width)


def _span(node: yaml.Node) -> tuple[int, int, int]:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return start.line, start.column, max(1, width)
