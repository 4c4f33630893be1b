-- Macros of the functions of the family: dates.
CREATE MACRO sf_digits_to_timestamp(x) AS
  CASE WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT))
       ELSE make_timestamp(TRY_CAST(x AS BIGINT) // 1000) END;

CREATE MACRO sf_try_timestamp(x) AS
  CASE WHEN regexp_full_match(trim(x::VARCHAR), '[+-]?\d+') THEN memory.main.sf_digits_to_timestamp(trim(x::VARCHAR))
       WHEN regexp_full_match(trim(x::VARCHAR), '\d{4}-\d{1,2}-\d{1,2}([ T].*)?') THEN TRY_CAST(x AS TIMESTAMP)
       ELSE try_strptime(x::VARCHAR, ['%m/%d/%Y %H:%M:%S', '%m/%d/%Y', '%d-%b-%Y', '%a %b %d %H:%M:%S %Y', '%a, %d %b %Y %H:%M:%S']) END;

CREATE MACRO sf_timestamp(x) AS
  CASE WHEN x IS NULL THEN NULL
       ELSE coalesce(memory.main.sf_try_timestamp(x), error('Could not convert string ''' || x::VARCHAR || ''' to TIMESTAMP')) END;

CREATE MACRO sf_try_date(x) AS
  CASE WHEN regexp_full_match(trim(x::VARCHAR), '\d{4}-\d{1,2}-\d{1,2}([ T].*)?') THEN TRY_CAST(x AS DATE)
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
  (CASE WHEN regexp_extract(x, '([+-])\d{2}(:?\d{2})?\s*$', 1) = '-' THEN -1 ELSE 1 END)
  * (TRY_CAST(regexp_extract(x, '[+-](\d{2})(:?\d{2})?\s*$', 1) AS INTEGER) * 60
     + coalesce(TRY_CAST(regexp_extract(x, '[+-]\d{2}:?(\d{2})\s*$', 1) AS INTEGER), 0)) END;

CREATE MACRO sf_text_to_tz(x) AS CASE WHEN x IS NULL THEN NULL
  -- The text of a stored TIMESTAMP_TZ struct, whose type was not known when the statement was translated.
  WHEN x LIKE '{''utc'': %' THEN CAST(x AS STRUCT(utc TIMESTAMP, tz SMALLINT))
  WHEN regexp_matches(trim(x), '[ T].*([+-]\d{2}(:?\d{2})?|Z)$') THEN struct_pack(
    utc := memory.main.sf_timestamp(trim(regexp_replace(trim(x), '([+-]\d{2}(:?\d{2})?|Z)$', '')))
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

CREATE MACRO sf_without_offset(x) AS regexp_replace(x, '\s*([+-]\d{2}(:?\d{2})?|Z)$', '');

-- strptime reads at most six fractional digits, which is also the precision of the stored timestamps.
CREATE MACRO sf_micros(x) AS regexp_replace(x, '([.]\d{6})\d+', '\1');
