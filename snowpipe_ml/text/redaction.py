"""Redaction of secrets in all text that the package writes.

A secret is recognized by its name (of an environment variable, a connection setting or a variable
of the spec), as a :class:`~snowpipe_ml.sql.Secret`, or by its shape: a password in a URL, the
signature of a signed URL, the value of an Authorization header, a private key. It is replaced by
stars in errors, in the run metadata, in reports, in log records and in everything that the command prints,
in all forms of :mod:`snowpipe_ml.text.secret_forms`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO, overload

from snowpipe_ml.text.printable import visible
from snowpipe_ml.text.secret_forms import Matcher, Span, joined
from snowpipe_ml.text.secret_names import is_clear, is_unclear, is_word, looks_like_key
from snowpipe_ml.text.secret_shapes import passwords_of_urls, shape_spans, shaped_secrets

STARS = "******"
# A shorter value would match unrelated text by chance.
_SHORTEST = 6
# A tag, or the text between two tags. An attribute may contain the end of a tag.
_MARKUP_PART = re.compile(r"""<(?:[^<>"']|"[^"]*"|'[^']*')*>|[^<]+|<""")
# The attributes of a tag that are read to people, or that lead somewhere.
_LABEL = re.compile(
    r"""(?P<name>\s(?:aria-[a-z]+|data-[a-z-]+|title|alt|(?:xlink:)?href)=)(?P<quote>["'])(?P<value>.*?)(?P=quote)""",
    re.DOTALL,
)
_known: set[str] = set()
_matcher: Matcher | None = None
_lock = threading.Lock()
_masks_logs = False


def remember(value: str) -> None:
    """Redact a value, and each of its lines, from all text that is written from now on.

    What is too short is not redacted.
    """
    global _matcher
    lines = [line for line in map(str.strip, value.splitlines()) if not line.startswith("-----")]
    new = {text for text in (value, *lines) if len(text) >= _SHORTEST} - _known
    if new:
        with _lock:
            _known.update(new)
            _matcher = None  # made when it is needed
        mask_logs()


def remember_secrets(values: Mapping[str, object]) -> None:
    """Remember the values of a mapping that have names of secrets, and what in the others looks like a secret.

    Nested lists and mappings are searched too, and texts that are JSON; everything below the name of a secret is secret.
    """
    _remember_below(values, clear=False, unclear=False)


def remember_shapes(text: str) -> None:
    """Remember what in a text has the shape of a secret, since other texts may have it without that shape."""
    for part in shaped_secrets(text):
        remember(part)


def _remember_below(value: object, *, clear: bool, unclear: bool) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            name = str(name)
            _remember_below(item, clear=clear or is_clear(name), unclear=unclear or is_unclear(name))
    elif isinstance(value, list | tuple):
        for item in value:
            _remember_below(item, clear=clear, unclear=unclear)
    elif isinstance(value, str):
        if clear or (unclear and looks_like_key(value)):
            remember(value)
        for password in passwords_of_urls(value):
            remember(password)
        remember_shapes(value)
        if value.lstrip().startswith(("{", "[")):
            with contextlib.suppress(ValueError, RecursionError):  # no JSON
                _remember_below(json.loads(value), clear=False, unclear=False)
    elif clear and isinstance(value, int | float) and not isinstance(value, bool):
        remember(str(value))


def _current() -> Matcher:
    global _matcher
    matcher = _matcher
    if matcher is None:
        with _lock:
            matcher = _matcher = Matcher(_known)
    return matcher


def redact(text: str) -> str:
    """Replace every known secret in a text, and everything that has the shape of a secret, by stars."""
    return _starred(text, secret_spans(text))


def redact_name(name: str) -> str:
    """Replace the known secrets in a name, except words: ``DB_PASSWORD=sales`` must not hide a pipeline ``sales``."""
    return _starred(name, known_secrets(name))


def _starred(text: str, spans: Sequence[Span]) -> str:
    if not spans:
        return text
    made, at = [], 0
    for start, end in spans:
        made += [text[at:start], STARS]
        at = end
    return "".join([*made, text[at:]])


def secret_spans(text: str) -> list[Span]:
    """Return where a text has what :func:`redact` replaces, in order and without overlaps."""
    found = _current().spans(text) if _known else []
    shaped = shape_spans(text)
    return joined([*found, *shaped]) if shaped else found


def known_secrets(text: str) -> list[Span]:
    """Return where a text has known secrets that are no words, and so are not there by chance."""
    spans = _current().spans(text) if _known else []
    return [(start, end) for start, end in spans if not is_word(text[start:end].replace("-", "_"))]


def mask_logs() -> None:
    """Redact the message and the traceback of every log record that is made from now on, by any library."""
    global _masks_logs
    with _lock:
        if _masks_logs:
            return
        _masks_logs = True
    make = logging.getLogRecordFactory()

    def masked(*arguments: Any, **named: Any) -> logging.LogRecord:
        return _without_secrets(make(*arguments, **named))

    logging.setLogRecordFactory(masked)


def _without_secrets(record: logging.LogRecord) -> logging.LogRecord:
    try:
        message = record.getMessage()
    except Exception:
        return record  # logging reports it with the place of the call
    if (shown := redact(message)) != message:
        record.msg, record.args = shown, None
    if record.exc_info and record.exc_info[1] is not None:
        text = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
        if (shown := redact(text)) != text:
            record.exc_text = shown  # formatters use it instead of the exception
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    return record


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


@overload
def redact_all(value: Mapping[str, object], by: Callable[[str], str] = ...) -> dict[str, object]: ...
@overload
def redact_all(value: object, by: Callable[[str], str] = ...) -> object: ...
def redact_all(value: object, by: Callable[[str], str] = redact) -> object:
    """Redact every text in a JSON-like value, by :func:`redact` or :func:`redact_name`."""
    if isinstance(value, Markup):
        return redact_markup(value)
    if isinstance(value, str):
        return by(value)
    if isinstance(value, Mapping):
        return {redact_all(key, by): redact_all(item, by) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item, by) for item in value]
    # Stars inside a number would not be valid JSON, so a text of stars replaces the whole number.
    return STARS if isinstance(value, int | float) and by(str(value)) != str(value) else value


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
