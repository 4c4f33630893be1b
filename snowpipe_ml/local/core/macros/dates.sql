-- Macros of the functions of the family: dates.
-- An integer in a text: seconds, milliseconds, microseconds or nanoseconds since 1970, by its magnitude.
-- https://docs.snowflake.com/en/sql-reference/functions/to_timestamp
CREATE MACRO sf_micros_of(n) AS CASE WHEN n % 1000 <> 0 THEN _MACROS.main.sf_refuse('nanoseconds')::BIGINT ELSE n // 1000 END;

CREATE MACRO sf_is_integer(x) AS regexp_full_match(trim(x), '[+-]?\d+');

CREATE MACRO sf_digits_to_timestamp(x) AS
  CASE WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT) * 1000)
       WHEN abs(TRY_CAST(x AS BIGINT)) < 31536000000000000 THEN make_timestamp(TRY_CAST(x AS BIGINT))
       ELSE make_timestamp(_MACROS.main.sf_micros_of(TRY_CAST(x AS BIGINT))) END;

-- strptime reads at most six fractional digits, which is also the precision of the stored timestamps.
CREATE MACRO sf_micros(x) AS CASE WHEN NOT regexp_matches(x, '[.]\d{7}') THEN x
  WHEN regexp_matches(x, '[.]\d{6}\d*[1-9]') THEN _MACROS.main.sf_refuse('nanoseconds')::VARCHAR
  ELSE regexp_replace(x, '([.]\d{6})\d+', '\1') END;

-- A text without the digits that are finer than microseconds, for a type that does not keep them.
CREATE MACRO sf_no_nanos(x) AS CASE WHEN regexp_matches(x, '[.]\d{7}')
  THEN regexp_replace(x, '([.]\d{6})\d+', '\1') ELSE x END;

-- Times and timestamps without the fractions of seconds that their type does not keep; n is its unit in microseconds.
-- https://docs.snowflake.com/en/sql-reference/data-types-datetime
CREATE MACRO sf_cut_ntz(x, n) AS make_timestamp(epoch_us(x::TIMESTAMP) - (epoch_us(x::TIMESTAMP) % n + n) % n);

CREATE MACRO sf_cut_ltz(x, n) AS timezone('UTC',
  make_timestamp(epoch_us(x::TIMESTAMPTZ) - (epoch_us(x::TIMESTAMPTZ) % n + n) % n));

CREATE MACRO sf_cut_tz(x, n) AS CASE WHEN x IS NULL THEN NULL ELSE struct_pack(
  utc := _MACROS.main.sf_cut_ntz((x::STRUCT(utc TIMESTAMP, tz SMALLINT)).utc, n),
  tz := (x::STRUCT(utc TIMESTAMP, tz SMALLINT)).tz) END;

CREATE MACRO sf_cut_time(x, n) AS x::TIME - to_microseconds(epoch_us(x::TIME) % n);

-- Whether a text in an automatically detected format has an offset: at its end, or before the year.
CREATE MACRO sf_has_offset(x) AS regexp_matches(x, '(:\d{1,2}([.]\d+)?|[AP]M)\s*([+-]\d{1,2}(:?\d{2})?|Z)$|^[A-Za-z]{3} .*[+-]\d{4} \d{4}$');

CREATE MACRO sf_offset_of(x) AS CASE WHEN x LIKE '%Z' THEN 0 ELSE
  (CASE WHEN regexp_extract(x, '([+-])\d{1,2}(:?\d{2})?( \d{4})?$', 1) = '-' THEN -1 ELSE 1 END)
  * (TRY_CAST(regexp_extract(x, '[+-](\d{1,2})(:?\d{2})?( \d{4})?$', 1) AS INTEGER) * 60
     + coalesce(TRY_CAST(regexp_extract(x, '[+-]\d{2}:?(\d{2})( \d{4})?$', 1) AS INTEGER), 0)) END;

CREATE MACRO sf_cut_offset(x) AS CASE WHEN _MACROS.main.sf_has_offset(x)
  THEN regexp_replace(x, '\s*([+-]\d{1,2}(:?\d{2})?|Z)( \d{4})?$', '\3') ELSE x END;

