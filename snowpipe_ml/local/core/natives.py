"""Functions that DuckDB cannot compute, in Python, under names ``sf_native_...`` for the macros.

They return NULL for an input that they cannot handle; the macro around the call raises Snowflake's error.
"""

from __future__ import annotations

import bz2
import hashlib
import ipaddress
import json
import re
import zlib
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import duckdb
import pyarrow as pa

from snowpipe_ml.local.core import number_formats
from snowpipe_ml.local.core.duck import Duck

_METHOD = re.compile(r"\s*(snappy|zlib|zstd|bz2)\s*(?:\(\s*(\d+)\s*\))?\s*\Z", re.I)


Values: TypeAlias = pa.ChunkedArray | pa.Array


@cache
def _functions() -> tuple[tuple[str, Callable[[Values, Values], pa.Array], tuple[str, str], str], ...]:
    """The functions by name, each with the types of its two parameters and of its result."""
    functions: tuple[tuple[str, Callable[..., bytes | str | None], tuple[str, str], str], ...] = (
        ("sf_native_sha2", _sha2, ("BLOB", "BIGINT"), "BLOB"),
        ("sf_native_compress", _compress, ("BLOB", "VARCHAR"), "BLOB"),
        ("sf_native_decompress", _decompress, ("BLOB", "VARCHAR"), "BLOB"),
        ("sf_native_write_number", number_formats.write, ("VARCHAR", "VARCHAR"), "VARCHAR"),
        ("sf_native_read_number", number_formats.read, ("VARCHAR", "VARCHAR"), "VARCHAR"),
        ("sf_native_ip", _parse_ip, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    )
    return tuple(
        (name, _of_vectors(function, pa.string() if result == "VARCHAR" else pa.binary()), parameters, result)
        for name, function, parameters, result in functions
    )


def register(duck: Duck) -> None:
    """Register the functions for all connections of an instance; each has two parameters."""
    for name, function, parameters, result in _functions():
        duck.create_function(
            name,
            function,
            [duckdb.sqltype(kind) for kind in parameters],
            duckdb.sqltype(result),
            pure=True,
        )


def _of_vectors(
    function: Callable[..., bytes | str | None], result: pa.DataType
) -> Callable[[Values, Values], pa.Array]:
    """Apply a function to two vectors; a NULL in a row is its result."""

    def call(left: Values, right: Values) -> pa.Array:
        rows = zip(left.to_pylist(), right.to_pylist(), strict=True)
        return pa.array([None if None in row else function(*row) for row in rows], result)

    return call


def _sha2(message: bytes, size: int) -> bytes | None:
    """Hash with SHA-2; DuckDB has SHA-256 only."""
    return hashlib.new(f"sha{size}", message).digest() if size in (224, 256, 384, 512) else None


def _method(text: str) -> tuple[str, int | None]:
    """Split ``zlib(9)`` into the method and its level; an empty method is unknown."""
    match = _METHOD.match(text)
    return (match.group(1).lower(), int(match.group(2) or 0) or None) if match else ("", None)


def _compress(value: bytes, how: str) -> bytes | None:
    method, level = _method(how)
    try:
        match method:
            case "zlib":
                return zlib.compress(value, level or -1)
            case "bz2":
                return bz2.compress(value, level or 9)
            case "snappy":
                return bytes(pa.Codec("snappy").compress(value))
            case "zstd":
                return bytes(pa.Codec("zstd", compression_level=level).compress(value))
    except (ValueError, zlib.error):  # the method has no such level
        pass
    return None


def _decompress(value: bytes, how: str) -> bytes | None:
    method, _ = _method(how)
    try:
        match method:
            case "zlib":
                return zlib.decompress(value)
            case "bz2":
                return bz2.decompress(value)
            case "snappy":
                return bytes(pa.Codec("snappy").decompress(value, _snappy_length(value)))
            case "zstd":
                with pa.CompressedInputStream(pa.BufferReader(value), "zstd") as stream:
                    return bytes(stream.read())
    except (OSError, ValueError, IndexError, zlib.error):  # it was not compressed by this method
        pass
    return None


def _snappy_length(value: bytes) -> int:
    """Read the length of the decompressed data, which a Snappy block begins with, in groups of seven bits."""
    length = 0
    for position in range(5):
        length |= (value[position] & 0x7F) << (7 * position)
        if value[position] < 0x80:
            return length
    raise ValueError("this is no Snappy block")


def _parse_ip(text: str, kind: str) -> str | None:
    """Describe an address or a network, as PARSE_IP does, in JSON."""
    host, slash, length = text.partition("/")
    try:
        address = ipaddress.ip_address(host)
        network = ipaddress.ip_network(text, strict=False) if slash else None
    except ValueError:
        return None
    if slash and not length.isdecimal():
        return None
    whole = int(address)
    parts: dict[str, object] = {
        "family": address.version,
        "host": host,
        "ip_type": kind.lower(),
        "snowflake$type": "ip_address",
    }
    if address.version == 4:
        parts |= {"ip_fields": [whole, 0, 0, 0], "ipv4": whole}
    else:
        fields = [whole >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]
        parts |= {"ip_fields": fields, "hex_ipv6": f"{whole:032X}"}
    if network is not None:
        first, last = int(network.network_address), int(network.broadcast_address)
        parts["netmask_prefix_length"] = network.prefixlen
        if address.version == 4:
            parts |= {"ipv4_range_start": first, "ipv4_range_end": last}
        else:
            parts |= {"hex_ipv6_range_start": f"{first:032X}", "hex_ipv6_range_end": f"{last:032X}"}
    return json.dumps(parts)
