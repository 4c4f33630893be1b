"""Plain queries are annotated where they are: the types are those that sqlglot finds in a qualified copy."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from sqlglot import exp

from snowpipe_ml.local.core.collection import collector_paused
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.trees import Present, nodes, unchanged
from snowpipe_ml.local.translate import annotation
from snowpipe_ml.local.translate.direct_annotation import is_plain
from snowpipe_ml.local.translate.names import name_projections, qualify_tables, store_identifiers

_CLASSES = (exp.Binary, exp.AggFunc, exp.Case, exp.Cast, exp.Coalesce, exp.Alias, exp.Column)
QUERIES = [
    "SELECT a + b, a * x, x / 3, d, s || a FROM t WHERE a > x",
    "SELECT SUM(x), AVG(x), COUNT(*), MAX(d) FROM t GROUP BY s HAVING SUM(a) > 1",
    "SELECT 2 AS n, 7 AS m, n / m, n * 1.5 AS o, o + x FROM t",
    "SELECT x AS y, y + 1 AS z FROM t WHERE y > 1 GROUP BY z, x QUALIFY ROW_NUMBER() OVER (ORDER BY y) = 1",
    "SELECT SUM(a) AS a FROM t HAVING SUM(a) > 1 AND a < 4",
    "WITH q (k, v) AS (SELECT s, SUM(x) FROM t GROUP BY s), r AS (SELECT k, v / 2 AS h FROM q) "
    "SELECT q.v - r.h, * FROM q JOIN r ON q.k = r.k",
    "SELECT u.n * 2, w.* FROM (SELECT a AS n, x FROM t) AS u, t AS w WHERE u.x = w.x",
    "SELECT c1 + 1.25, c2 FROM (VALUES (1, 'a'), (2.5, 'b')) AS v (c1, c2)",
    "SELECT (SELECT MAX(x) FROM t AS i WHERE i.a = o.a) + 1 FROM t AS o WHERE EXISTS (SELECT 1 FROM t WHERE a = o.a)",
    "SELECT a FROM t WHERE x IN (SELECT AVG(x) FROM t) OR x > (SELECT 1.5)",
    "SELECT a AS k FROM t UNION ALL SELECT x * 2 FROM t",
    "SELECT k + 1 FROM (SELECT a AS k FROM t UNION SELECT x FROM t INTERSECT SELECT x * 2 FROM t) AS q",
    "SELECT CASE WHEN a > 1 THEN x ELSE 0 END, COALESCE(x, a), IFF(a = 1, d, NULL) FROM t",
    "SELECT l.a + r.x FROM (t AS l JOIN t AS r ON l.a = r.a) WHERE l.d > r.d",
    "SELECT RANK() OVER (PARTITION BY s ORDER BY SUM(x)) AS k, SUM(SUM(x)) OVER () FROM t GROUP BY s QUALIFY k < 3",
]


@pytest.mark.parametrize("text", QUERIES)
def test_same_types(session: Any, text: str) -> None:
    opened = session.connection.session
    session.sql("CREATE TABLE IF NOT EXISTS t (a INT, b INT, x NUMBER(10, 2), d DATE, s VARCHAR)").collect()
    found = []
    for annotate in (_in_place, _in_copy):
        tree = parse(text)
        name_projections(tree)
        store_identifiers(tree)
        qualify_tables(tree, opened, "SELECT")
        assert is_plain(tree)
        wanted = nodes(tree, *_CLASSES)
        annotate(tree, annotation.relations(tree, opened), wanted)
        found.append([(node, node.type) for node in wanted])
    typed = [
        (one.sql(), str(type_), str(other))
        for (one, type_), (_, other) in zip(*found, strict=True)
        # sqlglot replaces aliases, so that the types of these columns are lost in the copy.
        if other is not None and other.this != exp.DType.UNKNOWN
    ]
    assert typed
    assert [one for one in typed if one[1] != one[2]] == []


def _in_place(tree: exp.Expr, known: Any, wanted: list[exp.Expr]) -> None:
    annotation._annotate_in_place(tree, known, {id(node) for node in wanted})


def _in_copy(tree: exp.Expr, known: Any, wanted: list[exp.Expr]) -> None:
    annotation._annotate_copy(tree, known, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM t NATURAL JOIN u",
        "SELECT * FROM t JOIN u USING (a)",
        "SELECT f.value FROM t, LATERAL FLATTEN(input => t.v) f",
        "SELECT OBJECT_CONSTRUCT(*) FROM t",
        "SELECT * EXCLUDE a FROM t",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
        "SELECT TRANSFORM([1], x -> x + 1)",
    ],
)
def test_not_plain(text: str) -> None:
    assert not is_plain(parse(text))


def test_one_search() -> None:
    tree = parse("SELECT a, COUNT(*) FROM t WHERE b IN (SELECT c FROM u)")
    found = nodes(tree, exp.Column, exp.Table)
    with unchanged(tree):
        assert nodes(tree, exp.Column, exp.Table) == found
        inner = tree.find(exp.In)
        assert inner is not None
        assert [column.name for column in nodes(inner, exp.Column)] == ["b", "c"]
    assert Present(tree).has(exp.Star)
    assert not Present(tree).has(exp.Window, exp.Parameter)


def test_collector_paused() -> None:
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
