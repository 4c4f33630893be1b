-- Macros of the functions of the family: strings.
CREATE MACRO sf_split_to_table(x, separator, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", i::BIGINT AS "INDEX", v AS "VALUE"
FROM (SELECT unnest(parts) AS v, generate_subscripts(parts, 1) AS i FROM (SELECT
  -- With an empty separator DuckDB splits a text into its characters; Snowflake does not split it.
  CASE WHEN separator = '' THEN [x] ELSE string_split(x, separator) END AS parts));

CREATE MACRO sf_strtok_split_to_table(x, marks, seq) AS TABLE
SELECT seq::BIGINT AS "SEQ", i::BIGINT AS "INDEX", v AS "VALUE" FROM (SELECT unnest(parts) AS v, generate_subscripts(parts, 1) AS i
FROM (SELECT list_filter(string_split_regex(x, '[' || regexp_escape(marks) || ']'), lambda p: p <> '') AS parts));
