"""Values that must not be seen, taken out of all text that is written.

A secret is known by its name (an environment variable, a setting of a connection, a variable of the spec), or as a
:class:`~snowpipe_ml.sql.Secret`, or by its shape: a password in a URL, the signature of a signed URL, the value of an
Authorization header, a private key. It becomes stars in errors, in the records of runs, in reports and in whatever the
command prints.
"""

from __future__ import annotations

import html
import itertools
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO
from urllib.parse import quote, unquote

from snowpipe_ml.visible import visible

STARS = "******"
# A shorter one would be found by chance in text that has nothing to do with it.
_SHORTEST = 6
_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
# The words of a name: of DB_PASSWORD, api-key and clientSecret.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "secret",
        "secrets",
        "token",
        "credential",
        "credentials",
        "apikey",
    }
)
_SHORT_WORDS = frozenset({"pwd", "pat", "pass"})  # behind another word: PWD alone is a folder
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey")  # as in PGPASSWORD
# A key of these is a secret; others are keys of rows and of mappings.
_SECRET_KEYS = frozenset(
    {"api", "access", "private", "secret", "account", "storage", "encryption", "signing", "master"}
)
# What stands behind: the secret is in a file, or this only describes it.
_NO_SECRET = frozenset(
    {"path", "file", "dir", "url", "uri", "name", "type", "id", "ttl", "count", "length", "provider"}
)

# Parameters of URLs: of Azure's, Amazon's and Google's signed URLs, and those that services call their keys.
_PARAMETERS = (
    r"sig|signature|token|access_token|refresh_token|id_token|auth_token|sas_token|api_?key|client_secret|secret|password|"
    r"passwd|pwd|awsaccesskeyid|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)"
)
# All lengths that could be scanned again and again are bounded: texts may be hostile.
_SHAPES = re.compile(
    r"(?P<user>\b[a-z][a-z0-9+.-]{1,30}://[^/\s:@'\"<>]{0,200}:)[^/\s@'\"<>]+(?=@)"
    rf"|(?P<parameter>(?:[?&;]|&amp;|\\u0026)(?:{_PARAMETERS})=)[^&\s'\"<>#\\;)]+"
    r"|(?P<header>\bauthorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]+"
    r"|(?P<bearer>\bbearer\s+)(?=[A-Za-z0-9._~+/-]{0,40}[0-9._])[A-Za-z0-9._~+/-]{12,}=*"
    r"|(?P<key>-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?!\*)[^\"'<>]*?"
    r"(?P<end>-----END [A-Z ]{0,40}PRIVATE KEY-----|(?=[\"'<>])|\Z)",
    re.I,
)
_MARKS = ("://", "=", "earer", "asic", "PRIVATE KEY")  # one of them is in every text that has such a shape

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def is_secret_name(name: str) -> bool:
    """Whether a name is that of a secret: an environment variable's, a setting's, or a variable's of a spec."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _NO_SECRET:
        return False
    if any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words):
        return True
    if len(words) > 1 and words[-1] in _SHORT_WORDS:
        return True
    return any(word in ("key", "keys") and before in _SECRET_KEYS for before, word in itertools.pairwise(words))


def secret_names(names: Iterable[str]) -> list[str]:
    """Those that are names of secrets."""
    return sorted(name for name in names if is_secret_name(name))


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
    """Remember the values of a mapping whose names are those of secrets, and the passwords of its URLs.

    Lists and mappings inside are looked through; whatever stands below a secret's name is secret.
    """
    for name, value in values.items():
        _remember_below(value, is_secret_name(str(name)))


def _remember_below(value: Any, secret: bool) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _remember_below(item, secret or is_secret_name(str(name)))
    elif isinstance(value, list | tuple):
        for item in value:
            _remember_below(item, secret)
    elif isinstance(value, str):
        if secret:
            remember(value)
            for line in value.splitlines():
                remember(line.strip())
        for password in _IN_URL.findall(value):
            remember(unquote(password))
    elif secret and isinstance(value, int | float) and not isinstance(value, bool):
        remember(str(value))


def redact(text: str) -> str:
    """A text with stars in the place of every known secret, and of whatever has the shape of one."""
    if _pattern is not None:
        text = _pattern.sub(STARS, text)
    return _SHAPES.sub(_masked, text) if any(mark in text for mark in _MARKS) else text


def _masked(match: re.Match[str]) -> str:
    lead = next(match[name] for name in ("user", "parameter", "header", "bearer", "key") if match[name] is not None)
    return f"{lead}{STARS}{match['end'] or ''}"


def redact_all(value: Any) -> Any:
    """Plain values, such as JSON is made of, with every text in them redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact_all(key): redact_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    # A number has no text of its own in JSON, where stars could take its place.
    return STARS if isinstance(value, int | float) and str(value) in _known else value


def _forms(value: str) -> set[str]:
    """A value as it stands, and as it stands in SQL, CSV, JSON, HTML, URLs and on a terminal."""
    in_sql = value.replace("\\", "\\\\").replace("'", "''")
    in_csv = value.replace('"', '""')
    forms = {value, in_sql, in_csv, json.dumps(value)[1:-1], html.escape(value), quote(value), quote(value, safe="")}
    return forms | {visible(value)}


class RedactedStream:
    """A text stream that lets no known secret through, and no character that steers a terminal.

    Args:
        stream: where the rest goes.
        exact: write all but the secrets as it is.
    """

    def __init__(self, stream: TextIO, *, exact: bool = False) -> None:
        self._stream = stream
        self._exact = exact

    def exact(self) -> RedactedStream:
        """The same stream for rich, whose styles are control characters, and for files of data."""
        return RedactedStream(self._stream, exact=True)

    def write(self, text: str) -> int:
        """Write a text, redacted and escaped; the length that is given back is that of the text as it was."""
        shown = redact(text)
        self._stream.write(shown if self._exact else visible(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
