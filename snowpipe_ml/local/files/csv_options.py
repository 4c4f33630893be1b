"""The values of options of delimited files: characters in their notations, and names of character sets."""

from __future__ import annotations

import re

from snowpipe_ml.local.core import errors

_HEX = re.compile(r"(?:0x|\\x)([0-9a-fA-F]{2})", re.I)
_OCTAL = re.compile(r"\\([0-7]{3})")
_NAMED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\b": "\b", "\\f": "\f", "\\0": "\0", "\\\\": "\\"}
_LONGEST = 20

# ENCODING -> Python's codec. https://docs.snowflake.com/en/sql-reference/sql/create-file-format
ENCODINGS = {
    "BIG5": "big5",
    "EUCJP": "euc_jp",
    "EUCKR": "euc_kr",
    "GB18030": "gb18030",
    "IBM424": "cp424",
    "IBM949": "cp949",
    "ISO2022JP": "iso2022_jp",
    "ISO2022KR": "iso2022_kr",
    **{f"ISO8859{part}": f"iso8859_{part}" for part in (1, 2, 5, 6, 7, 8, 9, 15)},
    "KOI8R": "koi8_r",
    "SHIFTJIS": "shift_jis",
    "UTF8": "utf-8",
    "UTF16": "utf-16",
    "UTF16BE": "utf-16-be",
    "UTF16LE": "utf-16-le",
    "UTF32": "utf-32",
    "UTF32BE": "utf-32-be",
    "UTF32LE": "utf-32-le",
    "WINDOWS874": "cp874",
    "WINDOWS949": "cp949",
    **{f"WINDOWS125{part}": f"cp125{part}" for part in range(7)},
}


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
    if name not in ENCODINGS:
        raise errors.UnsupportedError(f"ENCODING = {value!r} in a file format")
    return ENCODINGS[name]
