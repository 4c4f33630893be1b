"""The modules that a handler's source imports, and the packages that provide them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass

# Modules that Snowflake's runtime provides without a declaration.
_RUNTIME = {"_snowflake"}
# Import name -> channel name, where one cannot be derived from the other.
_IMPORT_NAMES = {
    "sklearn": "scikit-learn",
    "torch": "pytorch",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "cv2": "opencv",
    "dateutil": "python-dateutil",
    "bs4": "beautifulsoup4",
    "snowflake.snowpark": "snowflake-snowpark-python",
    "snowflake.connector": "snowflake-connector-python",
    "snowflake.ml": "snowflake-ml-python",
    "Crypto": "pycryptodome",
    "msgpack": "msgpack-python",
    "google.protobuf": "protobuf",
    "umap": "umap-learn",
    "skimage": "scikit-image",
}


@dataclass(frozen=True)
class Import:
    """An import statement: the dotted module name and the line number."""

    module: str
    line: int


def imported(source: str, file: str) -> list[Import]:
    """Find the modules that a source file imports at any nesting level, without relative imports.

    Raises:
        SyntaxError: the source is not valid Python.
    """
    found: dict[str, Import] = {}
    for node in ast.walk(ast.parse(source, file)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found.setdefault(name, Import(name, node.lineno))
    return sorted(found.values(), key=lambda item: (item.line, item.module))


def channel_package(module: str) -> str:
    """The package of the channel that most likely provides a module."""
    for length in (2, 1):
        name = ".".join(module.split(".")[:length])
        if name in _IMPORT_NAMES:
            return _IMPORT_NAMES[name]
    return module.split(".")[0].lower().replace("_", "-")


def unprovided(imports: Iterable[Import], *, packages: Iterable[str], modules: Iterable[str]) -> list[Import]:
    """Find the imports that no package, wheel or file provides.

    Args:
        imports: the imports of the source.
        packages: the channel's names of the declared packages and their dependencies.
        modules: the modules that staged wheels and files provide.
    """
    declared, staged = {name.lower() for name in packages}, set(modules)
    missing = []
    for item in imports:
        parts = item.module.split(".")
        prefixes = {".".join(parts[: i + 1]) for i in range(len(parts))}
        if parts[0] in sys.stdlib_module_names or parts[0] in _RUNTIME or prefixes & staged:
            continue
        if channel_package(item.module) not in declared:
            missing.append(item)
    return missing
