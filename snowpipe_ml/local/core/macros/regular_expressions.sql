-- Macros of the functions of the family: regular_expressions.
-- Snowflake and DuckDB both search with RE2; Snowflake without its Perl syntax. The parameters (i, m, s) are
-- put before the pattern. The private characters U+FDD0 to U+FDD2, which are no letters in Unicode, mark
-- the parts of a match in a text.

-- The pattern without what is escaped or in brackets, in which the operators can be found.
CREATE MACRO sf_bare_pattern(p) AS regexp_replace(regexp_replace(p, '\\[\s\S]', 'x', 'g'),
  '\[\^?\]?(\[:\^?[a-z]*:\]|[^\]])*\]', 'x', 'g');

CREATE MACRO sf_posix_pattern(p) AS CASE
  WHEN NOT contains(p, '?') THEN p
  WHEN contains(_MACROS.main.sf_bare_pattern(p), '(?')
  THEN error('100048 (2201B): Invalid regular expression: ''' || p || ''', no argument for repetition operator: ?')
  WHEN regexp_matches(_MACROS.main.sf_bare_pattern(p), '[*+?}]\?')
  THEN error('100048 (2201B): Invalid regular expression: ''' || p || ''', bad repetition operator')
  ELSE p END;

CREATE MACRO sf_pattern_flags(f) AS CASE WHEN regexp_full_match(f, '[cimse]*') THEN
  (CASE WHEN regexp_matches(f, 'i[^c]*$') THEN '(?i)' ELSE '' END) || (CASE WHEN contains(f, 'm') THEN '(?m)' ELSE '' END)
  || (CASE WHEN contains(f, 's') THEN '(?s)' ELSE '' END)
  WHEN f IS NOT NULL THEN error('the embedded warehouse does not support the parameters ''' || f
    || ''' of a regular expression; Snowflake has c, i, m, s and e, and it does') END;

CREATE MACRO sf_pattern(p, f) AS _MACROS.main.sf_pattern_flags(f) || _MACROS.main.sf_posix_pattern(p);

CREATE MACRO sf_from_position(x, n) AS CASE WHEN n = 1 THEN x
  WHEN n < 1 THEN error('001003 (42000): Invalid parameter value: ' || n || '. Reason: Position must be positive')
  ELSE substr(x, n) END;

CREATE MACRO sf_unmarked(x) AS CASE WHEN regexp_matches(x, '[\x{FDD0}-\x{FDD2}]')
  THEN error('the embedded warehouse does not support the characters U+FDD0 to U+FDD2 in this function; Snowflake does')
  ELSE x END;

CREATE MACRO sf_regexp_like(x, p) AS regexp_full_match(x, p);

CREATE MACRO sf_regexp_count(x, p, n) AS CASE WHEN x IS NULL OR p IS NULL OR n IS NULL THEN NULL
  WHEN regexp_full_match(p, '(\(\?[ims]\))*') THEN 0
  ELSE len(regexp_extract_all(_MACROS.main.sf_from_position(x, n), p)) END;

-- All matches; none for an empty pattern.
CREATE MACRO sf_regexp_matches(x, p, n, g) AS CASE WHEN x IS NULL OR p IS NULL OR n IS NULL THEN NULL
  WHEN regexp_full_match(p, '(\(\?[ims]\))*') THEN []::VARCHAR[]
  ELSE regexp_extract_all(_MACROS.main.sf_from_position(x, n), p, g) END;

CREATE MACRO sf_occurrence(n) AS CASE WHEN n < 1
  THEN error('001003 (42000): Invalid parameter value: ' || n || '. Reason: Occurrence must be positive') ELSE n END;

CREATE MACRO sf_regexp_substr(x, p, n, occurrence, g) AS
  _MACROS.main.sf_regexp_matches(x, p, n, g)[_MACROS.main.sf_occurrence(occurrence)];

CREATE MACRO sf_regexp_substr_all(x, p, n, occurrence, g) AS CASE WHEN x IS NULL OR p IS NULL OR n IS NULL OR occurrence IS NULL THEN NULL
  ELSE to_json(_MACROS.main.sf_regexp_matches(x, p, n, g)[_MACROS.main.sf_occurrence(occurrence):]) END;

-- Each match becomes four parts: the text before it, the match, what is before the group in it, and the group.
CREATE MACRO sf_regexp_parts(x, p, shown) AS string_split(
  regexp_replace(_MACROS.main.sf_unmarked(x), p, shown, 'g'), chr(64976));

CREATE MACRO sf_position_in_parts(parts, occurrence, after, grouped, n) AS CASE
  WHEN occurrence IS NULL OR after IS NULL THEN NULL
  WHEN after NOT IN (0, 1) THEN error('001003 (42000): Invalid parameter value: ' || after || '. Reason: option must be 0 or 1')
  WHEN 4 * _MACROS.main.sf_occurrence(occurrence) > len(parts) THEN 0
  ELSE n + list_sum(list_transform(parts[:4 * occurrence], lambda part, i: CASE
    WHEN i % 4 = 1 OR (i % 4 = 2 AND i < 4 * occurrence - 2) THEN length(part)
    WHEN i < 4 * occurrence - 2 THEN 0
    WHEN i % 4 = 2 THEN CASE WHEN after = 1 AND NOT grouped THEN length(part) ELSE 0 END
    WHEN i % 4 = 3 THEN CASE WHEN grouped THEN length(part) ELSE 0 END
    ELSE CASE WHEN grouped AND after = 1 THEN length(part) ELSE 0 END END))::BIGINT END;

CREATE MACRO sf_regexp_instr(x, p, n, occurrence, after, grouped, shown) AS
  CASE WHEN x IS NULL OR p IS NULL OR n IS NULL THEN NULL
  WHEN regexp_full_match(p, '(\(\?[ims]\))*') THEN 0
  ELSE _MACROS.main.sf_position_in_parts(_MACROS.main.sf_regexp_parts(_MACROS.main.sf_from_position(x, n), p, shown),
    occurrence, after, grouped, n) END;

-- The marks are U+FDD0 before a match, U+FDD1 between it and what replaces it, and U+FDD2 after both.
CREATE MACRO sf_replace_one(x, p, y, occurrence) AS array_to_string(list_transform(
  string_split(regexp_replace(_MACROS.main.sf_unmarked(x), p, chr(64976) || '\0' || chr(64977) || y || chr(64978), 'g'), chr(64976)),
  lambda part, i: CASE WHEN i = 1 THEN part
    WHEN i - 1 = occurrence THEN replace(substr(part, strpos(part, chr(64977)) + 1), chr(64978), '')
    ELSE left(part, strpos(part, chr(64977)) - 1) || substr(part, strpos(part, chr(64978)) + 1) END), '');

CREATE MACRO sf_regexp_replace(x, p, y, n, occurrence) AS
  CASE WHEN x IS NULL OR p IS NULL OR y IS NULL OR n IS NULL OR occurrence IS NULL THEN NULL
  WHEN regexp_full_match(p, '(\(\?[ims]\))*') THEN x
  WHEN n < 1 THEN _MACROS.main.sf_from_position(x, n)
  WHEN occurrence = 0 THEN left(x, n - 1) || regexp_replace(substr(x, n), p, y, 'g')
  WHEN occurrence < 0 THEN error('001003 (42000): Invalid parameter value: ' || occurrence || '. Reason: Occurrence must not be negative')
  ELSE left(x, n - 1) || _MACROS.main.sf_replace_one(substr(x, n), p, y, occurrence) END;
