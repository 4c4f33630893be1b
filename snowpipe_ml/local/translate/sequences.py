"""Translate NAME.NEXTVAL in a query."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.sequences import Sequences
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes


def next_values(tree: exp.Expr, session: Session) -> None:
    """Replace ``S.NEXTVAL`` with ``nextval('"DB"."SCHEMA"."S"')``."""
    for identifier in [i for i in nodes(tree, exp.Identifier) if i.name == "NEXTVAL"]:
        node = identifier.parent
        while node is not None and isinstance(node.parent, exp.Column | exp.Dot):
            node = node.parent
        if node is None:
            continue
        found = node.parts if isinstance(node, exp.Column) else node.find_all(exp.Identifier, bfs=False)
        parts = [part.name for part in found]
        if len(parts) < 2:
            continue
        name = session.resolve(tuple(part for part in parts if part != "NEXTVAL"))
        if Sequences().exists(session, name):
            call = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(quoted(*name))])
            call.meta["ours"] = True
            named = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
            node.replace(exp.alias_(call, exp.to_identifier("NEXTVAL", quoted=True)) if named else call)
