"""Shapes of secrets: a password in a URL, a signature, a header, a private key. They show a secret that nobody has named."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from snowpipe_ml.text.secret_forms import Span
from snowpipe_ml.text.secret_names import is_word

# What is longer in a header is a token, and elsewhere no word.
_SHORTEST_TOKEN, _LONGEST_WORD = 16, 64
# A password in a URL ends at the last @ before the path. If the password contains a slash, the @
# follows the slash, and the password must not be mistaken for a port and a path. A bracket starts
# an IPv6 address. All lengths are bounded, since the text may be hostile.
_USER = r"[^/\s:@'\"<>\[]{0,200}"
_TO_AT = r"(?:[^/?#\s'\"<>]{1,500}|(?!\d{1,5}[/?#,;])[^\s@'\"<>]{1,200})(?=@)"
_IN_URL = rf"://{_USER}:({_TO_AT})"
# URL parameters: those of Azure's, Amazon's and Google's signed URLs, and common names of API keys.
_PARAMETERS = (
    r"sig|signature|token|access_token|refresh_token|id_token|auth_token|sas_token|api_?key|client_secret|secret|password|"
    r"passwd|pwd|awsaccesskeyid|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)"
)
# Settings of connection strings, of SQL and of shells, such as DB_PASSWORD. A name after a dot is a column.
_SETTINGS = (
    r"(?<![\w.$])(?:[a-z0-9]{1,20}_){0,4}(?:password|passwd|pwd|passphrase|accountkey|sharedaccesskey|client_?secret|"
    r"secret_(?:key|string)|secret_?access_?key|(?:aws|access|auth|refresh|sas|session)_token|api_?key)"
)
_HEADERS = r"(?:x-)?api-key|(?:x-(?:auth|access|vault)|private)-token"
_AUTHORIZATION = r"\bauthorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?"
_IN_COOKIE = re.compile(r"=([^;\s]+)")


@dataclass(frozen=True)
class _Shape:
    """A shape.

    Attributes:
        kind: its name.
        marks: every text with the shape contains one of these, in lowercase.
        expression: the group ``lead`` is before the secret, the group ``end``, if there is one, after it.
    """

    kind: str
    marks: tuple[str, ...]
    expression: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled expression; most processes need few of them, and compiling all takes 20 ms."""
        return re.compile(self.expression, re.I)


def _shape(kind: str, marks: str, lead: str, secret: str) -> _Shape:
    return _Shape(kind, tuple(marks.split()), f"(?P<lead>{lead}){secret}")


