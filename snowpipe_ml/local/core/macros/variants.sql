-- Macros of the functions of the family: variants.
-- A VARIANT is JSON text in which marked strings stand for what JSON has not: see snowpipe_ml/local/core/variants.py.
-- Names in macros begin with _sf_, because a name of the user's statement must not be captured.
CREATE MACRO sf_undefined() AS '"' || chr(64976) || '"';

CREATE MACRO sf_defined(j) AS CASE WHEN j = _MACROS.main.sf_undefined() THEN NULL ELSE j END;

CREATE MACRO sf_marked(code, t) AS to_json(chr(code) || t);

CREATE MACRO sf_trimmed_json(t) AS CASE WHEN regexp_full_match(t, '-?\d{1,18}') THEN t::JSON
  WHEN length(t) <= 16 AND NOT starts_with(ltrim(t, '-'), '0.000') THEN t::JSON ELSE _MACROS.main.sf_marked(64978, t) END;

CREATE MACRO sf_number_json(t) AS CASE WHEN contains(t, '.') THEN _MACROS.main.sf_trimmed_json(rtrim(rtrim(t, '0'), '.'))
  ELSE _MACROS.main.sf_trimmed_json(t) END;

CREATE MACRO sf_decimal_variant(x) AS _MACROS.main.sf_number_json(x::VARCHAR);

CREATE MACRO sf_float_variant(x) AS _MACROS.main.sf_marked(64977, _MACROS.main.sf_float_text(x));

CREATE MACRO sf_date_variant(x) AS _MACROS.main.sf_marked(64979, x::VARCHAR);

-- The fractions of seconds that the text of a time does not show follow it after U+FDD9.
CREATE MACRO sf_unshown(micros) AS CASE WHEN micros % 1000 = 0 THEN '' ELSE chr(64985) || lpad((micros % 1000)::VARCHAR, 3, '0') END;

CREATE MACRO sf_time_variant(x) AS _MACROS.main.sf_marked(64980, left(x::VARCHAR, 8)
  || CASE WHEN length(x::VARCHAR) > 8 THEN chr(64985) || substr(x::VARCHAR, 9) ELSE '' END);

CREATE MACRO sf_ntz_variant(x) AS _MACROS.main.sf_marked(64981, strftime(x, '%Y-%m-%d %H:%M:%S.%g')
  || _MACROS.main.sf_unshown(microsecond(x)));

CREATE MACRO sf_ltz_variant(x) AS _MACROS.main.sf_marked(64982, _MACROS.main.sf_tz_text(_MACROS.main.sf_instant_to_tz(x))
  || _MACROS.main.sf_unshown(microsecond(x)));

CREATE MACRO sf_tz_variant(x) AS _MACROS.main.sf_marked(64983, _MACROS.main.sf_tz_text(x)
  || _MACROS.main.sf_unshown(microsecond(x.utc)));

CREATE MACRO sf_binary_variant(x) AS _MACROS.main.sf_marked(64984, hex(x));

-- DuckDB knows the type when it binds the call, and keeps only the branch for that type.
CREATE MACRO sf_variant(x) AS CASE
  WHEN typeof(x) IN ('JSON', 'VARCHAR', 'BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER', '"NULL"') OR typeof(x) LIKE '%[]' THEN to_json(x)
  WHEN typeof(x) IN ('BIGINT', 'HUGEINT', 'UBIGINT', 'UHUGEINT') OR typeof(x) LIKE 'DECIMAL%' THEN _MACROS.main.sf_decimal_variant(x)
  WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN _MACROS.main.sf_float_variant(x)
  WHEN typeof(x) = 'DATE' THEN _MACROS.main.sf_date_variant(x)
  WHEN typeof(x) = 'TIME' THEN _MACROS.main.sf_time_variant(x)
  WHEN typeof(x) IN ('TIMESTAMP', 'TIMESTAMP_NS', 'TIMESTAMP_MS', 'TIMESTAMP_S') THEN _MACROS.main.sf_ntz_variant(TRY_CAST(x::VARCHAR AS TIMESTAMP))
  WHEN typeof(x) = 'TIMESTAMP WITH TIME ZONE' THEN _MACROS.main.sf_marked(64982,
    strftime(TRY_CAST(x::VARCHAR AS TIMESTAMPTZ), '%Y-%m-%d %H:%M:%S.%g ') || rpad(replace(strftime(TRY_CAST(x::VARCHAR AS TIMESTAMPTZ), '%z'), ':', ''), 5, '0'))
  ELSE error('sf_error 2 0A000: the embedded warehouse does not support a ' || typeof(x) || ' in a VARIANT here; Snowflake does') END;

