"""Bitwise functions of whole numbers and binary values.

https://docs.snowflake.com/en/sql-reference/expressions-byte-bit
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, Signature, check_count
from snowpipe_ml.local.translate.types import BINARIES, T, kind


def _result(arguments: list[exp.Expr]) -> exp.DataType:
    binary = bool(arguments) and kind(arguments[0]) in BINARIES
    return exp.DataType(this=T.VARBINARY if binary else T.BIGINT)


def _wide_result(arguments: list[exp.Expr]) -> exp.DataType:
    binary = bool(arguments) and kind(arguments[0]) in BINARIES
    return exp.DataType(this=T.VARBINARY if binary else T.INT128)


def _of_both(of_numbers: Signature, of_binary: Signature) -> Callable[[exp.Expr, Session], exp.Expr]:
    def translate(call: exp.Expr, session: Session) -> exp.Expr:
        check_count(call, 1, 3)
        return (of_binary if kind(call.expressions[0]) in BINARIES else of_numbers)(call, session)

    return translate


_BYTES, _WHOLE = Kind.BINARY, Kind.INTEGER
for _name, _takes, _binary, _optional in (
    ("AND", (_WHOLE, _WHOLE), (_BYTES, _BYTES), (Kind.TEXT,)),
    ("OR", (_WHOLE, _WHOLE), (_BYTES, _BYTES), (Kind.TEXT,)),
    ("XOR", (_WHOLE, _WHOLE), (_BYTES, _BYTES), (Kind.TEXT,)),
    ("NOT", (_WHOLE,), (_BYTES,), ()),
    ("SHIFTLEFT", (_WHOLE, _WHOLE), (_BYTES, _WHOLE), ()),
    ("SHIFTRIGHT", (_WHOLE, _WHOLE), (_BYTES, _WHOLE), ()),
):
    _macro = f"sf_bit{_name.lower()}"
    scalar_function(f"BIT{_name}", f"BIT_{_name}", returns=_wide_result if "SHIFT" in _name else _result)(
        _of_both(
            Signature(f"BIT{_name}", _macro, _takes, (), None, ()),
            Signature(f"BIT{_name}", f"{_macro}_binary", _binary, _optional, None, ()),
        )
    )
scalar_function("GETBIT", returns=T.BIGINT)(Signature("GETBIT", "sf_getbit", (_WHOLE, _WHOLE), (), None, ()))