-- The wall clock of a text in one of the formats that Snowflake detects; NULL if there is none.
-- https://docs.snowflake.com/en/sql-reference/date-time-input-output#supported-formats-for-auto-detection
CREATE MACRO sf_clock_of(x) AS CASE
  WHEN regexp_full_match(x, '\d{1,4}-\d{1,2}-\d{1,2}([ T]+([01]?\d|2[0-3]):\d{1,2}:\d{1,2}([.]\d*)?)?') THEN TRY_CAST(x AS TIMESTAMP)
  WHEN regexp_full_match(x, '\d{1,4}-\d{1,2}-\d{1,2}[ T]+\d{1,2}(:\d{1,2})?')
    THEN try_strptime(replace(x, 'T', ' '), ['%Y-%m-%d %H:%M', '%Y-%m-%d %H'])
  WHEN regexp_full_match(x, '\d{1,2}/\d{1,2}/\d{4}( .*)?') THEN try_strptime(x, ['%m/%d/%Y %H:%M:%S', '%m/%d/%Y'])
  WHEN regexp_full_match(x, '\d{1,2}-[A-Za-z]+-\d{4}') THEN try_strptime(x, ['%d-%b-%Y', '%d-%B-%Y'])
  WHEN regexp_full_match(x, '[A-Za-z]{3}, .*') THEN try_strptime(x, ['%a, %d %b %Y %H:%M:%S', '%a, %d %b %Y %H:%M:%S.%f',
    '%a, %d %b %Y %I:%M:%S %p', '%a, %d %b %Y %I:%M:%S.%f %p'])
  WHEN regexp_full_match(x, '[A-Za-z]{3} .*') THEN try_strptime(x, '%a %b %d %H:%M:%S %Y') END;

-- The most common form, which DuckDB reads an order of magnitude faster than all others.
CREATE MACRO sf_is_iso(x) AS regexp_full_match(x, '\d{4}-\d\d-\d\d([ T]([01]\d|2[0-3]):\d\d:\d\d([.]\d{1,6})?)?');

-- The one-element list evaluates the text once.
CREATE MACRO sf_try_clock(x) AS list_transform([_MACROS.main.sf_cut_offset(_MACROS.main.sf_micros(trim(x)))],
  lambda written: _MACROS.main.sf_clock_of(written))[1];

CREATE MACRO sf_iso_clock(x) AS CASE WHEN _MACROS.main.sf_is_iso(x) THEN TRY_CAST(x AS TIMESTAMP) END;

-- A year of two digits, which strptime reads as 1969 to 2068, in the century from TWO_DIGIT_CENTURY_START on.
CREATE MACRO sf_century_start() AS coalesce(getvariable('TWO_DIGIT_CENTURY_START'), 1970);

-- The one-element list evaluates the timestamp once, and only where it is needed.
CREATE MACRO sf_century(x) AS list_transform([x], lambda _sf_t: _sf_t + to_years((_MACROS.main.sf_century_start()
  + (year(_sf_t) % 100 - _MACROS.main.sf_century_start() % 100 + 100) % 100 - year(_sf_t))::INTEGER))[1];

-- A text in an input format of the session, whose patterns of strptime core/parameters.py puts into a variable of the
-- parameter's name; without one, DuckDB leaves the branches that read it out of a query.
-- https://docs.snowflake.com/en/sql-reference/date-time-input-output
CREATE MACRO sf_by_patterns(x, patterns) AS CASE WHEN contains(CAST(patterns AS VARCHAR), '%y')
  THEN _MACROS.main.sf_century(try_strptime(_MACROS.main.sf_micros(trim(x)), CAST(patterns AS VARCHAR[])))
  ELSE try_strptime(_MACROS.main.sf_micros(trim(x)), CAST(patterns AS VARCHAR[])) END;