CREATE MACRO sf_decimal_text(t) AS CASE WHEN contains(lower(t), 'e') THEN rtrim(rtrim(CAST(TRY_CAST(t AS DECIMAL(38, 18)) AS VARCHAR), '0'), '.')
  WHEN contains(t, '.') THEN rtrim(rtrim(t, '0'), '.') ELSE t END;

CREATE MACRO sf_variant_text(j) AS CASE left(j::VARCHAR, 1)
  WHEN '"' THEN ltrim(CASE WHEN contains(j::VARCHAR, chr(64985)) THEN split_part(json_extract_string(j, '$'), chr(64985), 1)
      ELSE json_extract_string(j, '$') END,
    chr(64977) || chr(64978) || chr(64979) || chr(64980) || chr(64981) || chr(64982) || chr(64983) || chr(64984))
  WHEN '{' THEN sf_py_json_text(j::VARCHAR) WHEN '[' THEN sf_py_json_text(j::VARCHAR)
  WHEN 'n' THEN NULL WHEN 't' THEN 'true' WHEN 'f' THEN 'false' ELSE _MACROS.main.sf_decimal_text(j::VARCHAR) END;

-- The text of a VARIANT with all fractions of seconds, for a cast to a time or timestamp.
CREATE MACRO sf_variant_clock(j) AS CASE WHEN contains(j::VARCHAR, chr(64985)) THEN regexp_replace(
    substr(json_extract_string(j, '$'), 2), '^(.*?\d\d:\d\d:\d\d(?:[.]\d{3})?)(.*)\x{FDD9}([.]?\d+)$', '\1\3\2')
  ELSE _MACROS.main.sf_variant_text(j) END;

CREATE MACRO sf_text(x) AS CASE typeof(x) WHEN 'JSON' THEN _MACROS.main.sf_variant_text(CAST(x AS VARCHAR)::JSON)
  ELSE CAST(x AS VARCHAR) END;

CREATE MACRO sf_not_variant(x) AS CASE WHEN typeof(x) = 'JSON' THEN
  error('the embedded warehouse does not support a VARIANT whose type is not known here; Snowflake does. Cast it, as in v::STRING')
  ELSE x END;

CREATE MACRO sf_to_json(j) AS CASE WHEN left(j::VARCHAR, 1) IN ('{', '[') OR regexp_matches(j::VARCHAR, '[\x{FDD0}-\x{FDD8}]')
  THEN sf_py_json_text(j::VARCHAR) ELSE j::VARCHAR END;

CREATE MACRO sf_standard_json(j) AS CASE WHEN regexp_matches(j::VARCHAR, '[\x{FDD0}-\x{FDD8}]') THEN sf_py_standard(j::VARCHAR)
  ELSE j::VARCHAR END;

-- Texts are equal if the values are; most scalars are their own text.
CREATE MACRO sf_same(j) AS CASE
  WHEN regexp_full_match(j::VARCHAR, '-?\d{1,18}|-?\d{1,9}\.\d{0,5}[1-9]|"[^"\\\x{FDD0}-\x{FDD8}]*"|true|false|null') THEN j::VARCHAR
  ELSE sf_py_canonical(j::VARCHAR) END;

