"""Digests of strings and binary values.

https://docs.snowflake.com/en/sql-reference/functions-string
"""

from __future__ import annotations

from snowpipe_ml.local.translate.signatures import Kind, define
from snowpipe_ml.local.translate.types import T

define("MD5", "MD5_HEX", to="md5", takes=(Kind.BYTES,), returns=T.VARCHAR)
define("MD5_BINARY", to="sf_md5_binary", takes=(Kind.BYTES,), returns=T.VARBINARY)
define("MD5_NUMBER_LOWER64", to="sf_md5_lower", takes=(Kind.BYTES,), returns=T.UBIGINT)
define("MD5_NUMBER_UPPER64", to="sf_md5_upper", takes=(Kind.BYTES,), returns=T.UBIGINT)
define("SHA1", "SHA1_HEX", to="sha1", takes=(Kind.BYTES,), returns=T.VARCHAR)
define("SHA1_BINARY", to="sf_sha1_binary", takes=(Kind.BYTES,), returns=T.VARBINARY)
define(
    "SHA2",
    "SHA2_HEX",
    to="sf_sha2",
    takes=(Kind.BYTES,),
    optional=(Kind.INTEGER,),
    defaults=("256",),
    returns=T.VARCHAR,
)
define(
    "SHA2_BINARY",
    to="sf_sha2_binary",
    takes=(Kind.BYTES,),
    optional=(Kind.INTEGER,),
    defaults=("256",),
    returns=T.VARBINARY,
)
