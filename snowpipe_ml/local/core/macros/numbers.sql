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

-- FLOOR, CEIL and TRUNC of an integer divided by n, a constant from 1 to a million: rounding the quotient to six
-- digits cannot reach the next integer. These macros repeat their argument twice, those for any number up to 14 times,
-- so that DuckDB would need seconds to plan a few nested quotients.
CREATE MACRO sf_floor_quotient(a, n) AS a::HUGEINT // n - (a::HUGEINT % n < 0)::INTEGER;

CREATE MACRO sf_ceil_quotient(a, n) AS a::HUGEINT // n + (a::HUGEINT % n > 0)::INTEGER;

CREATE MACRO sf_trunc_quotient(a, n) AS a::HUGEINT // n;

CREATE MACRO sf_scale_6(x) AS CAST(x AS DECIMAL(38,6));

CREATE MACRO sf_scale_12(x) AS CAST(x AS DECIMAL(38,12));

CREATE MACRO sf_root_of_scale_6(x) AS sqrt(CAST(CAST(x AS DECIMAL(38,6)) AS DOUBLE));

-- Division of NUMBERs with a scale: both operands are converted to integers, divided, and the quotient
-- is rounded half away from zero. The first branch divides floating-point numbers: the dividend is at most 2^52,
-- so the quotient cannot be rounded across the middle of two results. The second one takes ten times as long.
CREATE MACRO sf_exact_division(a, b, left_unit, right_unit, more) AS
  CASE WHEN abs(CAST(a AS DOUBLE)) <= 4503599627370496e0 / left_unit / more
    AND abs(CAST(b AS DOUBLE)) <= 4503599627370496e0 / right_unit
  THEN CAST(CAST(round(round(CAST(a AS DOUBLE) * left_unit) * more / round(CAST(b AS DOUBLE) * right_unit)) AS BIGINT)
    AS DECIMAL(38,0))
  ELSE _MACROS.main.sf_wide_division(a, b, left_unit, right_unit, more) END;

-- The same for operands with many digits: the quotient, below 10^13, of floating-point numbers differs by less than 0.02
-- from the exact one, and is rounded unless it is that near to the middle of two results.
CREATE MACRO sf_close_division(a, b, left_unit, right_unit, more) AS
  CASE WHEN abs(CAST(a AS DOUBLE) / CAST(b AS DOUBLE) * (left_unit * 1e0 * more / right_unit)) < 1e13
    AND abs(abs(CAST(a AS DOUBLE) / CAST(b AS DOUBLE) * (left_unit * 1e0 * more / right_unit) % 1) - 0.5e0) > 0.02e0
  THEN CAST(CAST(round(CAST(a AS DOUBLE) / CAST(b AS DOUBLE) * (left_unit * 1e0 * more / right_unit)) AS BIGINT) AS DECIMAL(38,0))
  ELSE _MACROS.main.sf_wide_division(a, b, left_unit, right_unit, more) END;

