"""The variables of a spec as the fields of a form."""

from __future__ import annotations

import enum
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from snowpipe_ml.spec.document import parse_value
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.text.secret_names import is_secret_name

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_IN_WORDS = {
    "min": "minimum",
    "max": "maximum",
    "id": "ID",
    "url": "URL",
    "csv": "CSV",
    "sql": "SQL",
    "api": "API",
}
# A comment after the value of a variable, where the line has no other `#`.
_COMMENT = re.compile(r"\s#\s*([^#]+?)\s*$")


class Kind(enum.Enum):
    """The widget of a field."""

    SWITCH = "switch"
    WHOLE = "whole number"
    NUMBER = "number"
    TEXT = "text"
    CHOICE = "choice"
    YAML = "yaml"


@dataclass(frozen=True)
class Field:
    """A variable that a run may be given.

    Attributes:
        name: its name.
        label: its name in words, such as ``Minimum history days``.
        kind: its widget.
        value: its value on the target; of a YAML field, the text.
        choices: the values of a choice.
        help: the comment beside it in the spec.
    """

    name: str
    label: str
    kind: Kind
    value: object
    choices: tuple[object, ...] = ()
    help: str = ""

    def read(self, entered: object) -> object:
        """Return the value that was entered.

        Raises:
            ValueError: the text of a YAML field cannot be parsed.
        """
        if self.kind is not Kind.YAML:
            return entered
        text = str(entered).strip()
        try:
            return parse_value(text) if text else None
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def entered(self, value: object) -> object:
        """Return a value as it is entered: the reverse of :meth:`read`."""
        return as_yaml(value) if self.kind is Kind.YAML else value

    @property
    def original(self) -> object:
        """The value on the target, as :meth:`read` returns it."""
        return self.read(self.value)


def fields(spec: Spec) -> list[Field]:
    """Return the variables in the order of the spec, but for those with the name of a secret."""
    values: Mapping[str, object] = spec.scope["vars"]
    names = [name for name in values if not is_secret_name(name)]
    labels = Counter(label_of(name) for name in names)
    return [
        _field(spec, name, name if labels[label_of(name)] > 1 else label_of(name), values[name])
        for name in names
    ]


def label_of(name: str) -> str:
    """Return the name of a variable in words: ``min_history_days`` is ``Minimum history days``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").split("_")
    if name.isupper():
        words = [word.lower() for word in words]
    told = " ".join(_IN_WORDS.get(word.lower(), word) for word in words if word)
    return told[:1].upper() + told[1:] or name


def secrets(spec: Spec) -> list[str]:
    """Return the names of the variables that a run cannot be given here: others could see them."""
    return [name for name in spec.scope["vars"] if is_secret_name(name)]


def _field(spec: Spec, name: str, label: str, value: object) -> Field:
    told = _help(spec, name)
    choices = spec.pipeline.dashboard.choices.get(name)
    if choices is not None:
        listed = tuple(choices) if value in choices else (value, *choices)
        return Field(name, label, Kind.CHOICE, value, listed, told)
    if isinstance(value, bool):
        return Field(name, label, Kind.SWITCH, value, help=told)
    if isinstance(value, int):
        return Field(name, label, Kind.WHOLE, value, help=told)
    if isinstance(value, float):
        return Field(name, label, Kind.NUMBER, value, help=told)
    if isinstance(value, str):
        return Field(name, label, Kind.TEXT, value, help=told)
    return Field(name, label, Kind.YAML, as_yaml(value), help=told)


def as_yaml(value: object) -> str:
    """Return a list or mapping as YAML, an item a line if it is long."""
    if value is None:
        return ""
    short = json.dumps(value, default=str)
    if len(short) <= 60:
        return short
    return yaml.safe_dump(value, sort_keys=False, width=100, allow_unicode=True).rstrip()


def _help(spec: Spec, name: str) -> str:
    document = spec.document
    path = ("vars", name)
    if path not in document._keys:
        return ""
    line = document.lines[document.position(path, key=True).line - 1]
    found = _COMMENT.search(line)
    return found[1] if found is not None else ""


def next_month(value: object) -> str | None:
    """Return the month after the last one of a list of months, such as 2022-04; None if it is no such list."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    matches = [_MONTH.fullmatch(item) if isinstance(item, str) else None for item in value]
    if not all(matches):
        return None
    year, month = max((int(found[1]), int(found[2])) for found in matches if found is not None)
    return f"{year + month // 12}-{month % 12 + 1:02d}"
