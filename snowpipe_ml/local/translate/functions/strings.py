"""Functions of strings and binary values.

https://docs.snowflake.com/en/sql-reference/functions-string
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin
from snowpipe_ml.local.translate.registry import SCALAR_FUNCTIONS, Returns, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, Signature, check_count, converted, define
from snowpipe_ml.local.translate.types import BINARIES, T, kind

_INITCAP_MARKS = "chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || ' !?@\"^#$&~_,.:;+-*%/|\\[](){}<>'"


def _is_binary(argument: exp.Expr) -> bool:
    return kind(argument) in BINARIES


def _text_or_binary(arguments: list[exp.Expr]) -> exp.DataType:
    return exp.DataType(this=T.VARBINARY if any(map(_is_binary, arguments)) else T.VARCHAR)


def define_for_both(
    *names: str,
    text: str,
    binary: str,
    takes: tuple[Kind, ...],
    optional: tuple[Kind, ...] = (),
    defaults: tuple[str, ...] = (),
    returns: Returns = _text_or_binary,
) -> None:
    """Define a function of strings and binary values by two DuckDB functions or macros.

    Args:
        names: the function's name and its aliases.
        text: computes it for strings.
        binary: computes it for binary values.
        takes: its parameters for strings; for binary values those of the kind TEXT are BINARY.
        optional: the parameters that may be omitted.
        defaults: DuckDB expressions for the optional parameters. A text as a default is no default for
            binary values, which need the argument.
        returns: the type of the result; by default that of the arguments.
    """
    for name in names:
        of_text = Signature(name, text, takes, optional, None, defaults)
        as_binary = tuple(Kind.BINARY if part == Kind.TEXT else part for part in (*takes, *optional))
        needed = len(as_binary) if Kind.TEXT in optional else len(takes)
        of_binary = Signature(
            name,
            binary,
            as_binary[:needed],
            as_binary[needed:],
            None,
            () if Kind.TEXT in optional else defaults,
        )
        scalar_function(name, returns=returns)(_Both(of_text, of_binary))


class _Both:
    """Translates a call by the types of its arguments."""

    def __init__(self, text: Signature, binary: Signature) -> None:
        self._text = text
        self._binary = binary

    def __call__(self, call: exp.Expr, session: Session) -> exp.Expr:
        return (self._binary if any(map(_is_binary, call.expressions)) else self._text)(call, session)


_TEXT, _WHOLE, _BYTES = Kind.TEXT, Kind.INTEGER, Kind.BYTES

define("ASCII", to="ascii", takes=(_TEXT,), returns=T.INT)
define("UNICODE", to="sf_unicode", takes=(_TEXT,), returns=T.INT)
define("CHR", "CHAR", to="sf_chr", takes=(_WHOLE,), returns=T.VARCHAR)
define_for_both("LENGTH", "LEN", text="length", binary="octet_length", takes=(_TEXT,), returns=T.BIGINT)
define("OCTET_LENGTH", to="octet_length", takes=(_BYTES,), returns=T.BIGINT)
define("BIT_LENGTH", to="sf_bit_length", takes=(_BYTES,), returns=T.BIGINT)
define("LOWER", to="lower", takes=(_TEXT,), returns=T.VARCHAR)
define("UPPER", to="upper", takes=(_TEXT,), returns=T.VARCHAR)
define(
    "INITCAP",
    to="sf_initcap",
    takes=(_TEXT,),
    optional=(_TEXT,),
    defaults=(_INITCAP_MARKS,),
    returns=T.VARCHAR,
)
define("SPACE", to="sf_space", takes=(_WHOLE,), returns=T.VARCHAR)
define("REPEAT", to="repeat", takes=(_TEXT, _WHOLE), returns=T.VARCHAR)
define("REPLACE", to="replace", takes=(_TEXT, _TEXT), optional=(_TEXT,), defaults=("''",), returns=T.VARCHAR)
define("TRANSLATE", to="translate", takes=(_TEXT, _TEXT, _TEXT), returns=T.VARCHAR)
define_for_both("REVERSE", text="reverse", binary="sf_reverse_binary", takes=(_TEXT,))
define_for_both("LEFT", text="sf_left", binary="sf_left_binary", takes=(_TEXT, _WHOLE))
define_for_both("RIGHT", text="sf_right", binary="sf_right_binary", takes=(_TEXT, _WHOLE))
define_for_both(
    "SUBSTR",
    "SUBSTRING",
    text="sf_substr",
    binary="sf_substr_binary",
    takes=(_TEXT, _WHOLE),
    optional=(_WHOLE,),
)
define_for_both("INSERT", text="sf_insert", binary="sf_insert_binary", takes=(_TEXT, _WHOLE, _WHOLE, _TEXT))
for _side in "L", "R":
    define_for_both(
        f"{_side}PAD",
        text=f"sf_{_side.lower()}pad",
        binary=f"sf_{_side.lower()}pad_binary",
        takes=(_TEXT, _WHOLE),
        optional=(_TEXT,),
        defaults=("' '",),
    )
for _name in "LTRIM", "RTRIM", "TRIM":
    define(_name, to=_name.lower(), takes=(_TEXT,), optional=(_TEXT,), defaults=("' '",), returns=T.VARCHAR)
define("RTRIMMED_LENGTH", to="sf_rtrimmed_length", takes=(_TEXT,), returns=T.BIGINT)
define_for_both(
    "CONTAINS", text="contains", binary="sf_contains_binary", takes=(_TEXT, _TEXT), returns=T.BOOLEAN
)
define_for_both(
    "STARTSWITH", text="starts_with", binary="sf_starts_with_binary", takes=(_TEXT, _TEXT), returns=T.BOOLEAN
)
define_for_both(
    "ENDSWITH", text="ends_with", binary="sf_ends_with_binary", takes=(_TEXT, _TEXT), returns=T.BOOLEAN
)
define_for_both(
    "CHARINDEX",
    text="sf_position",
    binary="sf_position_binary",
    takes=(_TEXT, _TEXT),
    optional=(_WHOLE,),
    defaults=("1",),
    returns=T.BIGINT,
)
define("SPLIT", to="sf_split", takes=(_TEXT, _TEXT), returns=T.ARRAY)
define("SPLIT_PART", to="sf_split_part", takes=(_TEXT, _TEXT, _WHOLE), returns=T.VARCHAR)
define(
    "STRTOK",
    to="sf_strtok",
    takes=(_TEXT,),
    optional=(_TEXT, _WHOLE),
    defaults=("' '", "1"),
    returns=T.VARCHAR,
)
define("EDITDISTANCE", to="sf_edit_distance", takes=(_TEXT, _TEXT), optional=(_WHOLE,), returns=T.BIGINT)
define("JAROWINKLER_SIMILARITY", to="sf_jaro_winkler", takes=(_TEXT, _TEXT), returns=T.BIGINT)
define("SOUNDEX", to="sf_soundex", takes=(_TEXT,), returns=T.VARCHAR)
define("SOUNDEX_P123", to="sf_soundex_p123", takes=(_TEXT,), returns=T.VARCHAR)
define("PARSE_URL", to="sf_parse_url", takes=(_TEXT,), optional=(_WHOLE,), defaults=("0",), returns=T.JSON)

define("HEX_ENCODE", to="sf_hex", takes=(_BYTES,), optional=(_WHOLE,), defaults=("1",), returns=T.VARCHAR)
define("HEX_DECODE_BINARY", to="sf_unhex", takes=(_TEXT,), returns=T.VARBINARY)
define("HEX_DECODE_STRING", to="sf_unhex_text", takes=(_TEXT,), returns=T.VARCHAR)
define("TRY_HEX_DECODE_BINARY", to="sf_try_unhex", takes=(_TEXT,), returns=T.VARBINARY)
define("TRY_HEX_DECODE_STRING", to="sf_try_unhex_text", takes=(_TEXT,), returns=T.VARCHAR)
define(
    "BASE64_ENCODE",
    to="sf_base64",
    takes=(_BYTES,),
    optional=(_WHOLE, _TEXT),
    defaults=("0", "'+/='"),
    returns=T.VARCHAR,
)
for _prefix in "", "TRY_":
    for _of, _result in ("BINARY", T.VARBINARY), ("STRING", T.VARCHAR):
        define(
            f"{_prefix}BASE64_DECODE_{_of}",
            to=f"sf_{_prefix.lower()}unbase64{'_text' if _of == 'STRING' else ''}",
            takes=(_TEXT,),
            optional=(_TEXT,),
            defaults=("'+/='",),
            returns=_result,
        )


@scalar_function("POSITION", returns=T.BIGINT)
def position(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``POSITION(x, y [, start])`` and ``POSITION(x IN y)``."""
    arguments = call.expressions
    if len(arguments) == 1 and isinstance(arguments[0], exp.In):
        within = arguments[0]
        arguments = [within.this, within.args.get("field") or within.expressions[0]]
    given = exp.Anonymous(this="CHARINDEX", expressions=[argument.copy() for argument in arguments])
    return _charindex(given, session)


