-- Macros of the functions of the family: aggregates.
-- Whether a JSON array of the columns of a row has no NULL. A JSON null counts as NULL.
CREATE MACRO sf_no_null(columns) AS
  list_count(json_extract_string(columns, '$[*]')) = len(json_extract_string(columns, '$[*]'));

CREATE MACRO sf_first_fields(rows) AS list_transform(rows, lambda r: r[1]);

CREATE MACRO sf_top_k(x, k) AS to_json(list_transform(list_slice(list_sort(list_transform(
  map_entries(histogram(x)), lambda e: struct_pack(n := -e.value::BIGINT, k := e.key))), 1, k),
  lambda e: json_array(e.k, -e.n)));

-- A bitmap of at most 32,768 bits is stored as the number of its positions and the positions, two bytes each,
-- with at least four positions. https://docs.snowflake.com/en/user-guide/querying-bitmaps-for-distinct-counts
CREATE MACRO sf_bitmap_text(positions) AS unhex(printf('%04X', len(positions))
  || array_to_string(list_transform(positions, lambda p: printf('%02X%02X', p % 256, p // 256)), '')
  || repeat('0000', greatest(0, 4 - len(positions))));

CREATE MACRO sf_bitmap_positions(bitmap) AS list_transform(
  range(('0x' || substr(hex(bitmap), 1, 4))::BIGINT),
  lambda i: ('0x' || substr(hex(bitmap), 5 + 4 * i::INTEGER, 2))::BIGINT
    + 256 * ('0x' || substr(hex(bitmap), 7 + 4 * i::INTEGER, 2))::BIGINT);

CREATE MACRO sf_bitmap(position) AS _MACROS.main.sf_bitmap_text(list_sort(list_distinct(list(position::INTEGER))));

CREATE MACRO sf_bitmap_union(bitmap) AS _MACROS.main.sf_bitmap_text(list_sort(list_distinct(list_transform(
  flatten(list(_MACROS.main.sf_bitmap_positions(bitmap))), lambda p: p::INTEGER))));

CREATE MACRO sf_bitmap_count(bitmap) AS ('0x' || substr(hex(bitmap), 1, 4))::BIGINT;

-- A bitmap holds the values 1 to 32,768 of its bucket; bucket 0 and below hold those up to 0.
CREATE MACRO sf_bitmap_bucket(x) AS CASE WHEN x > 0 THEN 1 + (x - 1) // 32768 ELSE x // 32768 END;

CREATE MACRO sf_bitmap_position(x) AS CASE WHEN x > 0 THEN (x - 1) % 32768 ELSE abs(x) % 32768 END;

CREATE MACRO sf_if_known(y, x) AS CASE WHEN y IS NOT NULL THEN x END;

CREATE MACRO sf_if_both_known(y, x) AS CASE WHEN x IS NOT NULL THEN y END;

-- The number of changes between neighbors in a list; NULL differs from no value.
CREATE MACRO sf_changes(l) AS len(list_filter(range(1, len(l)), lambda i: l[i] <> l[i + 1]));

-- A sum of hashes in 64 bits; no hashes give 0.
CREATE MACRO sf_wrapped(total) AS CAST((((coalesce(total, 0) + 9223372036854775808) % 18446744073709551616)
  + 18446744073709551616) % 18446744073709551616 - 9223372036854775808 AS BIGINT);
