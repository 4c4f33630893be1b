"""SEARCH and SEARCH_IP, and FORMAT_STRING_TEMPLATE.

https://docs.snowflake.com/en/sql-reference/functions/search
"""

from __future__ import annotations

import ipaddress
import re
import string
from decimal import Decimal
from typing import Any

from snowpipe_ml.local.core.calls import CalledError, row_function, unsupported

# The delimiters of the default analyzer.
_DELIMITERS = " []<>(){}|!,'\"*&?+/:=@.-$%\\_\n\r\t;"
_SEPARATOR = "[" + re.escape(_DELIMITERS) + "]"
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*[0-9A-Fa-f:]")


def _tokens(text: str) -> list[str]:
    return [token for token in re.split(f"{_SEPARATOR}+", text.lower()) if token]


def _found(text: str, wanted: str, mode: str) -> bool:
    tokens, terms = _tokens(text), _tokens(wanted)
    if mode == "OR":
        return bool(set(tokens) & set(terms))
    if mode == "AND":
        return bool(terms) and set(terms) <= set(tokens)
    if mode == "PHRASE":
        size = len(terms)
        return bool(terms) and any(
            tokens[start : start + size] == terms for start in range(len(tokens) - size + 1)
        )
    before = "" if wanted[:1] in _DELIMITERS else f"(?:^|{_SEPARATOR})"
    after = "" if wanted[-1:] in _DELIMITERS else f"(?:$|{_SEPARATOR})"
    return re.search(f"{before}{re.escape(wanted.lower())}{after}", text.lower()) is not None


@row_function("search", returns="truth", nulls=True)
def search(texts: list[str | None] | None, wanted: str | None, analyzer: str, mode: str) -> bool | None:
    """Return whether one of the texts has the terms."""
    if wanted is None or texts is None or all(text is None for text in texts):
        return None
    if mode not in ("OR", "AND", "PHRASE", "EXACT"):
        raise CalledError(-1, "22023", f"SEARCH_MODE is OR, AND, PHRASE or EXACT, not {mode}")
    if analyzer == "NO_OP_ANALYZER":
        return wanted in texts
    if analyzer != "DEFAULT_ANALYZER":
        raise unsupported(f"SEARCH with the analyzer {analyzer}")
    return any(_found(text, wanted, mode) for text in texts if text is not None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; the parts of an IPv4 address may have leading zeros."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", text):
        text = ".".join(str(int(part)) for part in text.split("."))
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@row_function("search_ip", returns="truth", nulls=True)
def search_ip(texts: list[str | None] | None, wanted: str | None) -> bool | None:
    """Return whether one of the texts has an address, or one of a network."""
    if wanted is None or texts is None or all(text is None for text in texts):
        return None
    host, slash, length = wanted.partition("/")
    address = _address(host)
    if address is None or (slash and not length.isdecimal()):
        raise CalledError(-1, "22023", f"'{wanted}' is no valid IP address")
    network = ipaddress.ip_network(f"{address}/{length}" if slash else str(address), strict=False)
    for text in texts:
        for candidate in _ADDRESS.findall(text or ""):
            found = _address(candidate)
            if found is not None and found.version == network.version and found in network:
                return True
    return False


@row_function("format_template", returns="text")
def format_template(template: str, kinds: str, *values: Any) -> str:
    """Fill the placeholders of a template, in order.

    Args:
        template: the text, with placeholders such as ``{}`` and ``{:.2f}``.
        kinds: a letter for each value: I a whole number, N another number, T a text.
        values: the values.
    """
    made, used = [], 0
    try:
        for text, field, specification, conversion in string.Formatter().parse(template):
            made.append(text)
            if field is None:
                continue
            if field or conversion or "L" in (specification or "") or "{" in (specification or ""):
                raise ValueError(f"the placeholder {{{field}:{specification}}}")
            if used == len(values):
                raise ValueError("fewer values than placeholders")
            value, kind = values[used], kinds[used]
            if kind == "I":
                value = int(value)
            elif kind == "N" and isinstance(value, Decimal) and not (specification or "").endswith("f"):
                value = float(value)
            made.append(format(value, specification or ""))
            used += 1
        if used < len(values):
            raise ValueError("more values than placeholders")
    except (ValueError, IndexError) as wrong:
        raise CalledError(-1, "22023", f"the template '{template}' cannot be filled: {wrong}") from wrong
    return "".join(made)
