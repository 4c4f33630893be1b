-- Macros of the functions of the family: strings.
-- An error of Snowflake is raised as error('number (state): message'); core/errors.py reads it.
CREATE MACRO sf_split_to_table(x, separator, seq) AS TABLE
-- With an empty separator DuckDB splits a text into its characters; Snowflake does not split it.
SELECT unnest(list_transform(CASE WHEN separator = '' THEN [x] ELSE string_split(x, separator) END,
  lambda _sf_v, _sf_i: struct_pack("SEQ" := seq::BIGINT, "INDEX" := _sf_i::BIGINT, "VALUE" := _sf_v)), max_depth := 2);

CREATE MACRO sf_strtok_split_to_table(x, marks, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", i::BIGINT AS "INDEX", v AS "VALUE" FROM (SELECT unnest(parts) AS v, generate_subscripts(parts, 1) AS i
FROM (SELECT list_filter(string_split_regex(x, '[' || regexp_escape(marks) || ']'), lambda p: p <> '') AS parts));

-- Substrings. Zero as a start means one; a negative start counts from the end.
CREATE MACRO sf_substr
  (x, s) AS CASE WHEN s < -length(x) THEN '' ELSE substr(x, CASE WHEN s = 0 THEN 1 ELSE s END) END,
  (x, s, n) AS CASE WHEN n IS NULL THEN NULL WHEN s < -length(x) OR n < 0 THEN ''
    ELSE substr(x, CASE WHEN s = 0 THEN 1 ELSE s END, n) END;

CREATE MACRO sf_substr_binary
  (b, s) AS CASE WHEN s < -octet_length(b) THEN ''::BLOB WHEN s < 0 THEN b[octet_length(b) + s + 1:]
    WHEN s IS NULL THEN NULL ELSE b[greatest(s, 1):] END,
  (b, s, n) AS CASE WHEN s IS NULL OR n IS NULL THEN NULL WHEN s < -octet_length(b) OR n <= 0 THEN ''::BLOB
    WHEN s < 0 THEN b[octet_length(b) + s + 1:octet_length(b) + s + n]
    ELSE b[greatest(s, 1):greatest(s, 1) + n - 1] END;

CREATE MACRO sf_left(x, n) AS CASE WHEN n <= 0 AND x IS NOT NULL THEN '' ELSE left(x, n) END;

CREATE MACRO sf_right(x, n) AS CASE WHEN n <= 0 AND x IS NOT NULL THEN '' ELSE right(x, n) END;

CREATE MACRO sf_left_binary(b, n) AS _MACROS.main.sf_substr_binary(b, 1, n);

CREATE MACRO sf_right_binary(b, n) AS CASE WHEN n <= 0 AND b IS NOT NULL THEN ''::BLOB
  WHEN n >= octet_length(b) THEN b ELSE _MACROS.main.sf_substr_binary(b, -n) END;

-- INSERT; where Snowflake's page gives no result, there is none here.
CREATE MACRO sf_insert(x, p, n, y) AS
  CASE WHEN p < 1 OR n < 0 OR p + n > length(x) + 1
  THEN error('the embedded warehouse does not support INSERT beyond the ends of the text; Snowflake does')
  ELSE substr(x, 1, p - 1) || y || substr(x, p + n) END;

CREATE MACRO sf_insert_binary(x, p, n, y) AS
  CASE WHEN p < 1 OR n < 0 OR p + n > octet_length(x) + 1
  THEN error('the embedded warehouse does not support INSERT beyond the ends of the value; Snowflake does')
  ELSE _MACROS.main.sf_substr_binary(x, 1, p - 1) || y || _MACROS.main.sf_substr_binary(x, p + n) END;

-- Padding. DuckDB's functions fail for an empty padding.
CREATE MACRO sf_lpad(x, n, p) AS CASE WHEN x IS NULL OR p IS NULL THEN NULL WHEN n <= 0 THEN ''
  WHEN length(x) >= n THEN left(x, n) WHEN p = '' THEN x ELSE lpad(x, n::INTEGER, p) END;

CREATE MACRO sf_rpad(x, n, p) AS CASE WHEN x IS NULL OR p IS NULL THEN NULL WHEN n <= 0 THEN ''
  WHEN length(x) >= n THEN left(x, n) WHEN p = '' THEN x ELSE rpad(x, n::INTEGER, p) END;

