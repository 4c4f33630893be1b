"""The changes of a view, computed from those of its tables.

The query of a view is kept as DuckDB's tree, in which each table is read from a CTE ``_sf_base_N``. Run over the new rows
of the tables, and again over the old ones, it gives the new and the old rows of the view; the column ``_sf_change``
says from which rows of the tables each was made. So a row that is there both times was updated.

Supported are projections, filters, inner and cross joins and UNION ALL, as on Snowflake:
https://docs.snowflake.com/en/user-guide/streams-intro#label-streams-intro-views
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.ddl import query_of
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session

Node = dict[str, Any]
"""A node of DuckDB's tree, as JSON."""

_CHANGE = "_sf_change"


@dataclass
class Tracked:
    """The query of a view over CTEs, and the tables that they are for.

    Attributes:
        query: the query, with the columns of the view and ``_sf_change``.
        tables: the tables, in the order of the CTEs.
        joins: whether the view joins tables, so that unchanged rows matter too.
    """

    query: str
    tables: list[Name]
    joins: bool

    def to_json(self) -> str:
        """Return the text under which it is kept."""
        return json.dumps({"query": self.query, "tables": self.tables, "joins": self.joins})

    @classmethod
    def from_json(cls, text: str) -> Tracked:
        """Read the text under which it is kept."""
        read = json.loads(text)
        return cls(read["query"], [(a, b, c) for a, b, c in read["tables"]], read["joins"])

    def changes(self, kept: Sequence[str], *, append_only: bool) -> str:
        """Return the query of a stream's rows.

        Args:
            kept: the tables of the changes of the tables.
            append_only: whether only new rows count.
        """
        new, old = (self._rows(kept, side) for side in ("new", "old"))
        metadata = f'sha1(n.{_CHANGE}) AS "METADATA$ROW_ID"'
        if append_only:
            return (
                f'SELECT n.* EXCLUDE ({_CHANGE}), \'INSERT\' AS "METADATA$ACTION", false AS "METADATA$ISUPDATE", '
                f"{metadata} FROM ({new}) AS n"
            )
        both = (
            f"SELECT a.* EXCLUDE ({_CHANGE}), '{{action}}' AS \"METADATA$ACTION\", b.{_CHANGE} IS NOT NULL AS "
            f'"METADATA$ISUPDATE", sha1(a.{_CHANGE}) AS "METADATA$ROW_ID" '
            f"FROM {{one}} AS a LEFT JOIN {{other}} AS b USING ({_CHANGE}) "
            f"WHERE b.{_CHANGE} IS NULL OR a IS DISTINCT FROM b"
        )
        return (
            f"WITH _sf_new AS MATERIALIZED ({new}), _sf_old AS MATERIALIZED ({old}) "
            + both.format(action="INSERT", one="_sf_new", other="_sf_old")
            + " UNION ALL "
            + both.format(action="DELETE", one="_sf_old", other="_sf_new")
        )

    def _rows(self, kept: Sequence[str], side: str) -> str:
        """Return the query of the new or of the old rows that were made from changed ones."""
        bases = ", ".join(
            f"_sf_base_{number} AS ({self._base(table, changes, side)})"
            for number, (table, changes) in enumerate(zip(self.tables, kept, strict=True))
        )
        changed = f" WHERE contains({_CHANGE}, 'c')" if self.joins else ""
        return f"WITH {bases} SELECT * FROM ({self.query}){changed}"

    def _base(self, table: Name, changes: str, side: str) -> str:
        """Return the rows of a table, as they are or as they were, with their identities.

        An unchanged row is known by its ``rowid``. Of rows that are equal to a new one, it does not matter which is
        taken for it.
        """
        changed = f"SELECT unnest({side}), 'c' || change::VARCHAR AS {_CHANGE} FROM {changes} WHERE {side} IS NOT NULL"
        if not self.joins:
            return changed
        row = f"FROM {quoted(*table)} AS _sf_row"
        taken = (
            f"SELECT place FROM (SELECT rowid AS place, _sf_row AS v, row_number() OVER (PARTITION BY _sf_row) AS i {row} "
            f"WHERE _sf_row IN (SELECT new FROM {changes})) AS r JOIN (SELECT new, row_number() OVER (PARTITION BY new) "
            f"AS i FROM {changes} WHERE new IS NOT NULL) AS k ON r.v IS NOT DISTINCT FROM k.new AND r.i = k.i"
        )
        same = (
            f"SELECT *, 'r' || rowid::VARCHAR AS {_CHANGE} FROM {quoted(*table)} WHERE rowid NOT IN ({taken})"
        )
        return f"{same} UNION ALL {changed}"