CREATE MACRO sf_variant_number_key(t) AS struct_pack(t := 1, n := CAST(t AS DOUBLE), i := TRY_CAST(t AS DECIMAL(38, 10)), s := '');

CREATE MACRO sf_variant_text_key(rank, t) AS struct_pack(t := rank, n := 0::DOUBLE, i := 0::DECIMAL(38, 10), s := t);

-- A key that sorts VARIANTs: numbers by value, texts by their characters, and the null of JSON last.
CREATE MACRO sf_order(j) AS CASE WHEN j IS NULL OR j = _MACROS.main.sf_undefined() THEN NULL
  WHEN left(j::VARCHAR, 1) = '"' THEN CASE WHEN substr(j::VARCHAR, 2, 1) IN (chr(64977), chr(64978))
    THEN _MACROS.main.sf_variant_number_key(substr(json_extract_string(j, '$'), 2)) ELSE _MACROS.main.sf_variant_text_key(2, json_extract_string(j, '$')) END
  WHEN left(j::VARCHAR, 1) IN ('t', 'f') THEN _MACROS.main.sf_variant_text_key(3, j::VARCHAR)
  WHEN left(j::VARCHAR, 1) = '[' THEN _MACROS.main.sf_variant_text_key(4, sf_py_canonical(j::VARCHAR))
  WHEN left(j::VARCHAR, 1) = '{' THEN _MACROS.main.sf_variant_text_key(5, sf_py_canonical(j::VARCHAR))
  WHEN left(j::VARCHAR, 1) = 'n' THEN _MACROS.main.sf_variant_text_key(6, '')
  ELSE _MACROS.main.sf_variant_number_key(j::VARCHAR) END;

CREATE MACRO sf_uncastable(j, kind) AS error('sf_error 100071 22000: Failed to cast variant value ' || sf_py_json_text(j::VARCHAR) || ' to ' || kind);

CREATE MACRO sf_null_or_fail(j, kind) AS CASE WHEN j <> 'null' AND j <> _MACROS.main.sf_undefined() THEN _MACROS.main.sf_uncastable(j, kind) END;

-- The key of a VARIANT that is compared with a number.
CREATE MACRO sf_as_number_key(j) AS CASE WHEN j IS NULL OR j = 'null' OR j = _MACROS.main.sf_undefined() THEN NULL
  WHEN j = 'true' THEN _MACROS.main.sf_variant_number_key('1') WHEN j = 'false' THEN _MACROS.main.sf_variant_number_key('0')
  WHEN TRY_CAST(_MACROS.main.sf_variant_text(j::VARCHAR) AS DOUBLE) IS NULL THEN _MACROS.main.sf_uncastable(j, 'FIXED')
  ELSE _MACROS.main.sf_variant_number_key(_MACROS.main.sf_variant_text(j::VARCHAR)) END;

CREATE MACRO sf_typeof(j) AS CASE coalesce(left(j::VARCHAR, 1), '') WHEN '' THEN NULL
  WHEN '"' THEN CASE unicode(substr(j::VARCHAR, 2, 1)) WHEN 64977 THEN 'DOUBLE'
    WHEN 64978 THEN CASE WHEN contains(j::VARCHAR, '.') THEN 'DECIMAL' ELSE 'INTEGER' END
    WHEN 64979 THEN 'DATE' WHEN 64980 THEN 'TIME' WHEN 64981 THEN 'TIMESTAMP_NTZ' WHEN 64982 THEN 'TIMESTAMP_LTZ'
    WHEN 64983 THEN 'TIMESTAMP_TZ' WHEN 64984 THEN 'BINARY' ELSE 'VARCHAR' END
  WHEN '[' THEN 'ARRAY' WHEN '{' THEN 'OBJECT' WHEN 't' THEN 'BOOLEAN' WHEN 'f' THEN 'BOOLEAN' WHEN 'n' THEN 'NULL_VALUE'
  ELSE CASE WHEN contains(_MACROS.main.sf_decimal_text(j::VARCHAR), '.') THEN 'DECIMAL' ELSE 'INTEGER' END END;