CREATE MACRO sf_lpad_binary(b, n, p) AS unhex(_MACROS.main.sf_lpad(hex(b), 2 * n, hex(p)));

CREATE MACRO sf_rpad_binary(b, n, p) AS unhex(_MACROS.main.sf_rpad(hex(b), 2 * n, hex(p)));

CREATE MACRO sf_reverse_binary(b) AS unhex(array_to_string(list_transform(
  range(octet_length(b), 0, -1), lambda i: substr(hex(b), 2 * i - 1, 2)), ''));

CREATE MACRO sf_position(y, x, s) AS CASE WHEN y IS NULL OR x IS NULL OR s IS NULL THEN NULL
  WHEN s < 1 THEN error('the embedded warehouse does not support a search from a position below 1; Snowflake does')
  WHEN y = '' THEN 1
  WHEN s = 1 THEN strpos(x, y)
  WHEN strpos(substr(x, s), y) = 0 THEN 0
  ELSE strpos(substr(x, s), y) + s - 1 END::BIGINT;

CREATE MACRO sf_position_binary(y, x, s) AS CASE WHEN y IS NULL OR x IS NULL OR s IS NULL THEN NULL
  WHEN s < 1 THEN error('the embedded warehouse does not support a search from a position below 1; Snowflake does')
  WHEN octet_length(y) = 0 THEN 1
  ELSE coalesce(list_filter(range(s, octet_length(x) - octet_length(y) + 2),
    lambda i: substr(hex(x), 2 * i - 1, 2 * octet_length(y)) = hex(y))[1], 0) END::BIGINT;

CREATE MACRO sf_contains_binary(x, y) AS octet_length(y) = 0 OR _MACROS.main.sf_position_binary(y, x, 1) > 0;

CREATE MACRO sf_starts_with_binary(x, y) AS starts_with(hex(x), hex(y));

CREATE MACRO sf_ends_with_binary(x, y) AS ends_with(hex(x), hex(y));

CREATE MACRO sf_unicode(x) AS CASE WHEN x = '' THEN 0 ELSE unicode(x) END;

CREATE MACRO sf_chr(n) AS CASE WHEN n < 0 OR n > 1114111 OR n BETWEEN 55296 AND 57343
  THEN error('100062 (22021): Invalid character code ' || n || ' in the CHR input') ELSE chr(n::INTEGER) END;

CREATE MACRO sf_initcap(x, marks) AS CASE WHEN marks IS NULL THEN NULL ELSE array_to_string(list_transform(
  string_split(lower(x), ''), lambda c, i: CASE
  WHEN NOT contains(marks, c) AND (i = 1 OR contains(marks, string_split(lower(x), '')[i - 1])) THEN upper(c) ELSE c END), '') END;

CREATE MACRO sf_split(x, separator) AS CASE WHEN x IS NULL OR separator IS NULL THEN NULL
  ELSE to_json(CASE WHEN separator = '' THEN [x] ELSE string_split(x, separator) END) END;

CREATE MACRO sf_split_part(x, separator, n) AS CASE WHEN x IS NULL OR n IS NULL THEN NULL
  WHEN separator = '' THEN CASE WHEN n IN (0, 1, -1) THEN x ELSE '' END
  ELSE split_part(x, separator, CASE WHEN n = 0 THEN 1 ELSE n END) END;

-- The marks are all replaced by the first one, at which the text is split.
CREATE MACRO sf_strtok(x, marks, n) AS CASE WHEN x IS NULL OR marks IS NULL OR n < 1 THEN NULL
  WHEN marks = '' THEN CASE WHEN x <> '' AND n = 1 THEN x END
  ELSE list_filter(string_split(translate(x, marks, repeat(left(marks, 1), length(marks))), left(marks, 1)),
    lambda p: p <> '')[n] END;

-- Encodings.
CREATE MACRO sf_hex(b, capitals) AS CASE capitals WHEN 0 THEN lower(hex(b)) WHEN 1 THEN hex(b)
  WHEN NULL THEN NULL
  ELSE error('the embedded warehouse does not support HEX_ENCODE with a case other than 0 and 1; Snowflake does') END;

