"""What a handler's source imports, and who provides it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass

# What Snowflake's runtime has without being declared.
_RUNTIME = {"_snowflake"}
# Import name -> channel name, where the one does not tell the other.
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
    """An import statement: the dotted module, and the line it stands on."""

    module: str
    line: int


def imported(source: str, file: str) -> list[Import]:
    """The modules that a source file imports, wherever in it, without relative ones.

    Raises:
        SyntaxError: it is not Python.
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
    """The package of the channel that most likely brings a module."""
    for length in (2, 1):
        name = ".".join(module.split(".")[:length])
        if name in _IMPORT_NAMES:
            return _IMPORT_NAMES[name]
    return module.split(".")[0].lower().replace("_", "-")


def unprovided(imports: Iterable[Import], *, packages: Iterable[str], modules: Iterable[str]) -> list[Import]:
    """The imports that nothing provides.

    Args:
        imports: what is imported.
        packages: names of the channel that are declared or come with those.
        modules: modules that staged wheels and files bring.
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