_WORDS_OF_SETTINGS = "passw passp pwd key secret token"
# A match must not extend past the end of a string in JSON or CSV: unquoted values have no quote,
# backslash or comma.
_SHAPES = (
    _shape("user", "://", rf"\b[a-z][a-z0-9+.-]{{1,30}}://{_USER}:", _TO_AT),
    _shape(
        "parameter", "=", rf"(?:[?&;]|&amp;|\\u0026|#(?=access_))(?:{_PARAMETERS})=", r"[^&\s'\"<>#\\;)]+"
    ),
    _shape(
        "literal",
        _WORDS_OF_SETTINGS,
        rf"{_SETTINGS}(?:\s{{1,3}}=\s{{0,3}}|=\s{{1,3}})'",
        r"(?!\{\{)[^'\\\n]{1,500}",
    ),
    _shape(
        "setting",
        _WORDS_OF_SETTINGS,
        rf"{_SETTINGS}=(?:\\?['\"])?",
        r"(?:(?<=')[^'\"\\\n]{1,500}|(?!\{\{)[^\s;&'\"<>,:)}\]\\][^\s;&'\"<>,)\\]{3,500})",
    ),
    _shape(
        "api",
        "-key -token",
        rf"\b(?:{_HEADERS})['\"]?\s{{0,9}}[:=]\s{{0,9}}['\"]?",
        r"(?!\d+\b)[A-Za-z0-9._~+/=-]{6,500}",
    ),
    _shape("header", "authorization", rf"{_AUTHORIZATION}(?:bearer|basic)\s+", r"[A-Za-z0-9._~+/=-]+"),
    _shape(
        "scheme",
        "authorization",
        rf"{_AUTHORIZATION}[a-z][a-z0-9-]{{1,30}}\s+(?:token=\\?['\"])?",
        r"(?=\S{0,80}\d)[A-Za-z0-9._~+/=:-]{6,}",
    ),
    _shape("hex", "signature=", r"\bsignature=", r"[0-9a-f]{16,}"),
    _shape(
        "cookie",
        "cookie",
        r"\bcookie['\"]?\s{0,9}:\s{0,9}['\"]?",
        r"(?=[\w.-]{1,80}=)[^\r\n'\"<>\\]{6,2000}",
    ),
    _shape(
        "token",
        "gho_ ghp_ ghr_ ghs_ ghu_ github_pat_ glpat- xox sk- sk_",
        r"\b(?:gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|sk[-_](?:ant|live|proj|test)[-_])",
        r"[A-Za-z0-9_.-]{16,}",
    ),
    _shape("token", "eyj", r"\beyJ", r"[A-Za-z0-9_-]{8,500}+\.eyJ[A-Za-z0-9_.-]{8,}"),
    _shape(
        "bearer",
        "bearer",
        r"\bbearer\s+",
        r"(?=[A-Za-z0-9._~+/-]{0,40}[0-9._])[A-Za-z0-9._~+/-]{12,}=*",
    ),
    _shape(
        "key",
        "-----begin",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----",
        r"(?!\*)[^\"'<>]*?(?P<end>-----END [A-Z ]{0,40}PRIVATE KEY-----|(?=[\"'<>])|\Z)",
    ),
)


# Every text with one of the shapes has one of these; most short texts have none.
_MARK = re.compile(r"[-=:_]|[Bb][Ee][Aa][Rr][Ee][Rr]|[Ee][Yy][Jj]")


def passwords_of_urls(text: str) -> list[str]:
    """Return the decoded passwords in the URLs of a text."""
    return [unquote(password) for password in re.findall(_IN_URL, text)]


def shape_spans(text: str) -> list[Span]:
    """Return where a text has something of the shape of a secret, in any order."""
    return [span for _, _, span in _found(text)]


def shaped_secrets(text: str) -> Iterator[str]:
    """Yield what in a text has the shape of a secret, as it is and decoded.

    Words are left out, as in ``?token=monday``: only their shape hides them.
    """
    for kind, lead, (start, end) in _found(text):
        yield from _parts(kind, lead, text[start:end])


def _found(text: str) -> Iterator[tuple[str, str, Span]]:
    """Yield each match as its kind, what is before the secret, and the place of the secret."""
    if not _MARK.search(text):
        return
    lower = text.lower()
    for shape in _SHAPES:
        if not any(mark in lower for mark in shape.marks):
            continue
        for match in shape.pattern.finditer(text):
            end = match.start("end") if shape.kind == "key" else match.end()
            yield shape.kind, match["lead"], (match.end("lead"), end)


def _parts(kind: str, lead: str, value: str) -> Iterator[str]:
    if kind == "key":
        yield value
        return
    texts = {value, unquote(value)}
    if kind == "cookie":
        texts = set(_IN_COOKIE.findall(value))
    elif kind == "token":
        texts = {lead + value}
    elif kind == "header" and lead.rstrip().lower().endswith("basic"):
        with contextlib.suppress(ValueError):  # no base64 of a user and a password
            texts.add(base64.b64decode(value).decode().partition(":")[2])
    long = _SHORTEST_TOKEN if kind in ("header", "scheme", "bearer") else _LONGEST_WORD
    yield from (text for text in texts if len(text) >= long or not is_word(text))
