-- Macros of the functions of the family: variants.
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
  ELSE regexp_replace(x::VARCHAR, '([{,]\s*)([A-Za-z_]\w*)(\s*:)', '\1"\2"\3', 'g')::JSON END;

CREATE MACRO sf_element(j, i) AS CASE WHEN i >= 0 THEN json_extract(j, '$[' || CAST(i AS BIGINT) || ']') END;

CREATE MACRO sf_field(j, k) AS json_extract(j, '$."' || replace(k, '"', '"') || '"');

CREATE MACRO sf_to_object(x) AS CASE WHEN x IS NULL OR json_type(x::JSON) = 'OBJECT' THEN x::JSON
  ELSE error('Failed to cast variant value ' || x::VARCHAR || ' to OBJECT') END;

CREATE MACRO sf_to_array(x) AS CASE WHEN x IS NULL THEN NULL WHEN json_type(to_json(x)) = 'ARRAY' THEN to_json(x)
  ELSE json_array(x) END;

CREATE MACRO sf_variant(x) AS CASE WHEN x IS NULL THEN NULL ELSE to_json(x)::VARCHAR END;

CREATE MACRO sf_elements(j, how) AS CASE json_type(j)
  WHEN 'ARRAY' THEN CASE WHEN how IN ('BOTH', 'ARRAY') THEN list_transform(CAST(j AS JSON[]),
    lambda v, i: struct_pack(k := NULL::VARCHAR, i := i - 1, v := v)) ELSE [] END
  WHEN 'OBJECT' THEN CASE WHEN how IN ('BOTH', 'OBJECT') THEN list_transform(json_keys(j),
    lambda x: struct_pack(k := x, i := NULL::BIGINT, v := json_extract(j, '$."' || x || '"'))) ELSE [] END
  ELSE [] END;

CREATE MACRO sf_path(prefix, k, i) AS
  CASE WHEN k IS NULL THEN prefix || '[' || i || ']' WHEN prefix = '' THEN k ELSE prefix || '.' || k END;

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

CREATE OR REPLACE MACRO memory.main._fs_object_construct_star(row_value) AS (
    SELECT COALESCE(json_group_object(key, value::JSON), '{}'::JSON)
    FROM (
        UNPIVOT (
            SELECT TO_JSON(COLUMNS(*))
            FROM (SELECT UNNEST(row_value))
        ) ON COLUMNS(*)::VARCHAR
        INTO NAME key VALUE value
    )
);
