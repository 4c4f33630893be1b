-- Macros of the functions of the family: arrays.
-- Build an ARRAY from a list of JSON values; NULL becomes a missing element.
CREATE MACRO sf_array(vals) AS to_json(list_transform(vals, lambda _sf_v: coalesce(_sf_v, _MACROS.main.sf_undefined()::JSON)));

CREATE MACRO sf_defined_items(a) AS list_filter(_MACROS.main.sf_items(a), lambda _sf_v: _sf_v <> _MACROS.main.sf_undefined());

CREATE MACRO sf_sames(a) AS list_transform(_MACROS.main.sf_items(a), lambda _sf_v: _MACROS.main.sf_same(_sf_v));

CREATE MACRO sf_array_size(a) AS CASE WHEN left(a::VARCHAR, 1) = '[' THEN json_array_length(a)::BIGINT END;

CREATE MACRO sf_array_append(a, x) AS CASE WHEN a IS NOT NULL THEN _MACROS.main.sf_array(list_append(_MACROS.main.sf_items(a), x)) END;

CREATE MACRO sf_array_prepend(a, x) AS CASE WHEN a IS NOT NULL THEN _MACROS.main.sf_array(list_prepend(x, _MACROS.main.sf_items(a))) END;

CREATE MACRO sf_array_cat(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL
  THEN to_json(list_concat(_MACROS.main.sf_items(a), _MACROS.main.sf_items(b))) END;

CREATE MACRO sf_array_compact(a) AS to_json(list_filter(_MACROS.main.sf_items(a),
  lambda _sf_v: _sf_v <> _MACROS.main.sf_undefined() AND _sf_v <> 'null'));

CREATE MACRO sf_array_contains(x, a) AS CASE WHEN a IS NULL THEN NULL
  WHEN x IS NULL THEN CASE WHEN list_contains(_MACROS.main.sf_items(a), _MACROS.main.sf_undefined()::JSON) THEN true END
  ELSE list_contains(_MACROS.main.sf_sames(a), _MACROS.main.sf_same(x)) END;

CREATE MACRO sf_array_position(x, a) AS CASE WHEN a IS NOT NULL THEN
  (list_position(_MACROS.main.sf_sames(a), _MACROS.main.sf_same(coalesce(x, _MACROS.main.sf_undefined()::JSON))) - 1)::BIGINT END;

-- An argument that is used several times is the element of a list, which a lambda expression gets: a macro repeats it.
CREATE MACRO sf_with_sames(a) AS list_transform([_MACROS.main.sf_items(a)],
  lambda _sf_l: struct_pack(items := _sf_l, sames := list_transform(_sf_l, lambda _sf_v: _MACROS.main.sf_same(_sf_v))))[1];

CREATE MACRO sf_array_distinct(a) AS list_transform([_MACROS.main.sf_with_sames(a)], lambda _sf_l: CASE WHEN _sf_l.items IS NOT NULL
  THEN to_json(list_filter(_sf_l.items, lambda _sf_v, _sf_i: list_position(_sf_l.sames, _sf_l.sames[_sf_i]) = _sf_i)) END)[1];

-- Multisets: the n-th copy of a value is kept or not according to how many copies the other ARRAY has.
CREATE MACRO sf_copies(sames, s) AS len(list_filter(sames, lambda _sf_c: _sf_c = s));

CREATE MACRO sf_array_except(a, b) AS list_transform([struct_pack(l := _MACROS.main.sf_with_sames(a), r := _MACROS.main.sf_with_sames(b))],
  lambda _sf_l: CASE WHEN _sf_l.l.items IS NOT NULL AND _sf_l.r.items IS NOT NULL THEN to_json(list_filter(_sf_l.l.items, lambda _sf_v, _sf_i:
    _MACROS.main.sf_copies(_sf_l.l.sames[1:_sf_i], _sf_l.l.sames[_sf_i]) > _MACROS.main.sf_copies(_sf_l.r.sames, _sf_l.l.sames[_sf_i]))) END)[1];

CREATE MACRO sf_array_intersection(a, b) AS list_transform([struct_pack(l := _MACROS.main.sf_with_sames(a), r := _MACROS.main.sf_with_sames(b))],
  lambda _sf_l: CASE WHEN _sf_l.l.items IS NOT NULL AND _sf_l.r.items IS NOT NULL THEN to_json(list_filter(_sf_l.l.items, lambda _sf_v, _sf_i:
    _MACROS.main.sf_copies(_sf_l.l.sames[1:_sf_i], _sf_l.l.sames[_sf_i]) <= _MACROS.main.sf_copies(_sf_l.r.sames, _sf_l.l.sames[_sf_i]))) END)[1];

CREATE MACRO sf_arrays_overlap(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL
  THEN list_has_any(_MACROS.main.sf_sames(a), _MACROS.main.sf_sames(b)) END;

CREATE MACRO sf_missing(n) AS list_transform(range(greatest(n, 0)::BIGINT), lambda _sf_i: _MACROS.main.sf_undefined()::JSON);

CREATE MACRO sf_inserted(items, p, x) AS CASE
  WHEN p > len(items) THEN list_append(list_concat(items, _MACROS.main.sf_missing(p - len(items))), x)
  WHEN p >= 0 THEN list_concat(list_append(items[1:p], x), items[p + 1:])
  WHEN p >= -len(items) THEN list_concat(list_append(items[1:len(items) + p], x), items[len(items) + p + 1:])
  ELSE list_concat(list_prepend(x, _MACROS.main.sf_missing(-p - len(items))), items) END;

CREATE MACRO sf_array_insert(a, p, x) AS list_transform([struct_pack(l := _MACROS.main.sf_items(a), p := p::BIGINT, x := x)],
  lambda _sf_l: CASE WHEN _sf_l.l IS NOT NULL AND _sf_l.p IS NOT NULL
    THEN _MACROS.main.sf_array(_MACROS.main.sf_inserted(_sf_l.l, _sf_l.p, _sf_l.x)) END)[1];

CREATE MACRO sf_array_remove(a, x) AS CASE WHEN x IS NOT NULL THEN to_json(list_filter(_MACROS.main.sf_items(a),
  lambda _sf_v: _MACROS.main.sf_same(_sf_v) <> _MACROS.main.sf_same(x))) END;

CREATE MACRO sf_array_remove_at(a, p) AS list_transform([struct_pack(l := _MACROS.main.sf_items(a), p := p::BIGINT)],
  lambda _sf_l: CASE WHEN _sf_l.p IS NOT NULL THEN to_json(list_filter(_sf_l.l,
    lambda _sf_v, _sf_i: _sf_i <> CASE WHEN _sf_l.p < 0 THEN len(_sf_l.l) + _sf_l.p ELSE _sf_l.p END + 1)) END)[1];

CREATE MACRO sf_place(p, n) AS CASE WHEN p < 0 THEN greatest(n + p, 0) ELSE p END;

CREATE MACRO sf_array_slice(a, p, q) AS list_transform([struct_pack(l := _MACROS.main.sf_items(a), p := p::BIGINT, q := q::BIGINT)],
  lambda _sf_l: CASE WHEN _sf_l.l IS NOT NULL AND _sf_l.p IS NOT NULL AND _sf_l.q IS NOT NULL THEN to_json(list_filter(_sf_l.l,
    lambda _sf_v, _sf_i: _sf_i > _MACROS.main.sf_place(_sf_l.p, len(_sf_l.l)) AND _sf_i <= _MACROS.main.sf_place(_sf_l.q, len(_sf_l.l)))) END)[1];

CREATE MACRO sf_array_reverse(a) AS to_json(list_reverse(_MACROS.main.sf_items(a)));

CREATE MACRO sf_joined(texts, separator) AS CASE WHEN len(texts) = 0 THEN ''
  ELSE list_reduce(texts, lambda _sf_x, _sf_y: _sf_x || separator || _sf_y) END;

CREATE MACRO sf_array_to_string(a, separator) AS CASE WHEN separator IS NOT NULL THEN _MACROS.main.sf_joined(list_transform(_MACROS.main.sf_items(a),
  lambda _sf_v: coalesce(_MACROS.main.sf_variant_text(_MACROS.main.sf_defined(_sf_v)::VARCHAR), '')), separator) END;

CREATE MACRO sf_array_flatten(a) AS list_transform([_MACROS.main.sf_items(a)], lambda _sf_l: CASE
  WHEN list_contains(_sf_l, _MACROS.main.sf_undefined()::JSON) OR list_contains(_sf_l, 'null'::JSON) THEN NULL
  WHEN len(list_filter(_sf_l, lambda _sf_v: left(_sf_v::VARCHAR, 1) <> '[')) > 0
  THEN error('sf_error 100107 22000: Not an array: ''Input argument to ARRAY_FLATTEN is not an array of arrays''')
  ELSE to_json(flatten(list_transform(_sf_l, lambda _sf_v: _MACROS.main.sf_list(_sf_v)))) END)[1];

CREATE MACRO sf_array_generate_range(p, q, step) AS CASE WHEN step = 0
  THEN error('sf_error 100183 22000: The step of ARRAY_GENERATE_RANGE must not be 0') ELSE to_json(range(p, q, step)) END;

CREATE MACRO sf_array_repeat(x, n) AS _MACROS.main.sf_array(list_transform(range(greatest(n, 0)), lambda _sf_i: x));

CREATE MACRO sf_sorted(l, direction) AS list_transform(list_sort(list_transform(list_filter(l::JSON[], lambda _sf_v: _sf_v <> _MACROS.main.sf_undefined()),
  lambda _sf_v: struct_pack(k := _MACROS.main.sf_order(_sf_v), v := _sf_v)), direction, 'NULLS LAST'), lambda _sf_e: _sf_e.v);

CREATE MACRO sf_ordered(l, ascending) AS CASE WHEN ascending THEN _MACROS.main.sf_sorted(l, 'ASC') ELSE list_reverse(_MACROS.main.sf_sorted(l, 'ASC')) END;

CREATE MACRO sf_absent_items(l) AS list_filter(l, lambda _sf_v: _sf_v = _MACROS.main.sf_undefined());

CREATE MACRO sf_array_sort(a, ascending, nulls_first) AS list_transform([struct_pack(l := _MACROS.main.sf_items(a), b := ascending::BOOLEAN, n := nulls_first::BOOLEAN)],
  lambda _sf_l: list_transform([struct_pack(s := _MACROS.main.sf_ordered(_sf_l.l, _sf_l.b), u := _MACROS.main.sf_absent_items(_sf_l.l))],
    lambda _sf_s: CASE WHEN _sf_l.l IS NULL OR _sf_l.b IS NULL THEN NULL
      WHEN coalesce(_sf_l.n, NOT _sf_l.b) THEN to_json(list_concat(_sf_s.u, _sf_s.s)) ELSE to_json(list_concat(_sf_s.s, _sf_s.u)) END)[1])[1];

CREATE MACRO sf_array_min(a) AS _MACROS.main.sf_sorted(_MACROS.main.sf_items(a), 'ASC')[1];

CREATE MACRO sf_array_max(a) AS _MACROS.main.sf_sorted(_MACROS.main.sf_items(a), 'DESC')[1];

CREATE MACRO sf_arrays_to_object(a, b) AS list_transform([struct_pack(k := _MACROS.main.sf_items(a), v := _MACROS.main.sf_items(b))], lambda _sf_l: CASE
  WHEN _sf_l.k IS NULL OR _sf_l.v IS NULL THEN NULL
  WHEN len(_sf_l.k) <> len(_sf_l.v) THEN error('sf_error 215001 22000: Key array and value array had unequal lengths in ARRAYS_TO_OBJECT')
  WHEN len(list_filter(_sf_l.k, lambda _sf_v: left(_sf_v::VARCHAR, 1) <> '"')) > 0
  THEN error('sf_error 215002 22000: Key supplied for ARRAYS_TO_OBJECT does not have string type')
  ELSE _MACROS.main.sf_from_entries(list_filter(list_transform(list_zip(_sf_l.k, _sf_l.v),
    lambda _sf_e: struct_pack(k := json_extract_string(_MACROS.main.sf_defined(_sf_e[1])::VARCHAR, '$'),
      v := coalesce(_MACROS.main.sf_defined(_sf_e[2]), 'null'::JSON))), lambda _sf_e: _sf_e.k IS NOT NULL)) END)[1];

CREATE MACRO sf_zipped(l, n) AS to_json(list_transform(range(n::BIGINT), lambda _sf_i:
  _MACROS.main.sf_from_entries(list_transform(l, lambda _sf_a, _sf_n: struct_pack(k := '$' || _sf_n,
    v := coalesce(_MACROS.main.sf_defined(_MACROS.main.sf_list(_sf_a)[_sf_i + 1]), 'null'::JSON))))));

CREATE MACRO sf_arrays_zip(arrays) AS list_transform([struct_pack(l := arrays, n := list_max(list_transform(arrays, lambda _sf_a: json_array_length(_sf_a))))],
  lambda _sf_l: CASE WHEN len(list_filter(_sf_l.l, lambda _sf_a: _sf_a IS NULL)) > 0 THEN NULL
    WHEN _sf_l.n = 0 THEN '[{}]'::JSON ELSE _MACROS.main.sf_zipped(_sf_l.l, _sf_l.n) END)[1];

CREATE MACRO sf_strtok_to_array(x, marks) AS to_json(CASE WHEN marks = '' THEN list_filter([x], lambda _sf_p: _sf_p <> '')
  ELSE list_filter(string_split_regex(x, '[' || regexp_escape(marks) || ']'), lambda _sf_p: _sf_p <> '') END);

-- ARRAY_UNION_AGG: each value as often as in the ARRAY that has most copies of it.
CREATE MACRO sf_array_union(arrays) AS _MACROS.main.sf_array_sort(coalesce(to_json(list_transform(
  list_distinct(flatten(list_transform(list_filter(arrays, lambda _sf_a: _sf_a IS NOT NULL), lambda _sf_a: list_transform(_MACROS.main.sf_defined_items(_sf_a),
    lambda _sf_v, _sf_i: struct_pack(s := _MACROS.main.sf_same(_sf_v), v := _sf_v,
      n := _MACROS.main.sf_copies(_MACROS.main.sf_sames(to_json(_MACROS.main.sf_defined_items(_sf_a)))[1:_sf_i], _MACROS.main.sf_same(_sf_v))))))),
  lambda _sf_e: _sf_e.v)), '[]'::JSON), true, NULL);

CREATE MACRO sf_pair(a, v) AS struct_pack(a := a, v := v);

-- The ARRAY of an aggregated list; the list of no rows is NULL.
CREATE MACRO sf_json_list(vals) AS coalesce(_MACROS.main.sf_array(vals), '[]'::JSON);

CREATE MACRO sf_object_of_pairs(pairs) AS coalesce(_MACROS.main.sf_from_entries(pairs), '{}'::JSON);