def track(session: Session, view: Name) -> Tracked:
    """Return the query of a view over the changes of its tables.

    Raises:
        ProgrammingError: the query has what Snowflake does not support either, such as GROUP BY.
        UnsupportedError: it has an outer join or a table function.
    """
    found = _Rewriter(session)
    node = found.view(view)
    described = session.duck.execute(f"DESCRIBE SELECT * FROM {quoted(*view)}").fetchall()
    columns = ", ".join([*(quoted(name) for name, *_ in described), _CHANGE])
    return Tracked(f"SELECT * FROM ({_text(session, node)}) AS t({columns})", found.tables, found.joins)


@dataclass
class _Rewriter:
    """Rewrites the queries of a view and of the views that it reads.

    Attributes:
        tables: the tables found so far.
        joins: whether a query has a join.
    """

    session: Session
    tables: list[Name] = field(default_factory=list)
    joins: bool = False

    def view(self, name: Name) -> Node:
        """Return the rewritten query of a view."""
        row = self.session.duck.execute(
            "SELECT sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?",
            list(name),
        ).fetchone()
        assert row is not None
        return self.query(_node(self.session, query_of(str(row[0]))), name, {})

    def query(self, node: Node, home: Name, ctes: Mapping[str, Node]) -> Node:
        """Rewrite a query, and add ``_sf_change`` as its last column.

        Args:
            node: the query.
            home: the view that it belongs to, for names without a schema.
            ctes: the queries of the CTEs in scope.
        """
        own = dict(ctes)
        for entry in node["cte_map"]["map"]:
            if entry["value"]["aliases"]:
                raise _unsupported("a WITH that names its columns")
            own[entry["key"].upper()] = entry["value"]["query_node"]
        node = {**node, "cte_map": {"map": []}}
        if node["type"] == "SET_OPERATION_NODE":
            if node["setop_type"] != "UNION" or not node.get("setop_all"):
                raise _refused(node["setop_type"])
            if node["modifiers"]:
                raise _refused(_MODIFIERS.get(node["modifiers"][0]["type"], "a modifier"))
            children = [self.query(child, home, own) for child in node["children"]]
            for number, child in enumerate(children):
                _last(child, f"{_CHANGE} || '.{number}'", self.session)
            return {**node, "children": children}
        if node["type"] != "SELECT_NODE":
            raise _unsupported("this query")
        _check(node, self.session)
        names: list[str] = []
        table = self.relation(node["from_table"], home, own, names)
        for item in node["select_list"]:
            if item["class"] == "STAR":
                item["exclude_list"] = [*item["exclude_list"], _star_exclusion(self.session)]
        text = " || '|' || ".join(f"{quoted(name)}.{_CHANGE}" for name in names)
        identity = _expression(self.session, f"{text} AS {_CHANGE}")
        return {**node, "from_table": table, "select_list": [*node["select_list"], identity]}

    def relation(self, node: Node, home: Name, ctes: Mapping[str, Node], names: list[str]) -> Node:
        """Rewrite a relation of FROM; add the names of what it reads."""
        match node["type"]:
            case "JOIN":
                if node["join_type"] != "INNER" or node["ref_type"] not in ("REGULAR", "CROSS"):
                    raise _unsupported(f"a {node['join_type']} join")
                if node.get("using_columns"):
                    raise _unsupported("a join with USING")
                self.joins = True
                return {
                    **node,
                    "left": self.relation(node["left"], home, ctes, names),
                    "right": self.relation(node["right"], home, ctes, names),
                }
            case "SUBQUERY":
                names.append(node["alias"])
                if node.get("column_name_alias"):
                    raise _unsupported("a subquery that names its columns")
                inner = self.query(node["subquery"]["node"], home, ctes)
                return {**node, "subquery": {**node["subquery"], "node": inner}}
            case "BASE_TABLE":
                return self.table(node, home, ctes, names)
        raise _unsupported("a table function")

    def table(self, node: Node, home: Name, ctes: Mapping[str, Node], names: list[str]) -> Node:
        """Replace a table by its CTE, and a view or a CTE by its query."""
        if node.get("sample"):
            raise _unsupported("SAMPLE")
        alias = node["alias"] or node["table_name"]
        names.append(alias)
        inner = ctes.get(node["table_name"].upper()) if not node["schema_name"] else None
        name = (node["catalog_name"] or home[0], node["schema_name"] or home[1], node["table_name"])
        if inner is not None:
            inner = self.query(inner, home, ctes)
        elif existing_kind(self.session, name) == "VIEW":
            inner = self.view(name)
        if inner is not None:
            wrapped = _node(self.session, f"SELECT * FROM (SELECT 1) AS {quoted(alias)}")["from_table"]
            return {**wrapped, "subquery": {**wrapped["subquery"], "node": inner}}
        if name[0] != home[0]:
            raise _unsupported("a table in another database")
        if name not in self.tables:
            self.tables.append(name)
        read = _node(self.session, f"SELECT * FROM _sf_base_{self.tables.index(name)} AS {quoted(alias)}")
        return {**read["from_table"], "column_name_alias": node["column_name_alias"]}