CREATE MACRO sf_unhex(x) AS CASE WHEN regexp_full_match(x, '([0-9A-Fa-f]{2})*') THEN unhex(x)
  WHEN x IS NULL THEN NULL
  ELSE error('100115 (22000): The following string is not a legal hex-encoded value: ''' || x || '''') END;

CREATE MACRO sf_try_unhex(x) AS CASE WHEN regexp_full_match(x, '([0-9A-Fa-f]{2})*') THEN unhex(x) END;

CREATE MACRO sf_base64(b, width, marks) AS CASE WHEN width IS NULL OR marks IS NULL THEN NULL
  WHEN width <= 0 THEN translate(to_base64(b), '+/=', marks || substr('+/=', length(marks) + 1))
  ELSE array_to_string(list_transform(range(0, length(to_base64(b)), width), lambda i:
    substr(translate(to_base64(b), '+/=', marks || substr('+/=', length(marks) + 1)), i + 1, width)), chr(10)) END;

CREATE MACRO sf_base64_text(x, marks) AS translate(replace(replace(x, chr(10), ''), chr(13), ''),
  marks || substr('+/=', length(marks) + 1), '+/=');

CREATE MACRO sf_is_base64(x, marks) AS length(_MACROS.main.sf_base64_text(x, marks)) % 4 = 0
  AND regexp_full_match(_MACROS.main.sf_base64_text(x, marks), '[0-9A-Za-z+/]*={0,2}');

CREATE MACRO sf_unbase64(x, marks) AS CASE WHEN x IS NULL OR marks IS NULL THEN NULL
  WHEN _MACROS.main.sf_is_base64(x, marks) THEN from_base64(_MACROS.main.sf_base64_text(x, marks))
  ELSE error('100116 (22000): The following string is not a legal base64-encoded value: ''' || x || '''') END;

CREATE MACRO sf_try_unbase64(x, marks) AS CASE WHEN _MACROS.main.sf_is_base64(x, marks)
  THEN from_base64(_MACROS.main.sf_base64_text(x, marks)) END;

-- The version 5 of RFC 4122: the first 16 bytes of SHA-1 of the namespace and the name.
CREATE MACRO sf_uuid5(space, name) AS list_transform([sha1(unhex(replace(space, '-', '')) || encode(name))], lambda h:
  substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-'
  || substr('89ab', 1 + (strpos('0123456789abcdef', substr(h, 17, 1))::INTEGER - 1) % 4, 1) || substr(h, 18, 3)
  || '-' || substr(h, 21, 12))[1];

-- DuckDB compares texts by bytes. So that each letter is one byte, the letters beyond ASCII are replaced by
-- control characters, each by one of its own.
CREATE MACRO sf_beyond_ascii(x, y) AS CASE WHEN strlen(x) = length(x) AND strlen(y) = length(y) THEN ''
  ELSE array_to_string(list_distinct(list_filter(string_split(x || y, ''), lambda c: strlen(c) > 1)), '') END;

CREATE MACRO sf_one_byte(x, letters) AS CASE WHEN letters = '' THEN x
  WHEN length(letters) > 31 OR regexp_matches(x, '[\x01-\x1f]')
  THEN error('the embedded warehouse does not support the distance of texts with more than 31 letters beyond ASCII; Snowflake does')
  ELSE translate(x, letters, array_to_string(list_transform(range(1, length(letters) + 1), lambda i: chr(i::INTEGER)), '')) END;

CREATE MACRO sf_edit_distance
  (x, y) AS CASE WHEN x = '' OR y = '' THEN length(x) + length(y)
    ELSE levenshtein(_MACROS.main.sf_one_byte(x, _MACROS.main.sf_beyond_ascii(x, y)),
    _MACROS.main.sf_one_byte(y, _MACROS.main.sf_beyond_ascii(x, y))) END,
  (x, y, most) AS CASE WHEN x IS NULL OR y IS NULL OR most IS NULL THEN NULL
    ELSE least(_MACROS.main.sf_edit_distance(x, y), greatest(most, 0)) END;

-- Unlike DuckDB's function, Snowflake's adds for the whole common beginning and not for four letters at most:
-- the page's example of 98 percent has a beginning of seven. Ten would make any texts equal.
CREATE MACRO sf_common_beginning(x, y) AS coalesce(list_position(list_transform(range(1, least(length(x), length(y)) + 1),
  lambda i: substr(x, i, 1) = substr(y, i, 1)), false) - 1, least(length(x), length(y)));

CREATE MACRO sf_jaro_part(x, y, beginning) AS CASE WHEN beginning >= 10
  THEN error('the embedded warehouse does not support JAROWINKLER_SIMILARITY of texts with a common beginning of ten letters; Snowflake does')
  ELSE list_transform([jaro_similarity(x, y)], lambda j: floor(100 * (j + beginning * 0.1 * (1 - j)) + 1e-9))[1] END;

CREATE MACRO sf_jaro_winkler(x, y) AS CASE WHEN x IS NULL OR y IS NULL THEN NULL WHEN x = '' OR y = '' THEN 0
  WHEN lower(x) = lower(y) THEN 100
  ELSE _MACROS.main.sf_jaro_part(_MACROS.main.sf_one_byte(lower(x), _MACROS.main.sf_beyond_ascii(lower(x), lower(y))),
    _MACROS.main.sf_one_byte(lower(y), _MACROS.main.sf_beyond_ascii(lower(x), lower(y))),
    _MACROS.main.sf_common_beginning(lower(x), lower(y))) END::BIGINT;

-- Soundex. H and W do not part letters of the same code, vowels do; 0 stands for a vowel.
CREATE MACRO sf_soundex_digits(letters) AS regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
  regexp_replace(translate(regexp_replace(letters, '[HW]', '', 'g'), 'AEIOUYBFPVCGJKQSXZDTLMNR', '000000111122222222334556'),
  '1+', '1', 'g'), '2+', '2', 'g'), '3+', '3', 'g'), '4+', '4', 'g'), '5+', '5', 'g'), '6+', '6', 'g');

CREATE MACRO sf_soundex_text(x, of) AS CASE WHEN x = '' THEN '' WHEN NOT regexp_matches(x, '^[A-Za-z]')
  THEN error('the embedded warehouse does not support ' || of || ' of a text that begins with no Latin letter; Snowflake does')
  ELSE regexp_replace(upper(x), '[^A-Z]', '', 'g') END;

CREATE MACRO sf_soundex(x) AS list_transform([_MACROS.main.sf_soundex_text(x, 'SOUNDEX')], lambda t:
  CASE WHEN t = '' THEN '' ELSE rpad(left(x, 1) || left(replace(substr(_MACROS.main.sf_soundex_digits(
    CASE WHEN left(t, 1) IN ('H', 'W') THEN 'A' || substr(t, 2) ELSE t END), 2), '0', ''), 3), 4, '0') END)[1];

CREATE MACRO sf_soundex_p123(x) AS list_transform([_MACROS.main.sf_soundex_text(x, 'SOUNDEX_P123')], lambda t: CASE WHEN t = '' THEN ''
  ELSE rpad(left(x, 1) || left(replace(_MACROS.main.sf_soundex_digits(substr(t, 2)), '0', ''), 3), 4, '0') END)[1];

-- Addresses.
CREATE MACRO sf_url_parts(x) AS regexp_extract(x, '(?s)^([A-Za-z][A-Za-z0-9+.-]*):(//([^/?#]*))?/?([^?#]*)(\?([^#]*))?(#(.*))?$',
  ['scheme', 'authority', 'server', 'path', 'asked', 'query', 'anchor', 'fragment']);

CREATE MACRO sf_url_parameters(query) AS list_transform([list_filter(string_split(query, '&'), lambda q: q <> '')],
  lambda given: CASE WHEN len(list_distinct(list_transform(given, lambda q: split_part(q, '=', 1)))) < len(given)
    THEN error('the embedded warehouse does not support PARSE_URL of a query that repeats a parameter; Snowflake does')
    ELSE map_from_entries(list_transform(given, lambda q: (split_part(q, '=', 1),
      CASE WHEN contains(q, '=') THEN substr(q, strpos(q, '=') + 1) END))) END)[1];

CREATE MACRO sf_url_object(u) AS json_object(
  'fragment', CASE WHEN u.anchor <> '' THEN u.fragment END,
  'host', CASE WHEN u.authority <> '' THEN regexp_replace(u.server, ':[0-9]*$', '') END,
  'parameters', CASE WHEN u.asked <> '' THEN _MACROS.main.sf_url_parameters(u.query) END,
  'path', u.path,
  'port', CASE WHEN regexp_matches(u.server, ':[0-9]+$') THEN regexp_extract(u.server, ':([0-9]+)$', 1) END,
  'query', CASE WHEN u.asked <> '' THEN u.query END,
  'scheme', u.scheme);

CREATE MACRO sf_parse_url(x, permissive) AS CASE WHEN x IS NULL OR permissive IS NULL THEN NULL
  WHEN regexp_matches(x, '^[A-Za-z][A-Za-z0-9+.-]*:') THEN _MACROS.main.sf_url_object(_MACROS.main.sf_url_parts(x))
  WHEN permissive = 1 THEN json_object('error', 'scheme not specified')
  ELSE error('100139 (22000): Error parsing URL: scheme not specified') END;

CREATE MACRO sf_parse_ip(x, kind, permissive) AS CASE WHEN x IS NULL OR kind IS NULL OR permissive IS NULL THEN NULL
  WHEN upper(kind) NOT IN ('INET', 'CIDR')
  THEN error('the embedded warehouse does not support PARSE_IP with a type other than INET and CIDR; Snowflake does')
  WHEN sf_native_ip(x, kind) IS NOT NULL THEN sf_native_ip(x, kind)::JSON
  WHEN permissive = 1
  THEN error('the embedded warehouse does not support PARSE_IP of an invalid address in its permissive mode; Snowflake does')
  ELSE error('100140 (22000): Error parsing IP address: ' || x) END;

-- Compression, in Python.
CREATE MACRO sf_compress(b, method) AS CASE WHEN b IS NULL OR method IS NULL THEN NULL
  WHEN sf_native_compress(b, method) IS NOT NULL THEN sf_native_compress(b, method)
  ELSE error('the embedded warehouse does not support COMPRESS with the method ' || method || '; Snowflake does') END;

CREATE MACRO sf_decompress(b, method) AS CASE WHEN b IS NULL OR method IS NULL THEN NULL
  WHEN sf_native_decompress(b, method) IS NOT NULL THEN sf_native_decompress(b, method)
  ELSE error('100117 (22000): The value cannot be decompressed with the method ' || method) END;

CREATE MACRO sf_decompress_text(b, method) AS decode(_MACROS.main.sf_decompress(b, method));

-- Small things.
CREATE MACRO sf_bit_length(b) AS 8 * octet_length(b);

CREATE MACRO sf_space(n) AS repeat(' ', n);

CREATE MACRO sf_rtrimmed_length(x) AS length(rtrim(x, ' '));

CREATE MACRO sf_unhex_text(x) AS decode(_MACROS.main.sf_unhex(x));

CREATE MACRO sf_try_unhex_text(x) AS TRY(decode(_MACROS.main.sf_try_unhex(x)));

CREATE MACRO sf_unbase64_text(x, marks) AS decode(_MACROS.main.sf_unbase64(x, marks));

CREATE MACRO sf_try_unbase64_text(x, marks) AS TRY(decode(_MACROS.main.sf_try_unbase64(x, marks)));

-- Digests of strings and binary values; what takes other sizes than DuckDB's is in Python.
CREATE MACRO sf_md5_binary(b) AS unhex(md5(b));

CREATE MACRO sf_sha1_binary(b) AS unhex(sha1(b));

CREATE MACRO sf_md5_lower(b) AS ('0x' || substr(md5(b), 17))::UBIGINT;

CREATE MACRO sf_md5_upper(b) AS ('0x' || left(md5(b), 16))::UBIGINT;

CREATE MACRO sf_sha2_binary(b, size) AS CASE WHEN b IS NULL OR size IS NULL THEN NULL WHEN size = 256 THEN unhex(sha256(b))
  WHEN size IN (224, 384, 512) THEN sf_native_sha2(b, size)
  ELSE error('the embedded warehouse does not support SHA2 with a size of ' || size || '; Snowflake does not either') END;

CREATE MACRO sf_sha2(b, size) AS lower(hex(_MACROS.main.sf_sha2_binary(b, size)));
