"""Redaction of secrets in all text that the package writes.

A secret is recognized by its name (of an environment variable, a connection setting or a variable
of the spec), as a :class:`~snowpipe_ml.sql.Secret`, or by its shape: a password in a URL, the
signature of a signed URL, the value of an Authorization header, a private key. It is replaced by
stars in errors, in the run metadata, in reports and in everything that the command prints.
"""

from __future__ import annotations

import html
import itertools
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, overload
from urllib.parse import quote, unquote

from snowpipe_ml.text.printable import visible

STARS = "******"
# A shorter value would match unrelated text by chance.
_SHORTEST = 6
# A password in a URL ends at the last @ before the path. If the password contains a slash, the @
# follows the slash, and the password must not be mistaken for a port and a path. A bracket starts
# an IPv6 address. All lengths are bounded, since the text may be hostile.
_USER = r"[^/\s:@'\"<>\[]{0,200}"
_TO_AT = r"(?:[^/?#\s'\"<>]{1,500}|(?!\d{1,5}[/?#,;])[^\s@'\"<>]{1,200})(?=@)"
_IN_URL = re.compile(rf"://{_USER}:({_TO_AT})")
# The words of a name such as DB_PASSWORD, api-key or clientSecret.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# A tag, or the text between two tags. An attribute may contain the end of a tag.
_MARKUP_PART = re.compile(r"""<(?:[^<>"']|"[^"]*"|'[^']*')*>|[^<]+|<""")
# The attributes of a tag that are read to people, or that lead somewhere.
_LABEL = re.compile(
    r"""(?P<name>\s(?:aria-[a-z]+|data-[a-z-]+|title|alt|(?:xlink:)?href)=)(?P<quote>["'])(?P<value>.*?)(?P=quote)""",
    re.DOTALL,
)
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
_SHORT_WORDS = frozenset({"pwd", "pat", "pass"})  # only after another word: PWD alone is a folder
# Before "pass", these words mean a filter or an iteration over the data, not a password.
_OF_PASSES = frozenset(
    {
        "low",
        "high",
        "band",
        "all",
        "by",
        "first",
        "second",
        "third",
        "last",
        "final",
        "next",
        "one",
        "two",
        "three",
        "single",
        "multi",
        "forward",
        "backward",
        "each",
        "per",
    }
)
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey")  # as in PGPASSWORD
# "Key" after one of these words is a secret; other keys are those of rows and mappings.
_SECRET_KEYS = frozenset({"api", "private", "secret", "encryption", "signing"})
# "Key" after one of these words is a secret of a cloud service or an ordinary column name: the value decides.
_UNCLEAR_KEYS = frozenset({"account", "storage", "access", "master"})
_SHORTEST_KEY = 16
# Words and small numbers, like the names of columns and tables.
_WORDS_ONLY = re.compile(r"(?:[A-Za-z]*\d{0,4}(?:[_.$]|\Z))+")
# Last words of names that are not secrets: the secret is in a file, or the value only describes it.
_NO_SECRET = frozenset(
    {
        "path",
        "file",
        "dir",
        "folder",
        "url",
        "uri",
        "name",
        "names",
        "type",
        "kind",
        "id",
        "ids",
        "ttl",
        "count",
        "length",
        "provider",
        "column",
        "columns",
        "col",
        "cols",
        "field",
        "table",
        "tables",
        "view",
        "stage",
        "schema",
        "database",
        "warehouse",
        "role",
        "user",
        "host",
        "port",
        "limit",
        "limits",
        "policy",
        "header",
        "size",
        "sizes",
        "width",
        "format",
        "pattern",
        "regex",
        "prefix",
        "suffix",
        "separator",
        "delimiter",
        "mode",
        "level",
        "version",
        "index",
        "enabled",
        "required",
        "day",
        "days",
        "hours",
        "minutes",
        "seconds",
        "date",
        "age",
        "expiry",
        "lifetime",
        "timeout",
        "interval",
        "rotation",
        "rate",
        "ratio",
        "budget",
        "total",
        "min",
        "max",
    }
)
_AMOUNTS = frozenset({"max", "min", "num"})  # first words of names that are not secrets, such as max_token