def _charindex(call: exp.Expr, session: Session) -> exp.Expr:
    return SCALAR_FUNCTIONS["CHARINDEX"](call, session)


@scalar_function("CONCAT", returns=_text_or_binary)
def concat(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate CONCAT, which is NULL if an argument is; DuckDB's function leaves NULLs out."""
    check_count(call, 1, None)
    return _joined(call.expressions)


@scalar_function("CONCAT_WS", returns=_text_or_binary)
def concat_with_separator(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate CONCAT_WS: ``a || separator || b``."""
    check_count(call, 2, None)
    separator, first, *others = call.expressions
    parts = [first]
    for other in others:
        parts += [separator, other]
    if others:
        return _joined(parts)
    alone = _joined([first])
    missing = exp.Is(this=separator.copy(), expression=exp.Null())
    return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=alone)


def _joined(parts: list[exp.Expr]) -> exp.Expr:
    binary = [_is_binary(part) for part in parts]
    if any(binary) and not all(binary):
        raise UnsupportedError("a concatenation of strings and binary values")
    made = converted(parts[0], Kind.ANY if any(binary) else Kind.TEXT)
    for part in parts[1:]:
        made = exp.DPipe(this=made, expression=converted(part, Kind.ANY if any(binary) else Kind.TEXT))
    made.type = _text_or_binary(parts)
    return exp.Paren(this=made) if len(parts) > 1 else made


@scalar_function("UUID_STRING", returns=T.VARCHAR)
def uuid_string(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``UUID_STRING()``, a random UUID, and ``UUID_STRING(namespace, name)``, one of the version 5."""
    check_count(call, 0, 2)
    if not call.expressions:
        return exp.cast(builtin("uuid"), "TEXT", dialect="duckdb")
    check_count(call, 2, 2)
    return Signature("UUID_STRING", "sf_uuid5", (_TEXT, _TEXT), (), None, ())(call, session)


define("COMPRESS", to="sf_compress", takes=(_BYTES, _TEXT), returns=T.VARBINARY)
define("DECOMPRESS_BINARY", to="sf_decompress", takes=(Kind.BINARY, _TEXT), returns=T.VARBINARY)
define("DECOMPRESS_STRING", to="sf_decompress_text", takes=(Kind.BINARY, _TEXT), returns=T.VARCHAR)
define(
    "PARSE_IP", to="sf_parse_ip", takes=(_TEXT, _TEXT), optional=(_WHOLE,), defaults=("0",), returns=T.JSON
)