CREATE MACRO sf_is(j, kinds) AS list_contains(kinds, _MACROS.main.sf_typeof(j));

-- AS_... functions: the text of a value of one of the types, otherwise NULL.
CREATE MACRO sf_as(j, kinds) AS CASE WHEN _MACROS.main.sf_is(j, kinds) THEN _MACROS.main.sf_variant_text(j::VARCHAR) END;

CREATE MACRO sf_as_clock(j, kinds) AS CASE WHEN _MACROS.main.sf_is(j, kinds) THEN _MACROS.main.sf_variant_clock(j::VARCHAR) END;

CREATE MACRO sf_as_json(j, kinds) AS CASE WHEN _MACROS.main.sf_is(j, kinds) THEN j END;

CREATE MACRO sf_parse_json(x) AS CASE WHEN regexp_full_match(x, '-?[1-9]\d{0,17}|0|true|false|null|"[^"\\\x00-\x1F\x{FDD0}-\x{FDD8}]*"')
  THEN x ELSE sf_py_parse(x) END::JSON;

CREATE MACRO sf_parse_json_last(x) AS sf_py_parse_last(x)::JSON;

CREATE MACRO sf_try_parse_json(x) AS sf_py_try_parse(x)::JSON;

CREATE MACRO sf_try_parse_json_last(x) AS sf_py_try_parse_last(x)::JSON;

CREATE MACRO sf_check_json(x) AS sf_py_check(x);

CREATE MACRO sf_is_null_value(j) AS j = 'null';

CREATE MACRO sf_strip_null_value(j) AS CASE WHEN j <> 'null' THEN j END;

CREATE MACRO sf_to_object(j) AS CASE WHEN j IS NULL OR j = 'null' THEN NULL WHEN left(j::VARCHAR, 1) = '{' THEN j
  ELSE _MACROS.main.sf_uncastable(j, 'OBJECT') END;

CREATE MACRO sf_to_array(j) AS CASE WHEN j IS NULL OR j = 'null' THEN NULL WHEN left(j::VARCHAR, 1) = '[' THEN j
  ELSE to_json([j]) END;

CREATE MACRO sf_list(j) AS json_extract(j, '$[*]');

-- The elements of an ARRAY, in which a missing element is a value of its own.
CREATE MACRO sf_items(j) AS CAST(json_extract(CAST(CASE coalesce(left(j::VARCHAR, 1), 'n') WHEN '[' THEN j WHEN 'n' THEN NULL
  ELSE to_json([j]) END AS JSON), '$[*]') AS JSON[]);

CREATE MACRO sf_element(j, i) AS CASE WHEN i >= 0 THEN _MACROS.main.sf_defined(json_extract(j, '$[' || CAST(i AS BIGINT) || ']')) END;

CREATE MACRO sf_entries(j) AS CASE WHEN j IS NOT NULL THEN list_zip(json_keys(j), json_extract(j, '$.*')) END;

CREATE MACRO sf_from_entries(entries) AS to_json(map_from_entries(entries));

CREATE MACRO sf_field(j, k) AS list_filter(_MACROS.main.sf_entries(j), lambda _sf_e: _sf_e[1] = k)[1][2];

CREATE MACRO sf_field_ignoring_case(j, k) AS coalesce(_MACROS.main.sf_field(j, k),
  list_filter(_MACROS.main.sf_entries(j), lambda _sf_e: lower(_sf_e[1]) = lower(k))[-1][2]);

