-- Macros of the functions of the family: generation.
-- The value of the generator determines the result: a constant generator gives the same for all rows. Bits of
-- its hash are the random numbers.
CREATE MACRO sf_share(g, i) AS ((hash(g, i) >> 11)::DOUBLE + 0.5) / 9007199254740992;

CREATE MACRO sf_uniform_whole(a, b, g) AS CASE WHEN a > b THEN
  error('the embedded warehouse does not support UNIFORM with a lower bound above the upper one; Snowflake does')
  ELSE CAST(a + (hash(g, 0) % (b::HUGEINT - a + 1)::UHUGEINT)::HUGEINT AS BIGINT) END;

CREATE MACRO sf_uniform(a, b, g) AS a + _MACROS.main.sf_share(g, 0) * (b - a);

CREATE MACRO sf_normal(mean, deviation, g) AS list_transform([g], lambda v:
  mean + deviation * sqrt(-2 * ln(_MACROS.main.sf_share(v, 0))) * cos(2 * pi() * _MACROS.main.sf_share(v, 1)))[1];

-- The shares are those of the values from 1, added up.
CREATE MACRO sf_zipf(shares, g) AS list_transform([_MACROS.main.sf_share(g, 0)], lambda u:
  1 + len(list_filter(shares, lambda share: share < u)))[1];

CREATE MACRO sf_seeded(seed, place) AS CAST(hash(seed, place)::HUGEINT - 9223372036854775808 AS BIGINT);

-- A hash is that of the value's text, so that equal numbers of different types have the same one; a letter
-- tells numbers from texts.
CREATE MACRO sf_number_key(x) AS 'n' || CASE WHEN contains(x::VARCHAR, '.') AND NOT contains(x::VARCHAR, 'e')
  THEN rtrim(rtrim(x::VARCHAR, '0'), '.') ELSE x::VARCHAR END;

CREATE MACRO sf_float_key(x) AS CASE WHEN x = trunc(x) AND abs(x) < 1e37 THEN 'n' || x::DECIMAL(38,0)::VARCHAR
  ELSE _MACROS.main.sf_number_key(x) END;

CREATE MACRO sf_text_key(x) AS 't' || x::VARCHAR;

CREATE MACRO sf_other_key(x) AS typeof(x) || x::VARCHAR;

CREATE MACRO sf_any_key(x) AS CASE WHEN typeof(x) = 'VARCHAR' THEN 't' || x::VARCHAR
  WHEN typeof(x) IN ('DOUBLE', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT') OR typeof(x) LIKE 'DECIMAL%'
  THEN _MACROS.main.sf_number_key(x)
  WHEN typeof(x) = 'JSON' OR typeof(x) LIKE 'STRUCT%'
  THEN error('the embedded warehouse does not support HASH of a value of this type; Snowflake does')
  ELSE typeof(x) || x::VARCHAR END;

CREATE MACRO sf_hash(keys) AS CAST(('0x' || left(md5(to_json(keys)::VARCHAR), 16))::UBIGINT::HUGEINT - 9223372036854775808 AS BIGINT);
