"""Each function that the embedded warehouse serves is witnessed by a documented case."""

from __future__ import annotations

import ast
import re
from importlib.resources import files

from snowpipe_ml.local.translate.registry import SCALAR_FUNCTIONS, is_served
from tests.documented.cases import all_cases

_REGISTERED_BY = ("define", "same_in_duckdb", "scalar_function")


def _families() -> dict[str, str]:
    """Return the family of each function that a module of ``translate/functions/`` registers by a literal name."""
    found = {}
    for module in files("snowpipe_ml.local.translate.functions").iterdir():
        if not module.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _REGISTERED_BY:
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found[argument.value] = module.name.removesuffix(".py")
    return found


def test_each_served_function_has_a_case() -> None:
    assert "CURRENT_DATABASE" in SCALAR_FUNCTIONS  # the families are imported
    texts = [" ".join((*case.setup, case.sql)).upper() for case in all_cases()]
    words = {word for text in texts for word in re.findall(r"[A-Z_$][A-Z0-9_$]*", text)}
    missing: dict[str, list[str]] = {}
    for name, family in sorted(_families().items()):
        if is_served(name) and name not in words:
            missing.setdefault(family, []).append(name)
    assert missing == {}