CREATE MACRO sf_get_path(j, path) AS _MACROS.main.sf_defined(json_extract(j, CASE WHEN left(path, 1) = '[' THEN '$' ELSE '$.' END
  || replace(replace(path, '[''', '."'), ''']', '"')));

CREATE MACRO sf_texts(a) AS list_transform(_MACROS.main.sf_list(a), lambda _sf_v: json_extract_string(_sf_v, '$'));

-- A position or a key, whose type is known only when the query runs.
CREATE MACRO sf_get(j, k) AS CASE WHEN left(k::VARCHAR, 1) = '"' THEN _MACROS.main.sf_field(j, json_extract_string(k, '$'))
  ELSE _MACROS.main.sf_element(j, TRY_CAST(k::VARCHAR AS BIGINT)) END;

-- Build an OBJECT from a list of keys and a list of JSON values.
CREATE MACRO sf_object(keys, vals, keep_nulls) AS _MACROS.main.sf_from_entries(list_transform(list_filter(list_zip(keys, vals),
  lambda _sf_e: _sf_e[1] IS NOT NULL AND (keep_nulls OR _sf_e[2] IS NOT NULL)),
  lambda _sf_e: struct_pack(k := _sf_e[1], v := coalesce(_sf_e[2], 'null'::JSON))));

CREATE MACRO sf_object_without(j, keys) AS _MACROS.main.sf_from_entries(
  list_filter(_MACROS.main.sf_entries(_MACROS.main.sf_to_object(j)), lambda _sf_e: NOT list_contains(keys, _sf_e[1])));

CREATE MACRO sf_object_pick(j, keys) AS _MACROS.main.sf_from_entries(
  list_filter(_MACROS.main.sf_entries(_MACROS.main.sf_to_object(j)), lambda _sf_e: list_contains(keys, _sf_e[1])));

CREATE MACRO sf_object_insert(j, k, v, renew) AS CASE WHEN j IS NULL OR renew IS NULL THEN NULL
  WHEN k IS NULL THEN _MACROS.main.sf_to_object(j)
  WHEN NOT renew AND list_contains(json_keys(_MACROS.main.sf_to_object(j)), k)
  THEN CASE WHEN v IS NULL THEN j ELSE error('sf_error 100187 22000: Function OBJECT_INSERT: duplicate key ''' || k || '''') END
  WHEN v IS NULL THEN _MACROS.main.sf_object_without(j, [k])
  ELSE _MACROS.main.sf_from_entries(list_append(
    list_filter(_MACROS.main.sf_entries(_MACROS.main.sf_to_object(j)), lambda _sf_e: _sf_e[1] <> k), (k, v))) END;

CREATE MACRO sf_object_keys(j) AS CASE WHEN left(j::VARCHAR, 1) = '{' THEN to_json(list_sort(json_keys(j))) END;

CREATE MACRO sf_elements(j, how) AS CASE
  WHEN left(j::VARCHAR, 1) = '[' AND how IN ('BOTH', 'ARRAY') THEN list_filter(list_transform(_MACROS.main.sf_list(j),
    lambda _sf_v, _sf_i: struct_pack(k := NULL::VARCHAR, i := _sf_i - 1, v := _sf_v)), lambda _sf_e: _sf_e.v <> _MACROS.main.sf_undefined())
  WHEN left(j::VARCHAR, 1) = '{' AND how IN ('BOTH', 'OBJECT') THEN list_transform(list_sort(_MACROS.main.sf_entries(j)),
    lambda _sf_e: struct_pack(k := _sf_e[1], i := NULL::BIGINT, v := _sf_e[2]))
  ELSE [] END;

CREATE MACRO sf_path(prefix, k, i) AS CASE WHEN k IS NULL THEN prefix || '[' || i || ']'
  WHEN NOT regexp_full_match(k, '[A-Za-z_][A-Za-z0-9_$]*') THEN prefix || '[''' || k || ''']'
  WHEN prefix = '' THEN k ELSE prefix || '.' || k END;

-- unnest() of a list of structs keeps the order of the elements; a subquery here would be joined, in any order.
CREATE MACRO sf_flatten(j, how, keep, prefix, seq) AS TABLE
SELECT unnest(list_transform(CASE WHEN keep AND len(coalesce(_MACROS.main.sf_elements(j, how), [])) = 0
    THEN [struct_pack(k := NULL::VARCHAR, i := NULL::BIGINT, v := NULL::JSON)] ELSE _MACROS.main.sf_elements(j, how) END,
  lambda _sf_e: struct_pack("SEQ" := seq::BIGINT, "KEY" := _sf_e.k,
    "PATH" := CASE WHEN _sf_e.v IS NULL THEN prefix ELSE _MACROS.main.sf_path(prefix, _sf_e.k, _sf_e.i) END,
    "INDEX" := _sf_e.i, "VALUE" := _sf_e.v, "THIS" := j)), max_depth := 2);

CREATE MACRO sf_tree(j, how, keep) AS CASE WHEN j IS NULL THEN CASE WHEN keep THEN '[{}]' END
  -- A value without elements is its own element if it is atomic, as Snowpark's tests show.
  WHEN keep AND json_type(j) NOT IN ('ARRAY', 'OBJECT') THEN '[{"v":' || j::VARCHAR || '}]'
  WHEN keep AND sf_py_tree(how || ' ' || j::VARCHAR) = '[]' THEN '[{}]' ELSE sf_py_tree(how || ' ' || j::VARCHAR) END::JSON;

CREATE MACRO sf_flatten_recursive(j, how, keep, prefix, seq) AS TABLE
SELECT unnest(list_transform(_MACROS.main.sf_list(_MACROS.main.sf_tree(j, how, keep)), lambda _sf_e: struct_pack("SEQ" := seq::BIGINT,
    "KEY" := json_extract_string(_sf_e, '$.k'),
    "PATH" := CASE WHEN prefix <> '' AND left(coalesce(json_extract_string(_sf_e, '$.p'), '['), 1) <> '[' THEN prefix || '.' ELSE prefix END
      || coalesce(json_extract_string(_sf_e, '$.p'), ''),
    "INDEX" := TRY_CAST(json_extract_string(_sf_e, '$.i') AS BIGINT), "VALUE" := json_extract(_sf_e, '$.v'),
    "THIS" := coalesce(json_extract(_sf_e, '$.t'), j))), max_depth := 2);

CREATE MACRO sf_map_cat(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN _MACROS.main.sf_from_entries(list_concat(
  list_filter(_MACROS.main.sf_entries(a), lambda _sf_e: NOT list_contains(json_keys(b), _sf_e[1])), _MACROS.main.sf_entries(b))) END;

CREATE MACRO sf_map_contains_key(k, m) AS list_contains(json_keys(m), k);

CREATE MACRO sf_map_size(m) AS len(json_keys(m));

CREATE MACRO sf_map_entries(m) AS to_json(list_transform(list_sort(_MACROS.main.sf_entries(m)),
  lambda _sf_e: struct_pack(key := _sf_e[1], value := _sf_e[2])));

CREATE MACRO sf_map_insert(m, k, v, renew) AS CASE WHEN m IS NULL OR k IS NULL THEN m
  WHEN NOT renew AND list_contains(json_keys(m), k) THEN error('sf_error 100187 22000: Function MAP_INSERT: duplicate key ''' || k || '''')
  ELSE _MACROS.main.sf_from_entries(list_append(list_filter(_MACROS.main.sf_entries(m), lambda _sf_e: _sf_e[1] <> k),
    (k, coalesce(v, 'null'::JSON)))) END;

-- A record of a file: only one with a FLOAT, or with a number that a double does not keep, must be converted.
CREATE MACRO sf_record(j) AS CASE WHEN regexp_matches(j::VARCHAR, '\d[eE][-+]?\d|\d{16}|\.\d{15}') THEN sf_py_parse_last(j::VARCHAR)::JSON ELSE j END;

CREATE MACRO sf_vector_variant(v) AS CASE WHEN v IS NULL THEN NULL WHEN typeof(v) LIKE 'INTEGER%' THEN to_json(v)
  ELSE to_json(list_transform(v::DOUBLE[], lambda _sf_e: _MACROS.main.sf_float_variant(_sf_e))) END;
