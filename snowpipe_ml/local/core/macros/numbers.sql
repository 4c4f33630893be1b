-- Macros of the functions of the family: numbers.
-- Integer division: the quotient has scale 6 and is rounded half away from zero
-- (https://docs.snowflake.com/en/sql-reference/operators-arithmetic). The first branch is exact
-- because both operands are far below 2^53; the second one uses 128-bit integers and is slower.
CREATE MACRO sf_idiv(a, b) AS
  CASE WHEN abs(a) < 4500000000 AND abs(b) < 4500000000
  THEN CAST(CAST(round(a * 1e6 / b) AS BIGINT) * 0.000001 AS DECIMAL(38,6))
  ELSE CAST(CAST((CASE WHEN (a < 0) <> (b < 0) THEN -1 ELSE 1 END)::HUGEINT
    * ((abs(a::HUGEINT) * 2000000 + abs(b::HUGEINT)) // (2 * abs(b::HUGEINT))) AS DECIMAL(38,0)) * 0.000001
    AS DECIMAL(38,6)) END;

CREATE MACRO sf_idiv3(a, b) AS CAST(
  (CASE WHEN (a < 0) <> (b < 0) THEN -1 ELSE 1 END)::HUGEINT * ((abs(a::HUGEINT) * 1000) // abs(b::HUGEINT))
  AS DECIMAL(38,0)) * 0.001::DECIMAL(4,3);

CREATE MACRO sf_scale_6(x) AS CAST(x AS DECIMAL(38,6));

CREATE MACRO sf_scale_12(x) AS CAST(x AS DECIMAL(38,12));

CREATE MACRO sf_root_of_scale_6(x) AS sqrt(CAST(CAST(x AS DECIMAL(38,6)) AS DOUBLE));

-- Division of NUMBERs with a scale: both operands are converted to integers, divided, and the quotient
-- is rounded half away from zero.
CREATE MACRO sf_exact_division(a, b, left_unit, right_unit, more) AS CAST(
  (CASE WHEN (a < 0) <> (b < 0) THEN -1 ELSE 1 END)::HUGEINT
  * ((CAST(abs(a) * left_unit AS HUGEINT) * more * 2 + CAST(abs(b) * right_unit AS HUGEINT))
     // (2 * CAST(abs(b) * right_unit AS HUGEINT))) AS DECIMAL(38,0));

-- Division of operands whose types were not known when the statement was translated.
CREATE MACRO sf_div(a, b) AS
  CASE WHEN typeof(a) IN ('TINYINT','SMALLINT','INTEGER','BIGINT','HUGEINT','UTINYINT','USMALLINT','UINTEGER','UBIGINT') AND typeof(b) IN ('TINYINT','SMALLINT','INTEGER','BIGINT','HUGEINT','UTINYINT','USMALLINT','UINTEGER','UBIGINT') THEN round(a::DOUBLE / b, 6)
       WHEN typeof(a) NOT IN ('DOUBLE', 'FLOAT') AND typeof(b) NOT IN ('DOUBLE', 'FLOAT')
        AND (typeof(a) LIKE 'DECIMAL%' OR typeof(b) LIKE 'DECIMAL%')
       THEN error('the embedded warehouse does not support division of NUMBERs with a scale; Snowflake does. '
                  || 'Cast one side to FLOAT')
       ELSE a::DOUBLE / b::DOUBLE END;

CREATE MACRO sf_number_text(x) AS
  CASE WHEN regexp_full_match(trim(x), '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') THEN trim(x) END;

CREATE MACRO sf_float_number_text(x) AS coalesce(memory.main.sf_number_text(x),
  CASE WHEN lower(trim(x)) IN ('nan', 'inf', '-inf', '+inf', 'infinity', '-infinity') THEN trim(x) END);

CREATE MACRO sf_unread_number(x) AS CAST(memory.main.sf_raise(100038, '22018',
  'Numeric value ''' || x || ''' is not recognized') AS VARCHAR);

-- Texts that DuckDB can cast to a number: it would also read 0x1F and 1_000.
CREATE MACRO sf_checked_number(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(memory.main.sf_number_text(x), memory.main.sf_unread_number(x)) END;

CREATE MACRO sf_checked_float(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(memory.main.sf_float_number_text(x), memory.main.sf_unread_number(x)) END;

CREATE MACRO sf_parsed_number(read, x, model) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(read, memory.main.sf_raise(100140, '22007',
    'Can''t parse ''' || x || ''' as number with format ''' || model || '''')::VARCHAR) END;

CREATE MACRO sf_try_hex_binary(x) AS CASE WHEN regexp_full_match(x, '([0-9A-Fa-f]{2})*') THEN unhex(x) END;

CREATE MACRO sf_hex_binary(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(memory.main.sf_try_hex_binary(x),
  memory.main.sf_raise(100115, '22000', 'The following string is not a legal hex-encoded value: ''' || x || '''')::VARCHAR::BLOB) END;

CREATE MACRO sf_try_base64_binary(x) AS TRY(from_base64(x));

CREATE MACRO sf_base64_binary(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(memory.main.sf_try_base64_binary(x),
  memory.main.sf_raise(100116, '22000', 'The following string is not a legal base64-encoded value: ''' || x || '''')::VARCHAR::BLOB) END;

CREATE MACRO sf_try_boolean(x) AS CASE WHEN lower(x) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true
  WHEN lower(x) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END;

CREATE MACRO sf_boolean(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(memory.main.sf_try_boolean(x),
  memory.main.sf_raise(100037, '22018', 'Boolean value ''' || x || ''' is not recognized')::BOOLEAN) END;

CREATE MACRO sf_fitting(x, n) AS CASE WHEN length(x) > n THEN memory.main.sf_raise(100078, '22000',
  'String ''' || x || ''' is too long and would be truncated')::VARCHAR ELSE x END;

CREATE MACRO sf_try_fitting(x, n) AS CASE WHEN length(x) <= n THEN x END;

-- Snowflake writes ten significant digits (functions/to_char).
CREATE MACRO sf_float_text(x) AS replace(printf('%.10g', x), 'nan', 'NaN');

-- random() has fewer than 64 random bits: the low bits of a scaled value would always be zero.
CREATE MACRO sf_random() AS CAST(hash(random())::HUGEINT - 9223372036854775808 AS BIGINT);

CREATE MACRO sf_uniform_whole(a, b) AS CAST(a + floor(random() * (b - a + 1)) AS BIGINT);

CREATE MACRO sf_uniform(a, b) AS a + random() * (b - a);

-- The one-element list evaluates the generator once, so that all letters derive from the same value.
CREATE MACRO sf_randstr(n, g) AS list_transform([struct_pack(n := n::BIGINT, g := g)], lambda s:
  array_to_string(list_transform(range(s.n), lambda i: substr(
    '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', 1 + (hash(i, s.g) % 62)::INTEGER, 1)), ''))[1];

CREATE MACRO sf_row_hash(keys) AS CAST(hash(keys) >> 1 AS BIGINT);

CREATE OR REPLACE MACRO memory.main._fs_haversine(lat1, lon1, lat2, lon2) AS (
    2 * 6371 * ASIN(SQRT(
        POWER(SIN(RADIANS(lat2 - lat1) / 2), 2) +
        COS(RADIANS(lat1)) * COS(RADIANS(lat2)) * POWER(SIN(RADIANS(lon2 - lon1) / 2), 2)
    ))
);
