"""Encryption.

https://docs.snowflake.com/en/sql-reference/functions-encryption
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import encryption
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import called, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.types import T

assert encryption.__name__  # it registers the functions in Python
_PASSPHRASE = (Kind.BYTES, Kind.TEXT)
_KEY = (Kind.BINARY, Kind.BINARY, Kind.BINARY)


def _is_method(node: exp.Expr) -> bool:
    return node.is_string and node.name.strip().upper().startswith("AES")


def _given(call: exp.Expr, kinds: tuple[Kind, ...], tag: bool) -> list[exp.Expr]:
    """Return the arguments in order: those of the kinds, the additional data, the method, the tag.

    The additional data can be omitted before the method.
    """
    required, rest = call.expressions[: len(kinds)], list(call.expressions[len(kinds) :])
    check_count(call, len(kinds), len(kinds) + 2 + tag)
    if rest and _is_method(rest[0]):
        rest.insert(0, exp.Null())
    rest += [exp.Null()] * (2 + tag - len(rest))
    more = (Kind.BYTES, Kind.TEXT, Kind.BINARY)[: 2 + tag]
    both = [*zip(required, kinds, strict=True), *zip(rest, more, strict=True)]
    return [
        stored_cast(converted(node, kind), "VARCHAR" if kind == Kind.TEXT else "BLOB")
        if not isinstance(node, exp.Null)
        else stored_cast(exp.Null(), "VARCHAR" if kind == Kind.TEXT else "BLOB")
        for node, kind in both
    ]


@scalar_function("ENCRYPT", "DECRYPT", "TRY_DECRYPT", returns=T.VARBINARY)
def _by_passphrase(call: exp.Expr, session: Session) -> exp.Expr:
    kinds = _PASSPHRASE if call.name.upper() == "ENCRYPT" else (Kind.BINARY, Kind.TEXT)
    return called(call.name.lower(), *_given(call, kinds, False))


@scalar_function("ENCRYPT_RAW", returns=T.VARIANT)
def _encrypt_raw(call: exp.Expr, session: Session) -> exp.Expr:
    made = stored_cast(called("encrypt_raw", *_given(call, _KEY, False)), "JSON")
    made.to.meta["kind"] = T.VARIANT
    return made


@scalar_function("DECRYPT_RAW", "TRY_DECRYPT_RAW", returns=T.VARBINARY)
def _decrypt_raw(call: exp.Expr, session: Session) -> exp.Expr:
    return called(call.name.lower(), *_given(call, _KEY, True))
