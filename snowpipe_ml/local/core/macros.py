"""Snowflake functions that a single DuckDB expression can compute, as macros named ``sf_...``.

They are created in DuckDB's in-memory database, so calls use the qualified name ``memory.main.sf_...``.
"""

from __future__ import annotations

from fakesnow.macros import FS_HAVERSINE, FS_OBJECT_CONSTRUCT_STAR

_INTEGERS = "('TINYINT','SMALLINT','INTEGER','BIGINT','HUGEINT','UTINYINT','USMALLINT','UINTEGER','UBIGINT')"

# Formats that AUTO recognizes in addition to ISO 8601:
# https://docs.snowflake.com/en/sql-reference/date-time-input-output
_AUTO = "['%m/%d/%Y %H:%M:%S', '%m/%d/%Y', '%d-%b-%Y', '%a %b %d %H:%M:%S %Y', '%a, %d %b %Y %H:%M:%S']"

_ISO = r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?"

MACROS = f"""
SET GLOBAL ieee_floating_point_ops = false;
-- sqlglot generates lambdas with an arrow.
SET GLOBAL lambda_syntax = 'ENABLE_SINGLE_ARROW';

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
  CASE WHEN typeof(a) IN {_INTEGERS} AND typeof(b) IN {_INTEGERS} THEN round(a::DOUBLE / b, 6)
       WHEN typeof(a) NOT IN ('DOUBLE', 'FLOAT') AND typeof(b) NOT IN ('DOUBLE', 'FLOAT')
        AND (typeof(a) LIKE 'DECIMAL%' OR typeof(b) LIKE 'DECIMAL%')
       THEN error('the embedded warehouse does not support division of NUMBERs with a scale; Snowflake does. '
                  || 'Cast one side to FLOAT')
       ELSE a::DOUBLE / b::DOUBLE END;

CREATE MACRO sf_digits_to_timestamp(x) AS
  CASE WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT))
       ELSE make_timestamp(TRY_CAST(x AS BIGINT) // 1000) END;

CREATE MACRO sf_try_timestamp(x) AS
  CASE WHEN regexp_full_match(trim(x::VARCHAR), '[+-]?\\d+') THEN memory.main.sf_digits_to_timestamp(trim(x::VARCHAR))
       WHEN regexp_full_match(trim(x::VARCHAR), '{_ISO}') THEN TRY_CAST(x AS TIMESTAMP)
       ELSE try_strptime(x::VARCHAR, {_AUTO}) END;

CREATE MACRO sf_timestamp(x) AS
  CASE WHEN x IS NULL THEN NULL
       ELSE coalesce(memory.main.sf_try_timestamp(x), error('Could not convert string ''' || x::VARCHAR || ''' to TIMESTAMP')) END;

CREATE MACRO sf_try_date(x) AS
  CASE WHEN regexp_full_match(trim(x::VARCHAR), '{_ISO}') THEN TRY_CAST(x AS DATE)
       ELSE CAST(try_strptime(x::VARCHAR, ['%m/%d/%Y', '%d-%b-%Y']) AS DATE) END;

CREATE MACRO sf_date(x) AS
  CASE WHEN x IS NULL THEN NULL
       ELSE coalesce(memory.main.sf_try_date(x),
                     error('Could not convert string ''' || x::VARCHAR || ''' to DATE')) END;

-- DuckDB has no TIMESTAMP_TZ: it is stored as a struct of the instant in UTC and the offset in minutes.
CREATE MACRO sf_local_to_tz(x) AS CASE WHEN x IS NULL THEN NULL ELSE struct_pack(
  utc := timezone('UTC', timezone(current_setting('TimeZone'), x::TIMESTAMP)),
  tz := date_diff('minute', timezone('UTC', timezone(current_setting('TimeZone'), x::TIMESTAMP)), x::TIMESTAMP)::SMALLINT) END;
CREATE MACRO sf_instant_to_tz(x) AS memory.main.sf_local_to_tz(timezone(current_setting('TimeZone'), x));
CREATE MACRO sf_offset(x) AS CASE WHEN x LIKE '%Z' THEN 0 ELSE
  (CASE WHEN regexp_extract(x, '([+-])\\d{{2}}(:?\\d{{2}})?\\s*$', 1) = '-' THEN -1 ELSE 1 END)
  * (TRY_CAST(regexp_extract(x, '[+-](\\d{{2}})(:?\\d{{2}})?\\s*$', 1) AS INTEGER) * 60
     + coalesce(TRY_CAST(regexp_extract(x, '[+-]\\d{{2}}:?(\\d{{2}})\\s*$', 1) AS INTEGER), 0)) END;
CREATE MACRO sf_text_to_tz(x) AS CASE WHEN x IS NULL THEN NULL
  -- The text of a stored TIMESTAMP_TZ struct, whose type was not known when the statement was translated.
  WHEN x LIKE '{{''utc'': %' THEN CAST(x AS STRUCT(utc TIMESTAMP, tz SMALLINT))
  WHEN regexp_matches(trim(x), '[ T].*([+-]\\d{{2}}(:?\\d{{2}})?|Z)$') THEN struct_pack(
    utc := memory.main.sf_timestamp(trim(regexp_replace(trim(x), '([+-]\\d{{2}}(:?\\d{{2}})?|Z)$', '')))
      - to_minutes(memory.main.sf_offset(trim(x))),
    tz := memory.main.sf_offset(trim(x))::SMALLINT)
  ELSE memory.main.sf_local_to_tz(memory.main.sf_timestamp(x)) END;
CREATE MACRO sf_tz_local(x) AS x.utc + to_minutes(x.tz::INTEGER);
CREATE MACRO sf_tz_utc(x) AS x.utc;
CREATE MACRO sf_tz_instant(x) AS timezone('UTC', x.utc);
CREATE MACRO sf_tz_text(x) AS strftime(memory.main.sf_tz_local(x), '%Y-%m-%d %H:%M:%S.%g ')
  || CASE WHEN x.tz < 0 THEN '-' ELSE '+' END
  || lpad((abs(x.tz) // 60)::VARCHAR, 2, '0') || lpad((abs(x.tz) % 60)::VARCHAR, 2, '0');
CREATE MACRO sf_tz_iso(x) AS strftime(memory.main.sf_tz_local(x), '%Y-%m-%dT%H:%M:%S.%f')
  || CASE WHEN x.tz < 0 THEN '-' ELSE '+' END
  || lpad((abs(x.tz) // 60)::VARCHAR, 2, '0') || ':' || lpad((abs(x.tz) % 60)::VARCHAR, 2, '0');

CREATE MACRO sf_offset_hours(x) AS CASE WHEN x.tz < 0 THEN '-' ELSE '+' END || lpad((abs(x.tz) // 60)::VARCHAR, 2, '0');
CREATE MACRO sf_offset_text(x, separator) AS memory.main.sf_offset_hours(x) || separator
  || lpad((abs(x.tz) % 60)::VARCHAR, 2, '0');
-- An instant that was parsed from a text that ends with an offset.
CREATE MACRO sf_parsed_tz(instant, x) AS CASE WHEN instant IS NULL THEN NULL ELSE struct_pack(
  utc := timezone('UTC', instant), tz := memory.main.sf_offset(trim(x))::SMALLINT) END;
-- strptime reads the year 69 as 1969; Snowflake reads it as 2069, because TWO_DIGIT_CENTURY_START is 1970.
CREATE MACRO sf_century(x) AS CASE WHEN year(x) = 1969 THEN x + INTERVAL 100 YEAR ELSE x END;
CREATE MACRO sf_without_offset(x) AS regexp_replace(x, '\\s*([+-]\\d{{2}}(:?\\d{{2}})?|Z)$', '');
-- strptime reads at most six fractional digits, which is also the precision of the stored timestamps.
CREATE MACRO sf_micros(x) AS regexp_replace(x, '([.]\\d{{6}})\\d+', '\\1');

CREATE MACRO sf_number_text(x) AS
  CASE WHEN regexp_full_match(trim(x), '[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?') THEN trim(x) END;

CREATE MACRO sf_float_text(x) AS regexp_replace(x::VARCHAR, '\\.0$', '');

-- DuckDB knows the type when it binds the call, and keeps only the branch for that type.
CREATE MACRO sf_text(x) AS CASE typeof(x) WHEN 'JSON' THEN json_extract_string(CAST(x AS VARCHAR), '$')
  ELSE CAST(x AS VARCHAR) END;
CREATE MACRO sf_not_variant(x) AS CASE WHEN typeof(x) = 'JSON' THEN
  error('the embedded warehouse does not support a VARIANT whose type is not known here; Snowflake does. Cast it, as in v::STRING')
  ELSE x END;

-- Build an OBJECT from a list of keys and a list of JSON values.
CREATE MACRO sf_object(keys, vals, keep_nulls) AS to_json(map_from_entries(list_filter(list_zip(keys, vals),
  lambda e: e[1] IS NOT NULL AND (keep_nulls OR e[2] IS NOT NULL))));

CREATE MACRO sf_parse_json(x) AS CASE WHEN x IS NULL OR trim(x::VARCHAR) = '' THEN NULL
  WHEN json_valid(x::VARCHAR) THEN x::VARCHAR::JSON
  ELSE regexp_replace(x::VARCHAR, '([{{,]\\s*)([A-Za-z_]\\w*)(\\s*:)', '\\1"\\2"\\3', 'g')::JSON END;

CREATE MACRO sf_element(j, i) AS CASE WHEN i >= 0 THEN json_extract(j, '$[' || CAST(i AS BIGINT) || ']') END;
CREATE MACRO sf_field(j, k) AS json_extract(j, '$."' || replace(k, '"', '\"') || '"');

CREATE MACRO sf_to_object(x) AS CASE WHEN x IS NULL OR json_type(x::JSON) = 'OBJECT' THEN x::JSON
  ELSE error('Failed to cast variant value ' || x::VARCHAR || ' to OBJECT') END;
CREATE MACRO sf_to_array(x) AS CASE WHEN x IS NULL THEN NULL WHEN json_type(to_json(x)) = 'ARRAY' THEN to_json(x)
  ELSE json_array(x) END;
CREATE MACRO sf_variant(x) AS CASE WHEN x IS NULL THEN NULL ELSE to_json(x)::VARCHAR END;

-- random() has fewer than 64 random bits: the low bits of a scaled value would always be zero.
CREATE MACRO sf_random() AS CAST(hash(random())::HUGEINT - 9223372036854775808 AS BIGINT);
CREATE MACRO sf_uniform_whole(a, b) AS CAST(a + floor(random() * (b - a + 1)) AS BIGINT);
CREATE MACRO sf_uniform(a, b) AS a + random() * (b - a);

-- The one-element list evaluates the generator once, so that all letters derive from the same value.
CREATE MACRO sf_randstr(n, g) AS list_transform([struct_pack(n := n::BIGINT, g := g)], lambda s:
  array_to_string(list_transform(range(s.n), lambda i: substr(
    '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', 1 + (hash(i, s.g) % 62)::INTEGER, 1)), ''))[1];

CREATE MACRO sf_elements(j, how) AS CASE json_type(j)
  WHEN 'ARRAY' THEN CASE WHEN how IN ('BOTH', 'ARRAY') THEN list_transform(CAST(j AS JSON[]),
    lambda v, i: struct_pack(k := NULL::VARCHAR, i := i - 1, v := v)) ELSE [] END
  WHEN 'OBJECT' THEN CASE WHEN how IN ('BOTH', 'OBJECT') THEN list_transform(json_keys(j),
    lambda x: struct_pack(k := x, i := NULL::BIGINT, v := json_extract(j, '$."' || x || '"'))) ELSE [] END
  ELSE [] END;

CREATE MACRO sf_path(prefix, k, i) AS
  CASE WHEN k IS NULL THEN prefix || '[' || i || ']' WHEN prefix = '' THEN k ELSE prefix || '.' || k END;

CREATE MACRO sf_row_hash(keys) AS CAST(hash(keys) >> 1 AS BIGINT);

CREATE MACRO sf_flatten(j, how, keep, prefix, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", e.k AS "KEY", CASE WHEN e IS NULL THEN prefix ELSE memory.main.sf_path(prefix, e.k, e.i) END AS "PATH",
  e.i AS "INDEX", e.v AS "VALUE", j AS "THIS"
FROM (SELECT unnest(CASE WHEN keep AND len(coalesce(memory.main.sf_elements(j::JSON, how), [])) = 0 THEN [NULL]
  ELSE memory.main.sf_elements(j::JSON, how) END) AS e);

CREATE MACRO sf_flatten_recursive(j, how, keep, prefix, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", CASE WHEN t.fullkey[-1:] = ']' THEN NULL ELSE t.key END AS "KEY",
  CASE WHEN prefix = '' THEN ltrim(t.fullkey[2:], '.') ELSE prefix || t.fullkey[2:] END AS "PATH",
  CASE WHEN t.fullkey[-1:] = ']' THEN TRY_CAST(t.key AS BIGINT) END AS "INDEX",
  t.value::JSON AS "VALUE", json_extract(j::JSON, t.path) AS "THIS"
FROM json_tree(coalesce(j::JSON, 'null'::JSON)) t
WHERE t.parent IS NOT NULL AND (how = 'BOTH' OR (how = 'ARRAY') = (t.fullkey[-1:] = ']'))
UNION ALL SELECT seq, NULL, prefix, NULL, NULL, j::JSON WHERE keep AND len(coalesce(memory.main.sf_elements(j::JSON, how), [])) = 0;

CREATE MACRO sf_split_to_table(x, separator, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", i::BIGINT AS "INDEX", v AS "VALUE"
FROM (SELECT unnest(parts) AS v, generate_subscripts(parts, 1) AS i FROM (SELECT
  -- With an empty separator DuckDB splits a text into its characters; Snowflake does not split it.
  CASE WHEN separator = '' THEN [x] ELSE string_split(x, separator) END AS parts));

CREATE MACRO sf_strtok_split_to_table(x, marks, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", i::BIGINT AS "INDEX", v AS "VALUE" FROM (SELECT unnest(parts) AS v, generate_subscripts(parts, 1) AS i
FROM (SELECT list_filter(string_split_regex(x, '[' || regexp_escape(marks) || ']'), lambda p: p <> '') AS parts));
"""

# Macros that the fakesnow transforms used by the translation call.
MACROS += "".join(
    macro.substitute(catalog="memory.main") for macro in (FS_HAVERSINE, FS_OBJECT_CONSTRUCT_STAR)
)
