"""Read object container files of Apache Avro as Arrow tables.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import IO, Any, NamedTuple, TypeAlias

import pyarrow as pa

from snowpipe_ml.local.core import errors

_MAGIC = b"Obj\x01"
_SYNC = 16
Decoder: TypeAlias = Callable[[IO[bytes]], Any]


class _Type(NamedTuple):
    """A type of a schema: how its values are read, and their type in Arrow."""

    decode: Decoder
    arrow: pa.DataType


def read_avro(file: IO[bytes], name: str) -> pa.Table:
    """Read a file whose records are the rows of a table.

    Args:
        file: the content, decompressed.
        name: the name of the file, for errors.

    Raises:
        ProgrammingError: it is no Avro file, or it is damaged.
        UnsupportedError: its schema has a type that Snowflake may read in another way.
    """
    try:
        return _read(file)
    except (
        EOFError,
        IndexError,
        ValueError,
        KeyError,
        OSError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
    ) as raised:
        raise errors.error(
            100069, "22P02", f"Error parsing Avro: the file '{name}' is not valid: {raised}"
        ) from raised


def _read(file: IO[bytes]) -> pa.Table:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as an Avro file")
    meta: dict[str, bytes] = dict(_blocks(file, lambda f: (_text(f), _bytes(f))))
    codec = meta.get("avro.codec", b"null").decode()
    schema = json.loads(meta["avro.schema"])
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise errors.UnsupportedError("an Avro file whose values are no records")
    record = _type_of(schema, {})
    sync = _exactly(file, _SYNC)
    batches = []
    fields = [pa.field(field.name, field.type) for field in record.arrow]
    while first := file.read(1):
        count = _long(file, first)
        block = io.BytesIO(_decompressed(codec, _bytes(file)))
        rows = [record.decode(block) for _ in range(count)]
        if _exactly(file, _SYNC) != sync:
            raise ValueError("a block does not end with the mark of the file")
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in fields]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))
    return pa.Table.from_batches(batches, pa.schema(fields))


def _decompressed(codec: str, block: bytes) -> bytes:
    match codec:
        case "null":
            return block
        case "deflate":
            return zlib.decompress(block, -zlib.MAX_WBITS)
        case "bzip2":
            return bz2.decompress(block)
        case "xz":
            return lzma.decompress(block)
        case "zstandard":
            return bytes(pa.CompressedInputStream(pa.BufferReader(block), "zstd").read())
        case "snappy":  # the block begins with its length, and a checksum follows it
            size = _unsigned(io.BytesIO(block))
            return bytes(pa.Codec("snappy").decompress(block[:-4], size, asbytes=True))
    raise errors.UnsupportedError(f"the codec {codec} of an Avro file")


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) != size:
        raise EOFError("it ends within a value")
    return found


def _unsigned(file: IO[bytes], first: bytes = b"") -> int:
    value = shift = 0
    while True:
        (byte,) = first or _exactly(file, 1)
        first = b""
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


def _long(file: IO[bytes], first: bytes = b"") -> int:
    value = _unsigned(file, first)
    return (value >> 1) ^ -(value & 1)


def _bytes(file: IO[bytes]) -> bytes:
    return _exactly(file, _long(file))


def _text(file: IO[bytes]) -> str:
    return _bytes(file).decode()


def _blocks(file: IO[bytes], item: Decoder) -> list[Any]:
    """Read an array, or the entries of a map: blocks of items, up to an empty one."""
    found: list[Any] = []
    while count := _long(file):
        if count < 0:  # the size of the block in bytes follows
            count = -count
            _long(file)
        found += [item(file) for _ in range(count)]
    return found


_PLAIN = {
    "null": _Type(lambda file: None, pa.null()),
    "boolean": _Type(lambda file: _exactly(file, 1) != b"\0", pa.bool_()),
    "int": _Type(_long, pa.int32()),
    "long": _Type(_long, pa.int64()),
    "float": _Type(lambda file: struct.unpack("<f", _exactly(file, 4))[0], pa.float32()),
    "double": _Type(lambda file: struct.unpack("<d", _exactly(file, 8))[0], pa.float64()),
    "string": _Type(_text, pa.string()),
}


def _type_of(schema: Any, named: dict[str, _Type]) -> _Type:
    """Return a type of a schema.

    Args:
        schema: the type, in JSON.
        named: the records and enums that were defined before; it is extended.
    """
    if isinstance(schema, list):
        return _nullable(schema, named)
    if isinstance(schema, str):
        known = _PLAIN.get(schema) or named.get(schema)
        if known is None:
            raise errors.UnsupportedError(f"the type {schema} of an Avro file")
        return known
    kind = schema["type"]
    if "logicalType" in schema:
        raise errors.UnsupportedError(f"the logical type {schema['logicalType']} of an Avro file")
    match kind:
        case "record":
            return _named(schema, _record(schema, named), named)
        case "enum":
            symbols: list[str] = schema["symbols"]
            return _named(schema, _Type(lambda file: symbols[_long(file)], pa.string()), named)
        case "array":
            item = _type_of(schema["items"], named)
            return _Type(lambda file: _blocks(file, item.decode), pa.list_(item.arrow))
        case "map":
            value = _type_of(schema["values"], named)
            return _Type(
                lambda file: _blocks(file, lambda f: (_text(f), value.decode(f))),
                pa.map_(pa.string(), value.arrow),
            )
    return _type_of(kind, named)


def _named(schema: dict[str, Any], made: _Type, named: dict[str, _Type]) -> _Type:
    name: str = schema["name"]
    named[name] = named[f"{schema['namespace']}.{name}" if "namespace" in schema else name] = made
    return made


def _record(schema: dict[str, Any], named: dict[str, _Type]) -> _Type:
    fields = [(field["name"], _type_of(field["type"], named)) for field in schema["fields"]]

    def decode(file: IO[bytes]) -> dict[str, Any]:
        return {name: of.decode(file) for name, of in fields}

    return _Type(decode, pa.struct([(name, of.arrow) for name, of in fields]))


def _nullable(schema: list[Any], named: dict[str, _Type]) -> _Type:
    branches = [_type_of(each, named) for each in schema]
    values = [branch for branch in branches if branch.arrow != pa.null()]
    if len(values) > 1:
        raise errors.UnsupportedError("a union of several types in an Avro file")
    return _Type(lambda file: branches[_long(file)].decode(file), values[0].arrow if values else pa.null())
