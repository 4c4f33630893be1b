"""Names of secrets: of environment variables, of connection settings and of variables of a spec."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

# The words of a name such as DB_PASSWORD, api-key or clientSecret.
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
        "authorization",
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
_UNCLEAR_WORDS = frozenset({"auth", "cookie", "cookies", "sas", "sig", "signature", "jwt"})  # as last words
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


def is_secret_name(name: str) -> bool:
    """Return whether an environment variable, setting or spec variable of this name holds a secret."""
    return is_clear(name) or is_unclear(name)


def is_clear(name: str) -> bool:
    """Return whether any value of this name is a secret."""
    words = _words(name)
    if any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words):
        return True
    if len(words) > 1 and words[-1] in _SHORT_WORDS:
        return words[-1] != "pass" or words[-2] not in _OF_PASSES
    return _has_key_of(words, _SECRET_KEYS)


def is_unclear(name: str) -> bool:
    """Return whether a value of this name is a secret if it also looks like a key."""
    words = _words(name)
    return _has_key_of(words, _UNCLEAR_KEYS) or (bool(words) and words[-1] in _UNCLEAR_WORDS)


def _words(name: str) -> list[str]:
    """The words of a name; an empty list if the name cannot be that of a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():  # a number at the end, as in PASSWORD_2
        words.pop()
    return [] if words and (words[-1] in _NO_SECRET or words[0] in _AMOUNTS) else words


def _has_key_of(words: list[str], owners: frozenset[str]) -> bool:
    return any(word in ("key", "keys") and before in owners for before, word in itertools.pairwise(words))


def looks_like_key(value: str) -> bool:
    """Return whether a value is long and neither a word nor a name of several words."""
    return len(value) >= _SHORTEST_KEY and not is_word(value)


def is_word(value: str) -> bool:
    """Return whether a value is a word or a name of several words, with small numbers."""
    return _WORDS_ONLY.fullmatch(value) is not None


def secret_names(names: Iterable[str]) -> list[str]:
    """Return the names that are names of secrets, sorted."""
    return sorted(name for name in names if is_secret_name(name))