# URL parameters: those of Azure's, Amazon's and Google's signed URLs, and common names of API keys.
_PARAMETERS = (
    r"sig|signature|token|access_token|refresh_token|id_token|auth_token|sas_token|api_?key|client_secret|secret|password|"
    r"passwd|pwd|awsaccesskeyid|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)"
)
# Settings of connection strings and of SQL. A name after a dot is a column.
_SETTINGS = r"password|passwd|pwd|passphrase|accountkey|sharedaccesskey|client_?secret|aws_secret_key|secret_?access_?key|api_?key"
_HEADERS = r"(?:x-)?api-key|(?:x-(?:auth|access|vault)|private)-token"
# A match must not extend past the end of a string in JSON or CSV: unquoted values have no quote,
# backslash or comma.
_SHAPES = re.compile(
    rf"(?P<user>\b[a-z][a-z0-9+.-]{{1,30}}://{_USER}:){_TO_AT}"
    rf"|(?P<parameter>(?:[?&;]|&amp;|\\u0026)(?:{_PARAMETERS})=)[^&\s'\"<>#\\;)]+"
    rf"|(?P<setting>(?<![\w.$])(?:{_SETTINGS})=(?:\\?['\"])?)"
    r"(?:(?<=')[^'\"\\\n]{1,500}|(?!\{\{)[^\s;&'\"<>,:)}\]\\][^\s;&'\"<>,)\\]{3,500})"
    rf"|(?P<api>\b(?:{_HEADERS})['\"]?\s{{0,9}}[:=]\s{{0,9}}['\"]?)(?!\d+\b)[A-Za-z0-9._~+/=-]{{6,500}}"
    r"|(?P<header>\bauthorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]+"
    r"|(?P<bearer>\bbearer\s+)(?=[A-Za-z0-9._~+/-]{0,40}[0-9._])[A-Za-z0-9._~+/-]{12,}=*"
    r"|(?P<key>-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?!\*)[^\"'<>]*?"
    r"(?P<end>-----END [A-Z ]{0,40}PRIVATE KEY-----|(?=[\"'<>])|\Z)",
    re.I,
)
_LEADS = ("user", "parameter", "setting", "api", "header", "bearer", "key")
# Every text that matches one of the shapes contains one of these.
_MARKS = ("://", "=", "earer", "asic", "PRIVATE KEY", "pi-", "PI-", "oken", "OKEN")

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def is_secret_name(name: str) -> bool:
    """Return whether an environment variable, setting or spec variable of this name holds a secret."""
    return _is_clear(name) or _is_unclear(name)


def _is_clear(name: str) -> bool:
    """Return whether any value of this name is a secret."""
    words = _words(name)
    if any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words):
        return True
    if len(words) > 1 and words[-1] in _SHORT_WORDS:
        return words[-1] != "pass" or words[-2] not in _OF_PASSES
    return _has_key_of(words, _SECRET_KEYS)


def _is_unclear(name: str) -> bool:
    """Return whether a value of this name is a secret if it also looks like a key."""
    return _has_key_of(_words(name), _UNCLEAR_KEYS)