-- The same with 128-bit integers: the quotient in half units, whose cast rounds half away from zero.
CREATE MACRO sf_wide_division(a, b, left_unit, right_unit, more) AS
  CAST(CAST(CAST(a * left_unit AS HUGEINT) * more * 2 // CAST(b * right_unit AS HUGEINT) AS DECIMAL(38,0)) * 0.5
    AS DECIMAL(38,0));

-- The same for operands that are quotients themselves. It repeats them twice, not three times, so that DuckDB plans
-- nested quotients in a tenth of the time; a row that is not in the range of floating-point numbers takes longer.
CREATE MACRO sf_nested_division(a, b, left_unit, right_unit, more) AS coalesce(
  CAST(CAST(round(CAST(TRY_CAST(round(CAST(a AS DOUBLE) * left_unit) * more AS DECIMAL(15,0)) AS DOUBLE)
    / CAST(TRY_CAST(round(CAST(b AS DOUBLE) * right_unit) AS DECIMAL(15,0)) AS DOUBLE)) AS BIGINT) AS DECIMAL(38,0)),
  _MACROS.main.sf_wide_division(a, b, left_unit, right_unit, more));

-- The quotient, with further digits cut off: as a whole number of the smallest unit, times the unit.
CREATE MACRO sf_cut_division(a, b, left_unit, more) AS CAST(
  CASE WHEN abs(CAST(a AS DOUBLE)) <= 4503599627370496e0 / left_unit / more
  THEN CAST(trunc(round(CAST(a AS DOUBLE) * left_unit) * more / b) AS BIGINT)
  ELSE CAST(a * left_unit AS HUGEINT) * more // b END AS DECIMAL(38,0)) * (1::DECIMAL(38,12) / (left_unit * more))::DECIMAL(38,12);

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

-- DuckDB reads a number beyond the range of a FLOAT as an infinity.
CREATE MACRO sf_is_too_large(x) AS regexp_matches(x, '\d[eE][+]?\d{3}') AND isinf(TRY_CAST(x AS DOUBLE));

CREATE MACRO sf_float_number_text(x) AS coalesce(
  CASE WHEN NOT _MACROS.main.sf_is_too_large(x) THEN _MACROS.main.sf_number_text(x) END,
  CASE WHEN lower(trim(x)) IN ('nan', 'inf', '-inf', '+inf', 'infinity', '-infinity') THEN trim(x) END);

CREATE MACRO sf_unread_number(x) AS CAST(_MACROS.main.sf_raise(100038, '22018',
  'Numeric value ''' || x || ''' is not recognized') AS VARCHAR);

-- Texts that DuckDB can cast to a number: it would also read 0x1F and 1_000.
CREATE MACRO sf_checked_number(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(_MACROS.main.sf_number_text(x), _MACROS.main.sf_unread_number(x)) END;

CREATE MACRO sf_checked_float(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(_MACROS.main.sf_float_number_text(x), _MACROS.main.sf_unread_number(x)) END;

CREATE MACRO sf_parsed_number(read, x, model) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(read, _MACROS.main.sf_raise(100140, '22007',
    'Can''t parse ''' || x || ''' as number with format ''' || model || '''')::VARCHAR) END;

CREATE MACRO sf_try_hex_binary(x) AS CASE WHEN regexp_full_match(x, '([0-9A-Fa-f]{2})*') THEN unhex(x) END;

CREATE MACRO sf_hex_binary(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(_MACROS.main.sf_try_hex_binary(x),
  _MACROS.main.sf_raise(100115, '22000', 'The following string is not a legal hex-encoded value: ''' || x || '''')::VARCHAR::BLOB) END;

CREATE MACRO sf_try_base64_binary(x) AS TRY(from_base64(x));

CREATE MACRO sf_base64_binary(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(_MACROS.main.sf_try_base64_binary(x),
  _MACROS.main.sf_raise(100116, '22000', 'The following string is not a legal base64-encoded value: ''' || x || '''')::VARCHAR::BLOB) END;

CREATE MACRO sf_try_boolean(x) AS CASE WHEN lower(x) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true
  WHEN lower(x) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false END;

CREATE MACRO sf_boolean(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(_MACROS.main.sf_try_boolean(x),
  _MACROS.main.sf_raise(100037, '22018', 'Boolean value ''' || x || ''' is not recognized')::BOOLEAN) END;

CREATE MACRO sf_float_boolean(x) AS CASE WHEN isnan(x) OR isinf(x) THEN
  _MACROS.main.sf_raise(100037, '22018', 'Boolean value ''' || x || ''' is not recognized')::BOOLEAN ELSE x <> 0 END;

CREATE MACRO sf_fitting(x, n) AS CASE WHEN length(x) > n THEN _MACROS.main.sf_raise(100078, '22000',
  'String ''' || x || ''' is too long and would be truncated')::VARCHAR ELSE x END;

CREATE MACRO sf_try_fitting(x, n) AS CASE WHEN length(x) <= n THEN x END;

-- Snowflake writes ten significant digits (functions/to_char).
CREATE MACRO sf_float_text(x) AS replace(printf('%.10g', x), 'nan', 'NaN');

-- random() has fewer than 64 random bits: the low bits of a scaled value would always be zero.
CREATE MACRO sf_random() AS CAST(hash(random())::HUGEINT - 9223372036854775808 AS BIGINT);

-- The one-element list evaluates the generator once, so that all letters derive from the same value.
CREATE MACRO sf_randstr(n, g) AS list_transform([struct_pack(n := n::BIGINT, g := g)], lambda s:
  array_to_string(list_transform(range(s.n), lambda i: substr(
    '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', 1 + (hash(i, s.g) % 62)::INTEGER, 1)), ''))[1];

CREATE MACRO sf_row_hash(keys) AS CAST(hash(keys) >> 1 AS BIGINT);

-- Rounding of a NUMBER: r is the number rounded half away from zero, to a multiple of the unit.
CREATE MACRO sf_floor_decimal(x, r, unit) AS CASE WHEN r > x THEN r - unit ELSE r END;

CREATE MACRO sf_ceil_decimal(x, r, unit) AS CASE WHEN r < x THEN r + unit ELSE r END;

CREATE MACRO sf_trunc_decimal(x, r, unit) AS CASE WHEN abs(r) > abs(x) THEN r - sign(x) * unit ELSE r END;

CREATE MACRO sf_round_even(x, r, unit) AS CASE
  WHEN abs(x - r) * 2 = unit AND CAST(abs(r) / unit AS HUGEINT) % 2 = 1 THEN r - sign(x) * unit ELSE r END;

CREATE MACRO sf_round_whole(x, unit) AS CASE WHEN x < 0 THEN -1 ELSE 1 END * ((abs(x) + unit // 2) // unit) * unit;

CREATE MACRO sf_floor_whole(x, unit) AS x - ((x % unit) + unit) % unit;

CREATE MACRO sf_ceil_whole(x, unit) AS x + (unit - x % unit) % unit;

CREATE MACRO sf_trunc_whole(x, unit) AS x - x % unit;

-- Rounding of a FLOAT. Beyond fifteen digits a FLOAT has nothing to round.
CREATE MACRO sf_round_float(x, n) AS CASE WHEN n > 15 THEN x ELSE round(x, n::INTEGER) END;

CREATE MACRO sf_floor_float(x, n) AS CASE WHEN n > 15 THEN x WHEN n >= 0 THEN floor(x * pow(10, n)) / pow(10, n)
  ELSE floor(x / pow(10, -n)) * pow(10, -n) END;

CREATE MACRO sf_ceil_float(x, n) AS CASE WHEN n > 15 THEN x WHEN n >= 0 THEN ceil(x * pow(10, n)) / pow(10, n)
  ELSE ceil(x / pow(10, -n)) * pow(10, -n) END;

CREATE MACRO sf_trunc_float(x, n) AS CASE WHEN n > 15 THEN x WHEN n >= 0 THEN trunc(x * pow(10, n)) / pow(10, n)
  ELSE trunc(x / pow(10, -n)) * pow(10, -n) END;

-- Functions of FLOATs; outside of their domain they are an error, where DuckDB has NaN or an infinity.
CREATE MACRO sf_outside(of, x) AS error('100046 (22003): Invalid floating point operation: ' || of || '('
  || _MACROS.main.sf_float_text(x) || ')');

CREATE MACRO sf_outside_of(of, x, y) AS error('100046 (22003): Invalid floating point operation: ' || of || '('
  || _MACROS.main.sf_float_text(x) || ',' || _MACROS.main.sf_float_text(y) || ')');

CREATE MACRO sf_sqrt(x) AS CASE WHEN x < 0 THEN _MACROS.main.sf_outside('sqrt', x) ELSE sqrt(x) END::DOUBLE;

CREATE MACRO sf_ln(x) AS CASE WHEN x <= 0 THEN _MACROS.main.sf_outside('ln', x) ELSE ln(x) END::DOUBLE;

CREATE MACRO sf_log(base, x) AS CASE WHEN x <= 0 THEN _MACROS.main.sf_outside('log', x)
  WHEN base <= 0 OR base = 1 THEN _MACROS.main.sf_outside('log', base) ELSE log(base, x) END::DOUBLE;

CREATE MACRO sf_acos(x) AS CASE WHEN abs(x) > 1 THEN _MACROS.main.sf_outside('acos', x) ELSE acos(x) END::DOUBLE;

CREATE MACRO sf_asin(x) AS CASE WHEN abs(x) > 1 THEN _MACROS.main.sf_outside('asin', x) ELSE asin(x) END::DOUBLE;

CREATE MACRO sf_acosh(x) AS CASE WHEN x < 1 THEN _MACROS.main.sf_outside('acosh', x) ELSE acosh(x) END::DOUBLE;

CREATE MACRO sf_atanh(x) AS CASE WHEN abs(x) >= 1 THEN _MACROS.main.sf_outside('atanh', x) ELSE atanh(x) END::DOUBLE;

CREATE MACRO sf_cot(x) AS CASE WHEN x = 0 THEN _MACROS.main.sf_outside('cot', x) ELSE cot(x) END::DOUBLE;

CREATE MACRO sf_exp(x) AS CASE WHEN isinf(exp(x)) AND isfinite(x) THEN _MACROS.main.sf_outside('exp', x) ELSE exp(x) END::DOUBLE;

CREATE MACRO sf_cosh(x) AS CASE WHEN isinf(cosh(x)) AND isfinite(x) THEN _MACROS.main.sf_outside('cosh', x) ELSE cosh(x) END::DOUBLE;

CREATE MACRO sf_sinh(x) AS CASE WHEN isinf(sinh(x)) AND isfinite(x) THEN _MACROS.main.sf_outside('sinh', x) ELSE sinh(x) END::DOUBLE;

CREATE MACRO sf_square(x) AS CASE WHEN isinf(x * x) AND isfinite(x) THEN _MACROS.main.sf_outside('square', x) ELSE x * x END::DOUBLE;

-- DuckDB refuses zero to a negative power, so that it must not see one.
CREATE MACRO sf_pow(x, y) AS CASE
  WHEN x = 0 AND y < 0 THEN _MACROS.main.sf_outside_of('pow', x, y)
  WHEN isfinite(x) AND isfinite(y) AND NOT isfinite(pow(x, y)) THEN _MACROS.main.sf_outside_of('pow', x, y)
  ELSE pow(x, y) END::DOUBLE;

CREATE MACRO sf_cbrt(x) AS CASE WHEN round(cbrt(x)) * round(cbrt(x)) * round(cbrt(x)) = x THEN round(cbrt(x)) ELSE cbrt(x) END;

CREATE MACRO sf_factorial(n) AS CASE WHEN n < 0 OR n > 33
  THEN error('100046 (22003): Number out of representable range: FACTORIAL of ' || n) ELSE factorial(n::INTEGER) END;

CREATE MACRO sf_width_bucket(x, low, high, n) AS CASE WHEN x IS NULL OR low IS NULL OR high IS NULL OR n IS NULL THEN NULL
  WHEN n < 1 OR low >= high
  THEN error('the embedded warehouse does not support WIDTH_BUCKET without buckets or with an upper bound that is not above the lower one; Snowflake does')
  WHEN x < low THEN 0 WHEN x >= high THEN n + 1
  ELSE floor((x::DOUBLE - low::DOUBLE) * n / (high::DOUBLE - low::DOUBLE))::BIGINT + 1 END::BIGINT;

CREATE MACRO sf_haversine(lat1, lon1, lat2, lon2) AS 2 * 6371 * asin(sqrt(pow(sin(radians(lat2 - lat1) / 2), 2)
  + cos(radians(lat1)) * cos(radians(lat2)) * pow(sin(radians(lon2 - lon1) / 2), 2)));

CREATE MACRO sf_null_if_zero(x) AS CASE WHEN x <> 0 THEN x END;
