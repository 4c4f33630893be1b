"""Values that must not be seen, taken out of all text that is written.

Known are the environment variables that are named like a secret, the passwords in URLs of others, the
credentials of the connection that a target uses, and every :class:`~snowpipe_ml.sql.Secret`. They become
stars in errors, in the records of runs, in reports and in whatever the command prints.
"""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO
from urllib.parse import quote, unquote

STARS = "******"
# A shorter one would be found by chance in text that has nothing to do with it.
_SHORTEST = 6
_NAME = re.compile(
    r"PASSW|PASSPHRASE|PASSCODE|SECRET|TOKEN|CREDENTIAL|PRIVATE|(?:^|_|API|ACCESS)KEY(?:_|$)|_PWD$|_PASS$|_PAT$", re.I
)
_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_NO_SECRET = re.compile(r"_(?:PATH|FILE|DIR|URL|NAME)$", re.I)

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def secret_names(names: Iterable[str]) -> list[str]:
    """Those that are names of secrets: of environment variables, or of settings of a connection."""
    return sorted(name for name in names if _NAME.search(name) and not _NO_SECRET.search(name))


def remember(value: str) -> None:
    """Take a value out of all that is written from now on; one of a few characters cannot be."""
    global _pattern
    if len(value) < _SHORTEST or value in _known:
        return
    with _lock:
        _known.add(value)
        forms = {form for known in _known for form in _forms(known)}
        _pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


def remember_secrets(values: Mapping[str, Any]) -> None:
    """Remember the values of a mapping whose names are those of secrets, and the passwords of its URLs."""
    named = set(secret_names(map(str, values)))
    for name, value in values.items():
        if not isinstance(value, str):
            continue
        if name in named:
            remember(value)
        for password in _IN_URL.findall(value):
            remember(unquote(password))


def redact(text: str) -> str:
    """A text with stars in the place of every known secret."""
    return text if _pattern is None else _pattern.sub(STARS, text)


def redact_all(value: Any) -> Any:
    """Plain values, such as JSON is made of, with every text in them redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact_all(key): redact_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    return value


def _forms(value: str) -> set[str]:
    """A value as it stands, and as it stands in SQL, CSV, JSON, HTML and URLs."""
    in_sql = value.replace("\\", "\\\\").replace("'", "''")
    in_csv = value.replace('"', '""')
    return {value, in_sql, in_csv, json.dumps(value)[1:-1], html.escape(value), quote(value), quote(value, safe="")}


class RedactedStream:
    """A text stream that lets no known secret through.

    Args:
        stream: where the rest goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, redacted; the length that is given back is that of the text as it was."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
