"""Avro files for tests, written as the specification says.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

_SYNC = bytes(range(16))


def avro_file(
    schema: dict[str, Any], rows: Sequence[dict[str, Any]], codec: str = "null", block: int = 2
) -> bytes:
    """Return a file of records, with ``block`` of them in each block."""
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    entries = b"".join(_bytes(key.encode()) + _bytes(value) for key, value in meta.items())
    made = b"Obj\x01" + _long(len(meta)) + entries + _long(0) + _SYNC
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        content = b"".join(encoded(schema, row) for row in part)
        if codec == "deflate":
            packer = zlib.compressobj(wbits=-15)
            content = packer.compress(content) + packer.flush()
        made += _long(len(part)) + _bytes(content) + _SYNC
    return made


def encoded(schema: Any, value: Any) -> bytes:
    """Return a value of a schema as Avro writes it."""
    if isinstance(schema, list):
        place = (
            schema.index("null") if value is None else next(n for n, of in enumerate(schema) if of != "null")
        )
        return _long(place) + encoded(schema[place], value)
    kind = schema if isinstance(schema, str) else schema["type"]
    match kind:
        case "null":
            return b""
        case "boolean":
            return bytes([value])
        case "int" | "long":
            return _long(value)
        case "double":
            return struct.pack("<d", value)
        case "string":
            return _bytes(value.encode())
        case "enum":
            return _long(schema["symbols"].index(value))
        case "array":
            # A block may give its size in bytes after a negative count.
            content = b"".join(encoded(schema["items"], item) for item in value)
            return (_long(-len(value)) + _long(len(content)) + content if value else b"") + _long(0)
        case "map":
            content = b"".join(_bytes(k.encode()) + encoded(schema["values"], v) for k, v in value.items())
            return (_long(len(value)) + content if value else b"") + _long(0)
        case "record":
            return b"".join(encoded(field["type"], value[field["name"]]) for field in schema["fields"])
    raise ValueError(kind)


def _long(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    made = bytearray()
    while rest >= 0x80:
        made.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*made, rest])


def _bytes(content: bytes) -> bytes:
    return _long(len(content)) + content