def _words(name: str) -> list[str]:
    """The words of a name; an empty list if the name cannot be that of a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():  # a number at the end, as in PASSWORD_2
        words.pop()
    return [] if words and (words[-1] in _NO_SECRET or words[0] in _AMOUNTS) else words


def _has_key_of(words: list[str], owners: frozenset[str]) -> bool:
    return any(word in ("key", "keys") and before in owners for before, word in itertools.pairwise(words))


def _looks_like_key(value: str) -> bool:
    return len(value) >= _SHORTEST_KEY and not _WORDS_ONLY.fullmatch(value)


def secret_names(names: Iterable[str]) -> list[str]:
    """Return the names that are names of secrets, sorted."""
    return sorted(name for name in names if is_secret_name(name))


def remember(value: str) -> None:
    """Redact a value from all text that is written from now on, unless it is too short to be redacted."""
    global _pattern
    if len(value) < _SHORTEST or value in _known:
        return
    with _lock:
        _known.add(value)
        forms = {form for known in _known for form in _forms(known)}
        _pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


def remember_secrets(values: Mapping[str, object]) -> None:
    """Remember the values of a mapping that have names of secrets, and the passwords in its URLs.

    Nested lists and mappings are searched too; everything below the name of a secret is secret.
    """
    _remember_below(values, clear=False, unclear=False)


def _remember_below(value: object, *, clear: bool, unclear: bool) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            name = str(name)
            _remember_below(item, clear=clear or _is_clear(name), unclear=unclear or _is_unclear(name))
    elif isinstance(value, list | tuple):
        for item in value:
            _remember_below(item, clear=clear, unclear=unclear)
    elif isinstance(value, str):
        if clear or (unclear and _looks_like_key(value)):
            remember(value)
            for line in value.splitlines():
                remember(line.strip())
        for password in _IN_URL.findall(value):
            remember(unquote(password))
    elif clear and isinstance(value, int | float) and not isinstance(value, bool):
        remember(str(value))


def redact(text: str) -> str:
    """Replace every known secret in a text, and everything that has the shape of a secret, by stars."""
    if _pattern is not None:
        text = _pattern.sub(STARS, text)
    return _SHAPES.sub(_masked, text) if any(mark in text for mark in _MARKS) else text


class Markup(str):
    """Text in XML, such as an SVG image: only what it shows is redacted, not the names of its language."""

    __slots__ = ()


def redact_markup(text: str) -> str:
    """Redact the text and the labels in XML.

    Tags and all other attributes stay as they are. A secret can be a word of the language, such as ``hidden``
    in SVG, and stars in its place would break the image.
    """
    return _MARKUP_PART.sub(
        lambda part: _LABEL.sub(_redacted_label, part[0]) if part[0].startswith("<") else redact(part[0]),
        text,
    )


def _redacted_label(match: re.Match[str]) -> str:
    return f"{match['name']}{match['quote']}{redact(match['value'])}{match['quote']}"


def _masked(match: re.Match[str]) -> str:
    lead = next(match[name] for name in _LEADS if match[name] is not None)
    return f"{lead}{STARS}{match['end'] or ''}"


@overload
def redact_all(value: Mapping[str, object]) -> dict[str, object]: ...
@overload
def redact_all(value: object) -> object: ...
def redact_all(value: object) -> object:
    """Redact every text in a JSON-like value."""
    if isinstance(value, Markup):
        return redact_markup(value)
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact_all(key): redact_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    # Stars inside a number would not be valid JSON, so a text of stars replaces the whole number.
    return STARS if isinstance(value, int | float) and redact(str(value)) != str(value) else value


def _forms(value: str) -> set[str]:
    """A value as it is, and as it is written in SQL, CSV, JSON, HTML, URLs and on a terminal."""
    in_sql = value.replace("\\", "\\\\").replace("'", "''")
    in_csv = value.replace('"', '""')
    forms = {
        value,
        in_sql,
        in_csv,
        json.dumps(value)[1:-1],
        html.escape(value),
        quote(value),
        quote(value, safe=""),
    }
    return forms | {visible(value)}


class RedactedStream:
    """A text stream that redacts secrets and escapes characters that would control a terminal.

    Args:
        stream: the stream to write to.
        exact: redact secrets, but do not escape anything.
    """

    def __init__(self, stream: TextIO, *, exact: bool = False) -> None:
        self._stream = stream
        self._exact = exact

    def exact(self) -> RedactedStream:
        """The same stream without escaping: for data files, and for rich, whose styles are control codes."""
        return RedactedStream(self._stream, exact=True)

    def write(self, text: str) -> int:
        """Write a text, redacted and escaped; return the length of the original text."""
        shown = redact(text)
        self._stream.write(shown if self._exact else visible(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
