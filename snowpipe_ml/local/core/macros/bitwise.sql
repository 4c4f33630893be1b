-- Macros of the functions of the family: bitwise.
-- Whole numbers have 128 bits; those of 64 bits are enough where the result has no more.
CREATE MACRO sf_bitand(a, b) AS a & b;

CREATE MACRO sf_bitor(a, b) AS a | b;

CREATE MACRO sf_bitxor(a, b) AS xor(a, b);

CREATE MACRO sf_bitnot(a) AS ~a;

-- DuckDB fails where a bit is shifted out, so the bits that stay are selected first.
CREATE MACRO sf_bitshiftleft(a, n) AS CASE WHEN a IS NULL OR n IS NULL THEN NULL
  WHEN n < 0 THEN error('the embedded warehouse does not support a shift by a negative number of bits; Snowflake does')
  WHEN n = 0 THEN a::HUGEINT
  WHEN a >= 0 AND n < 127 AND (a::HUGEINT >> (126 - n)::HUGEINT) <= 1 THEN a::HUGEINT << n::HUGEINT
  ELSE error('the embedded warehouse does not support a shift of negative numbers, and one beyond 127 bits; Snowflake does') END;

CREATE MACRO sf_bitshiftright(a, n) AS CASE WHEN a IS NULL OR n IS NULL THEN NULL
  WHEN n < 0 THEN error('the embedded warehouse does not support a shift by a negative number of bits; Snowflake does')
  WHEN n > 126 THEN CASE WHEN a < 0 THEN -1 ELSE 0 END
  ELSE a::HUGEINT >> n::HUGEINT END;

CREATE MACRO sf_getbit(a, n) AS CASE WHEN a IS NULL OR n IS NULL THEN NULL
  WHEN n < 0 OR n > 127 THEN error('001003 (42000): Invalid bit position ' || n || ', it must be from 0 to 127')
  WHEN n = 127 THEN CASE WHEN a < 0 THEN 1 ELSE 0 END
  ELSE (a::HUGEINT >> n::HUGEINT) & 1 END::BIGINT;

-- Binary values.
CREATE MACRO sf_padded(b, n, side) AS CASE WHEN octet_length(b) >= n THEN b
  WHEN upper(side) = 'LEFT' THEN unhex(repeat('00', n - octet_length(b)) || hex(b))
  WHEN upper(side) = 'RIGHT' THEN unhex(hex(b) || repeat('00', n - octet_length(b)))
  ELSE error('001003 (42000): Invalid padding side ' || side || ', it must be LEFT or RIGHT') END;

CREATE MACRO sf_same_length(a, b) AS CASE WHEN octet_length(a) <> octet_length(b)
  THEN error('100544 (22026): The lengths of two variable-sized fields do not match: first length ' || octet_length(a)
    || ', second length ' || octet_length(b)) ELSE a END;

CREATE MACRO sf_bits(b) AS CASE WHEN octet_length(b) = 0 THEN NULL ELSE b::BIT END;

CREATE MACRO sf_bitand_binary
  (a, b) AS (_MACROS.main.sf_bits(_MACROS.main.sf_same_length(a, b)) & _MACROS.main.sf_bits(b))::BLOB,
  (a, b, side) AS (_MACROS.main.sf_bits(_MACROS.main.sf_padded(a, octet_length(b), side))
    & _MACROS.main.sf_bits(_MACROS.main.sf_padded(b, octet_length(a), side)))::BLOB;

CREATE MACRO sf_bitor_binary
  (a, b) AS (_MACROS.main.sf_bits(_MACROS.main.sf_same_length(a, b)) | _MACROS.main.sf_bits(b))::BLOB,
  (a, b, side) AS (_MACROS.main.sf_bits(_MACROS.main.sf_padded(a, octet_length(b), side))
    | _MACROS.main.sf_bits(_MACROS.main.sf_padded(b, octet_length(a), side)))::BLOB;

CREATE MACRO sf_bitxor_binary
  (a, b) AS xor(_MACROS.main.sf_bits(_MACROS.main.sf_same_length(a, b)), _MACROS.main.sf_bits(b))::BLOB,
  (a, b, side) AS xor(_MACROS.main.sf_bits(_MACROS.main.sf_padded(a, octet_length(b), side)),
    _MACROS.main.sf_bits(_MACROS.main.sf_padded(b, octet_length(a), side)))::BLOB;

CREATE MACRO sf_bitnot_binary(a) AS (~_MACROS.main.sf_bits(a))::BLOB;

CREATE MACRO sf_bitshiftleft_binary(a, n) AS CASE WHEN n >= 8 * octet_length(a) THEN unhex(repeat('00', octet_length(a)))
  ELSE (_MACROS.main.sf_bits(a) << n::INTEGER)::BLOB END;

CREATE MACRO sf_bitshiftright_binary(a, n) AS CASE WHEN n >= 8 * octet_length(a) THEN unhex(repeat('00', octet_length(a)))
  ELSE (_MACROS.main.sf_bits(a) >> n::INTEGER)::BLOB END;
