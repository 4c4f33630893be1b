-- Errors and refusals, which core/errors.py recognizes by the beginning of the text. The failing cast to
-- INTEGER has no side effects for DuckDB, so that other columns can use the alias of such an expression.
CREATE MACRO sf_raise(number, sqlstate, message) AS CAST('SNOWFLAKE ' || number || ' ' || sqlstate || ' ' || message AS INTEGER);

CREATE MACRO sf_refuse(what) AS _MACROS.main.sf_raise(2, '0A000',
  'the embedded warehouse does not support ' || what || '; Snowflake does');
