"""The values of options of delimited files: characters in their notations, and names of character sets."""

from __future__ import annotations

import re

from snowpipe_ml.local.core import errors
from snowpipe_ml.text.encodings import CODECS

_HEX = re.compile(r"(?:0x|\\x)([0-9a-fA-F]{2})", re.I)
_OCTAL = re.compile(r"\\([0-7]{3})")
_NAMED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\b": "\b", "\\f": "\f", "\\0": "\0", "\\\\": "\\"}
_LONGEST = 20


def characters(option: str, value: object, default: str, *, single: bool = False) -> str:
    r"""Return a delimiter, quote or escape character; an empty text for NONE.

    Hexadecimal (``0x5e``, ``\xC2\xA2``) and octal (``\136``) notations are resolved.

    Raises:
        ProgrammingError: the text is too long.
    """
    if value is None or (isinstance(value, str) and value.upper() == "NONE"):
        return ""
    text = str(value)
    if re.fullmatch(rf"(?:{_HEX.pattern})+", text, re.I):
        try:
            text = bytes(int(digits, 16) for digits in _HEX.findall(text)).decode()
        except UnicodeDecodeError as error:
            raise errors.syntax(
                f"invalid value {text!r} for {option}: it is not a UTF-8 character"
            ) from error
    elif re.fullmatch(rf"(?:{_OCTAL.pattern})+", text):
        text = bytes(int(digits, 8) for digits in _OCTAL.findall(text)).decode("latin-1")
    else:
        text = re.sub(r"\\[tnrbf0\\]", lambda match: _NAMED[match.group()], text)
    if len(text) > (1 if single else _LONGEST):
        raise errors.syntax(
            f"invalid value {value!r} for {option}: it takes one character"
            if single
            else f"invalid value {value!r} for {option}: it has more than {_LONGEST} characters"
        )
    return text or default


def codec(value: object) -> str:
    """Return Python's codec for an ENCODING.

    Raises:
        UnsupportedError: Python has no codec for it, or Snowflake does not know it.
    """
    name = re.sub(r"[^A-Z0-9]", "", str(value or "UTF8").upper())
    if name not in CODECS:
        raise errors.UnsupportedError(f"ENCODING = {value!r} in a file format")
    return CODECS[name]