-- CASE and not coalesce(): what is repeated in the arguments of coalesce(), DuckDB evaluates beforehand for all rows.
CREATE MACRO sf_auto_timestamp(x) AS CASE WHEN _MACROS.main.sf_is_iso(x) THEN TRY_CAST(x AS TIMESTAMP)
  WHEN _MACROS.main.sf_is_integer(x) THEN _MACROS.main.sf_digits_to_timestamp(trim(x))
  ELSE _MACROS.main.sf_try_clock(x) END;

CREATE MACRO sf_try_timestamp(x) AS CASE WHEN getvariable('TIMESTAMP_INPUT_FORMAT') IS NULL THEN _MACROS.main.sf_auto_timestamp(x)
  ELSE _MACROS.main.sf_by_patterns(x, getvariable('TIMESTAMP_INPUT_FORMAT')) END;

CREATE MACRO sf_unread_timestamp(x) AS make_timestamp(_MACROS.main.sf_raise(100035, '22007',
  'Timestamp ''' || x || ''' is not recognized')::BIGINT);

CREATE MACRO sf_timestamp(x) AS coalesce(_MACROS.main.sf_try_timestamp(x),
  CASE WHEN x IS NOT NULL THEN _MACROS.main.sf_unread_timestamp(x) END);

CREATE MACRO sf_try_date(x) AS CASE WHEN getvariable('DATE_INPUT_FORMAT') IS NULL
  THEN CAST(_MACROS.main.sf_auto_timestamp(x) AS DATE)
  ELSE CAST(_MACROS.main.sf_by_patterns(x, getvariable('DATE_INPUT_FORMAT')) AS DATE) END;

CREATE MACRO sf_date(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(_MACROS.main.sf_try_date(x), DATE '1970-01-01' + _MACROS.main.sf_raise(100040, '22007',
    'Date ''' || x || ''' is not recognized')) END;

CREATE MACRO sf_try_time(x) AS CASE
  WHEN getvariable('TIME_INPUT_FORMAT') IS NOT NULL
    THEN CAST(_MACROS.main.sf_by_patterns(x, getvariable('TIME_INPUT_FORMAT')) AS TIME)
  WHEN _MACROS.main.sf_is_integer(x) THEN CAST(date_trunc('second', _MACROS.main.sf_digits_to_timestamp(trim(x))) AS TIME)
  ELSE CAST(try_strptime(_MACROS.main.sf_cut_offset(_MACROS.main.sf_micros(trim(x))),
    ['%H:%M:%S', '%H:%M:%S.%f', '%H:%M', '%I:%M:%S %p', '%I:%M:%S.%f %p', '%I:%M %p']) AS TIME) END;

CREATE MACRO sf_time(x) AS
  CASE WHEN x IS NULL THEN NULL
       ELSE coalesce(_MACROS.main.sf_try_time(x), TIME '00:00:00' + to_seconds(_MACROS.main.sf_raise(100108, '22007',
         'Time ''' || x || ''' is not recognized'))) END;

-- A timestamp in a VARIANT has a time of day; a text that is not a time has none.
CREATE MACRO sf_variant_to_time(j) AS _MACROS.main.sf_time(CASE
  WHEN unicode(json_extract_string(j, '$')) BETWEEN 64981 AND 64983 THEN substr(_MACROS.main.sf_variant_clock(j), 12)
  ELSE _MACROS.main.sf_variant_clock(j) END);

-- DuckDB has no TIMESTAMP_TZ: it is stored as a struct of the instant in UTC and the offset in minutes.
CREATE MACRO sf_local_to_tz(x) AS CASE WHEN x IS NULL THEN NULL ELSE struct_pack(
  utc := timezone('UTC', timezone(current_setting('TimeZone'), x::TIMESTAMP)),
  tz := date_diff('minute', timezone('UTC', timezone(current_setting('TimeZone'), x::TIMESTAMP)), x::TIMESTAMP)::SMALLINT) END;

CREATE MACRO sf_instant_to_tz(x) AS _MACROS.main.sf_local_to_tz(timezone(current_setting('TimeZone'), x));

CREATE MACRO sf_tz_make(instant, minutes) AS CASE WHEN instant IS NULL OR minutes IS NULL THEN NULL
  ELSE struct_pack(utc := instant, tz := minutes::SMALLINT) END;

CREATE MACRO sf_utc_to_tz(x) AS _MACROS.main.sf_instant_to_tz(timezone('UTC', x));

CREATE MACRO sf_offset(x) AS _MACROS.main.sf_offset_of(trim(x));

-- The offset at the end of a text, in minutes.
CREATE MACRO sf_last_offset(x) AS CASE WHEN regexp_matches(x, '-\d\d:?\d\d$') THEN -1 ELSE 1 END
  * (left(right(replace(x, ':', ''), 4), 2)::INTEGER * 60 + right(x, 2)::INTEGER);

-- The instant of a text with an offset, before which DuckDB reads no space and in which it needs a colon.
CREATE MACRO sf_iso_instant(x) AS TRY_CAST(regexp_replace(x, ' ?([+-]\d\d):?(\d\d)$', '\1:\2') AS TIMESTAMPTZ);

CREATE MACRO sf_text_clock_to_tz(x, clock) AS CASE WHEN x IS NULL THEN NULL
  -- The most common form with an offset, which DuckDB reads an order of magnitude faster than all others. In CASE,
  -- DuckDB evaluates a repeated expression each time.
  WHEN regexp_full_match(x, '\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.]\d{1,6})? ?[+-]\d\d:?\d\d') AND _MACROS.main.sf_iso_instant(x) IS NOT NULL
    THEN struct_pack(utc := timezone('UTC', _MACROS.main.sf_iso_instant(x)), tz := _MACROS.main.sf_last_offset(x)::SMALLINT)
  WHEN _MACROS.main.sf_iso_clock(x) IS NOT NULL THEN _MACROS.main.sf_local_to_tz(_MACROS.main.sf_iso_clock(x))
  -- The text of a stored TIMESTAMP_TZ struct, whose type was not known when the statement was translated.
  WHEN x LIKE '{''utc'': %' THEN CAST(x AS STRUCT(utc TIMESTAMP, tz SMALLINT))
  ELSE list_transform([struct_pack(x := trim(x), clock := clock)], lambda t: CASE
    WHEN _MACROS.main.sf_is_integer(t.x) THEN _MACROS.main.sf_utc_to_tz(_MACROS.main.sf_digits_to_timestamp(t.x))
    WHEN _MACROS.main.sf_has_offset(t.x) THEN _MACROS.main.sf_tz_make(t.clock - to_minutes(_MACROS.main.sf_offset_of(t.x)),
      _MACROS.main.sf_offset_of(t.x))
    ELSE _MACROS.main.sf_local_to_tz(t.clock) END)[1] END;

CREATE MACRO sf_try_text_to_tz(x) AS CASE WHEN getvariable('TIMESTAMP_INPUT_FORMAT') IS NULL
  THEN _MACROS.main.sf_text_clock_to_tz(x, _MACROS.main.sf_try_clock(x))
  ELSE list_transform([_MACROS.main.sf_by_patterns(x, getvariable('TIMESTAMP_INPUT_FORMAT'))],
    lambda read: _MACROS.main.sf_local_to_tz(read))[1] END;

CREATE MACRO sf_auto_text_to_tz(x) AS _MACROS.main.sf_text_clock_to_tz(x,
  CASE WHEN _MACROS.main.sf_is_integer(x) THEN NULL
  ELSE coalesce(_MACROS.main.sf_try_clock(x), _MACROS.main.sf_unread_timestamp(x)) END);

CREATE MACRO sf_text_to_tz(x) AS CASE WHEN getvariable('TIMESTAMP_INPUT_FORMAT') IS NULL THEN _MACROS.main.sf_auto_text_to_tz(x)
  WHEN x IS NULL THEN NULL ELSE list_transform([coalesce(
    _MACROS.main.sf_by_patterns(x, getvariable('TIMESTAMP_INPUT_FORMAT')), _MACROS.main.sf_unread_timestamp(x))],
    lambda read: _MACROS.main.sf_local_to_tz(read))[1] END;

-- A TIMESTAMP_LTZ: the instant of a text with an offset, or of a wall clock in the session's time zone.
CREATE MACRO sf_try_text_to_ltz(x) AS CASE WHEN x IS NULL THEN NULL
  WHEN getvariable('TIMESTAMP_INPUT_FORMAT') IS NOT NULL
    THEN timezone(current_setting('TimeZone'), _MACROS.main.sf_by_patterns(x, getvariable('TIMESTAMP_INPUT_FORMAT')))
  WHEN _MACROS.main.sf_iso_clock(x) IS NOT NULL THEN timezone(current_setting('TimeZone'), _MACROS.main.sf_iso_clock(x))
  WHEN _MACROS.main.sf_is_integer(x) THEN timezone('UTC', _MACROS.main.sf_digits_to_timestamp(trim(x)))
  WHEN _MACROS.main.sf_has_offset(trim(x))
    THEN timezone('UTC', _MACROS.main.sf_try_clock(x) - to_minutes(_MACROS.main.sf_offset(x)))
  ELSE timezone(current_setting('TimeZone'), _MACROS.main.sf_try_clock(x)) END;

CREATE MACRO sf_text_to_ltz(x) AS CASE WHEN x IS NULL THEN NULL
  ELSE coalesce(_MACROS.main.sf_try_text_to_ltz(x), timezone('UTC', _MACROS.main.sf_unread_timestamp(x))) END;

-- A number of units since 1970, of which a microsecond is a part; the result is a timestamp in UTC.
CREATE MACRO sf_epoch(n, micros) AS make_timestamp(CAST(round(CAST(n AS DECIMAL(25,6)) * CAST(micros AS DECIMAL(7,0))) AS BIGINT));

CREATE MACRO sf_epoch_nanos(n) AS make_timestamp(_MACROS.main.sf_micros_of(CAST(n AS BIGINT)));

-- A number in a VARIANT is an instant, which the wall clock of the session shows; a text is read as such.
CREATE MACRO sf_variant_to_timestamp(j) AS CASE WHEN json_type(j) IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')
  THEN timezone(current_setting('TimeZone'), timezone('UTC', _MACROS.main.sf_epoch(CAST(j AS DECIMAL(25,6)), 1000000)))
  ELSE _MACROS.main.sf_timestamp(_MACROS.main.sf_variant_clock(j)) END;

CREATE MACRO sf_tz_local(x) AS x.utc + to_minutes(x.tz::INTEGER);

CREATE MACRO sf_tz_utc(x) AS x.utc;

CREATE MACRO sf_tz_instant(x) AS timezone('UTC', x.utc);

CREATE MACRO sf_offset_hours(x) AS CASE WHEN x.tz < 0 THEN '-' ELSE '+' END || lpad((abs(x.tz) // 60)::VARCHAR, 2, '0');

CREATE MACRO sf_offset_text(x, separator) AS _MACROS.main.sf_offset_hours(x) || separator
  || lpad((abs(x.tz) % 60)::VARCHAR, 2, '0');

-- Texts in the output formats of the session (core/parameters.py sets the variables to patterns of strftime).
-- The characters 1, 2 and 3 stand for the elements TZH:TZM, TZHTZM and TZH.
CREATE MACRO sf_date_text(x) AS strftime(x, coalesce(getvariable('DATE_OUTPUT_FORMAT'), '%Y-%m-%d'));

CREATE MACRO sf_time_text(x) AS strftime(DATE '1970-01-01' + x, coalesce(getvariable('TIME_OUTPUT_FORMAT'), '%H:%M:%S'));

CREATE MACRO sf_ntz_text(x) AS strftime(x, coalesce(getvariable('TIMESTAMP_NTZ_OUTPUT_FORMAT'), '%Y-%m-%d %H:%M:%S.%g'));

CREATE MACRO sf_marks(text, x) AS replace(replace(replace(text, chr(1), _MACROS.main.sf_offset_text(x, ':')),
  chr(2), _MACROS.main.sf_offset_text(x, '')), chr(3), _MACROS.main.sf_offset_hours(x));

CREATE MACRO sf_tz_text(x) AS _MACROS.main.sf_marks(strftime(_MACROS.main.sf_tz_local(x),
  coalesce(getvariable('TIMESTAMP_TZ_OUTPUT_FORMAT'), getvariable('TIMESTAMP_OUTPUT_FORMAT'),
    '%Y-%m-%d %H:%M:%S.%g ' || chr(2))), x);

CREATE MACRO sf_ltz_text(x) AS _MACROS.main.sf_marks(strftime(_MACROS.main.sf_tz_local(x),
  coalesce(getvariable('TIMESTAMP_LTZ_OUTPUT_FORMAT'), getvariable('TIMESTAMP_OUTPUT_FORMAT'),
    '%Y-%m-%d %H:%M:%S.%g ' || chr(2))), x);

CREATE MACRO sf_tz_iso(x) AS strftime(_MACROS.main.sf_tz_local(x), '%Y-%m-%dT%H:%M:%S.%f')
  || CASE WHEN x.tz < 0 THEN '-' ELSE '+' END
  || lpad((abs(x.tz) // 60)::VARCHAR, 2, '0') || ':' || lpad((abs(x.tz) % 60)::VARCHAR, 2, '0');

-- An instant that was parsed from a text that ends with an offset.
CREATE MACRO sf_parsed_tz(instant, x) AS CASE WHEN instant IS NULL THEN NULL ELSE struct_pack(
  utc := timezone('UTC', instant), tz := _MACROS.main.sf_offset(trim(x))::SMALLINT) END;

CREATE MACRO sf_without_offset(x) AS regexp_replace(x, '\s*([+-]\d{2}(:?\d{2})?|Z)$', '');

-- The session parameters WEEK_START and WEEK_OF_YEAR_POLICY (statements/parameters.py sets the variables).
CREATE MACRO sf_week_start() AS coalesce(getvariable('WEEK_START'), 0);

-- The first day of the week of a DATE: on a Monday if WEEK_START is 0 or 1.
CREATE MACRO sf_week_first(x) AS x - ((isodow(x) - greatest(_MACROS.main.sf_week_start(), 1) + 7) % 7)::INTEGER;

CREATE MACRO sf_day_of_week(x) AS CASE WHEN _MACROS.main.sf_week_start() = 0 THEN dayofweek(x)
  ELSE (isodow(x) - _MACROS.main.sf_week_start() + 7) % 7 + 1 END;

-- With the policy 0 a week belongs to the year of its fourth day; with 1 January 1 begins the first week.
CREATE MACRO sf_week(x) AS CASE WHEN coalesce(getvariable('WEEK_OF_YEAR_POLICY'), 0) = 0
  THEN (dayofyear(_MACROS.main.sf_week_first(x) + 3) - 1) // 7 + 1
  ELSE (_MACROS.main.sf_week_first(x) - _MACROS.main.sf_week_first(make_date(year(x), 1, 1))) // 7 + 1 END;

CREATE MACRO sf_year_of_week(x) AS CASE WHEN coalesce(getvariable('WEEK_OF_YEAR_POLICY'), 0) = 0
  THEN year(_MACROS.main.sf_week_first(x) + 3) ELSE year(x) END;

CREATE MACRO sf_weeks_between(a, b) AS (_MACROS.main.sf_week_first(b) - _MACROS.main.sf_week_first(a)) // 7;

CREATE MACRO sf_iso_year_first(x) AS CAST(date_trunc('week', make_date(isoyear(x), 1, 4)) AS DATE);

-- A TIMESTAMP_TZ of a new wall clock with the offset of another one.
CREATE MACRO sf_tz_moved(x, clock) AS _MACROS.main.sf_tz_make(clock - to_minutes(x.tz::INTEGER), x.tz);

-- The wall clock of an instant, a timestamp in UTC, in a time zone: as a TIMESTAMP_TZ.
CREATE MACRO sf_in_zone(utc, zone) AS _MACROS.main.sf_tz_make(utc,
  date_diff('minute', utc, timezone(zone, timezone('UTC', utc))));

CREATE MACRO sf_zone_to_utc(clock, zone) AS timezone('UTC', timezone(zone, clock));

-- A difference of TIMESTAMP_TZ values, which is certain only if their wall clocks and UTC give the same.
CREATE MACRO sf_same_difference(a, b) AS CASE WHEN a = b THEN a WHEN a IS NULL OR b IS NULL THEN NULL
  ELSE _MACROS.main.sf_refuse('DATEDIFF of TIMESTAMP_TZ values whose wall clocks and UTC give different results')::BIGINT END;

CREATE MACRO sf_add_months(x, n) AS CASE WHEN x::DATE = last_day(x::DATE)
  THEN last_day((x::DATE + to_months(n::INTEGER))::DATE) + (x - x::DATE::TIMESTAMP) ELSE x + to_months(n::INTEGER) END;

CREATE MACRO sf_months_between(a, b) AS (year(a) - year(b)) * 12 + month(a) - month(b)
  + CASE WHEN day(a) = day(b) OR (a::DATE = last_day(a::DATE) AND b::DATE = last_day(b::DATE)) THEN 0
    ELSE (epoch(a - date_trunc('month', a)) - epoch(b - date_trunc('month', b))) / 2678400.0 END::DOUBLE;

-- The number (Monday is 1) of a day whose name begins with two letters.
CREATE MACRO sf_day_number(name) AS CASE WHEN name IS NULL THEN NULL
  ELSE coalesce(list_position(['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'], lower(left(ltrim(name), 2))),
    _MACROS.main.sf_raise(100140, '22007', 'Invalid day of week: ' || name)::INTEGER) END;

CREATE MACRO sf_next_day(x, name) AS x + ((_MACROS.main.sf_day_number(name) - isodow(x) + 6) % 7 + 1)::INTEGER;

CREATE MACRO sf_previous_day(x, name) AS x - ((isodow(x) - _MACROS.main.sf_day_number(name) + 6) % 7 + 1)::INTEGER;

CREATE MACRO sf_floored(a, n) AS a - ((a % n) + n) % n;

-- The beginning of the slice number `more` after that of x: in months, in days since a first one, and in microseconds.
CREATE MACRO sf_slice_months(x, n, more) AS CAST(DATE '1970-01-01'
  + to_months((_MACROS.main.sf_floored((year(x) - 1970) * 12 + month(x) - 1, n) + n * more)::INTEGER) AS DATE);

CREATE MACRO sf_slice_days(x, first, n, more) AS first + (_MACROS.main.sf_floored(x::DATE - first, n) + n * more)::INTEGER;

CREATE MACRO sf_slice_micros(x, n, more) AS make_timestamp(_MACROS.main.sf_floored(epoch_us(x), n) + n * more);

CREATE MACRO sf_date_from_parts(y, m, d) AS CAST(make_date(y, 1, 1) + to_months((m - 1)::INTEGER) AS DATE) + (d - 1)::INTEGER;

CREATE MACRO sf_clock_from_parts(h, m, s, n) AS to_hours(h) + to_minutes(m) + to_seconds(s)
  + to_microseconds(_MACROS.main.sf_micros_of(n));

CREATE MACRO sf_time_from_parts(h, m, s, n) AS TIME '00:00:00' + _MACROS.main.sf_clock_from_parts(h, m, s, n);

CREATE MACRO sf_timestamp_from_parts(y, mo, d, h, m, s, n) AS
  _MACROS.main.sf_date_from_parts(y, mo, d)::TIMESTAMP + _MACROS.main.sf_clock_from_parts(h, m, s, n);

-- The hours (a unit of 60) or minutes (1) of an offset, with its sign.
CREATE MACRO sf_offset_part(x, unit) AS sign(x.tz)::BIGINT * ((abs(x.tz) // unit) % 60)::BIGINT;
