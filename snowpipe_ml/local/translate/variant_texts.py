"""Use VARIANTs as text: a text function gets the text of a VARIANT, not its JSON."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.annotation import Relations
from snowpipe_ml.local.translate.conversions import may_be_variant, text_of
from snowpipe_ml.local.translate.expressions import macro
from snowpipe_ml.local.translate.types import VARIANTS, kind

# Nodes that can produce a VARIANT; a function without a sqlglot class may be user-defined.
_SOURCES = (
    exp.JSONExtract,
    exp.Struct,
    exp.StarMap,
    exp.JSONObject,
    exp.Array,
    exp.Bracket,
    exp.Anonymous,
)


def has_variants(tree: exp.Expr, known: Relations) -> bool:
    """Return whether a statement can contain a VARIANT; if not, the rules for VARIANTs are skipped."""
    if any(node.this in VARIANTS for node in nodes(tree, exp.DataType)) or nodes(tree, *_SOURCES):
        return True
    return any(stored in ("JSON", "ARRAY", "OBJECT") for columns in known.values() for _, stored in columns)


# Functions whose arguments are only texts.
TEXT_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.Upper,
    exp.Lower,
    exp.Initcap,
    exp.Trim,
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.RegexpReplace,
    exp.RegexpExtract,
    exp.RegexpCount,
    exp.RegexpInstr,
    exp.Replace,
    exp.StartsWith,
    exp.EndsWith,
    exp.Contains,
    exp.GroupConcat,
    exp.Split,
    exp.SplitPart,
    exp.StrPosition,
    exp.Translate,
    exp.Repeat,
    exp.Ascii,
    exp.Soundex,
    exp.Levenshtein,
    exp.Strtok,
    exp.Collate,
)
# Functions that also accept binary values.
BINARY_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.Length,
    exp.Substring,
    exp.Left,
    exp.Right,
    exp.Pad,
    exp.Reverse,
    exp.DPipe,
    exp.Concat,
    exp.ConcatWs,
    exp.Stuff,
    exp.MD5,
    exp.SHA,
    exp.SHA2,
    exp.Base64Encode,
    exp.Hex,
)


def text_function(node: exp.Expr, session: Session) -> exp.Expr:
    """Convert VARIANT arguments to text, as in ``UPPER(v)``, ``v || 'x'`` and ``LENGTH(v:name)``."""
    for part in list(node.iter_expressions()):
        inner = part.this if isinstance(part, exp.Order) else part  # LISTAGG(x) WITHIN GROUP (ORDER BY y)
        items = inner.expressions if isinstance(inner, exp.Distinct) else [inner]
        for item in items:
            _as_text_argument(item, isinstance(node, BINARY_FUNCTIONS))
    return node


def _as_text_argument(item: exp.Expr, may_be_binary: bool) -> None:
    found = kind(item)
    if isinstance(item.unnest(), exp.JSONExtract) or found in VARIANTS:
        item.replace(text_of(item))
    elif found is None and may_be_variant(item.unnest()):
        item.replace(macro("sf_not_variant" if may_be_binary else "sf_text", item.copy()))