_MODIFIERS = {"DISTINCT_MODIFIER": "DISTINCT", "LIMIT_MODIFIER": "LIMIT", "ORDER_MODIFIER": "ORDER BY"}


def _unsupported(what: str) -> Exception:
    return errors.UnsupportedError(f"a stream on a view with {what}")


def _refused(what: str) -> Exception:
    """Return the error for what Snowflake supports no stream on either."""
    return errors.syntax(f"Change tracking is not supported on queries with '{what}'.")


def _check(node: Node, session: Session) -> None:
    """Refuse what changes rows depending on others.

    Raises:
        ProgrammingError: the query has it.
    """
    for modifier in node["modifiers"]:
        raise _refused(_MODIFIERS.get(modifier["type"], "a modifier"))
    for key, told in (
        ("group_expressions", "GROUP BY"),
        ("having", "HAVING"),
        ("qualify", "QUALIFY"),
        ("sample", "SAMPLE"),
    ):
        if node[key]:
            raise _refused(told)
    if node["from_table"]["type"] == "EMPTY":
        raise _unsupported("no table")
    expressions = [*node["select_list"], *([node["where_clause"]] if node["where_clause"] else [])]
    for expression in expressions:
        for inner in _walk(expression):
            if inner.get("class") == "WINDOW":
                raise _refused("WINDOW")
            if inner.get("class") == "SUBQUERY":
                raise _refused("SUBQUERY")
            if inner.get("class") == "FUNCTION" and _is_aggregate(session, str(inner["function_name"])):
                raise _refused("AGGREGATE")


def _walk(value: object) -> Iterator[Node]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _is_aggregate(session: Session, name: str) -> bool:
    found = session.duck.execute(
        "SELECT 1 FROM duckdb_functions() WHERE lower(function_name) = lower(?) AND function_type = 'aggregate' LIMIT 1",
        [name],
    )
    return name.lower() == "unnest" or bool(found.fetchone())


def _node(session: Session, query: str) -> Node:
    """Return the tree of a query."""
    row = session.duck.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    assert row is not None
    read = json.loads(row[0])
    if read["error"]:
        raise errors.UnsupportedError("a stream on this view")
    node: Node = read["statements"][0]["node"]
    return node


def _expression(session: Session, text: str) -> Node:
    expression: Node = _node(session, f"SELECT {text}")["select_list"][0]
    return expression


def _star_exclusion(session: Session) -> object:
    """Return ``_sf_change`` as the tree has it in the EXCLUDE of a star."""
    return _expression(session, f"* EXCLUDE ({_CHANGE})")["exclude_list"][0]


def _last(node: Node, text: str, session: Session) -> None:
    """Replace the last column of a query, ``_sf_change``, by an expression of it."""
    if node["type"] == "SET_OPERATION_NODE":
        for child in node["children"]:
            _last(child, text, session)
        return
    own = node["select_list"][-1]
    made = _expression(session, f"({text.replace(_CHANGE, '_sf_own')}) AS {_CHANGE}")
    node["select_list"][-1] = _substituted(made, own)


def _substituted(value: Any, own: Node) -> Any:
    """Replace the column ``_sf_own`` in an expression."""
    if isinstance(value, dict):
        if value.get("class") == "COLUMN_REF" and value.get("column_names") == ["_sf_own"]:
            return {**own, "alias": ""}
        return {key: _substituted(inner, own) for key, inner in value.items()}
    if isinstance(value, list):
        return [_substituted(inner, own) for inner in value]
    return value


def _text(session: Session, node: Node) -> str:
    """Return the text of a query."""
    tree = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
    row = session.duck.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchone()
    assert row is not None
    return str(row[0])
