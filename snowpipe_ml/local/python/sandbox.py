"""Load a handler and restrict its imports. This module runs in worker processes."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import os
import sys
import types
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution, DistributionFinder

    from snowpipe_ml.local.python.values import WorkerConfig


class Sandbox(importlib.abc.MetaPathFinder):
    """Allows imports of the standard library, the declared packages and the staged imports only."""

    def __init__(self, blocked: dict[str, str], host_path: tuple[str, ...]) -> None:
        self.blocked = blocked
        self.host_path = host_path  # the interpreter's own entries of sys.path
        self.real_import = builtins.__import__

    def install(self) -> None:
        """Replace the finder of sys.path and the import statement of this process."""
        sys.meta_path[:] = [self if finder is PathFinder else finder for finder in sys.meta_path]
        builtins.__import__ = self.guarded_import

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module; look for an undeclared package only among the staged imports of the function."""
        if path is None and name in self.blocked:
            return PathFinder.find_spec(name, self._own_path(), target)
        return PathFinder.find_spec(name, path, target)

    def find_distributions(
        self, *args: DistributionFinder.Context, **kwargs: DistributionFinder.Context
    ) -> Iterable[Distribution]:
        """Find distributions for importlib.metadata: many packages read their own version on import."""
        return PathFinder.find_distributions(*args, **kwargs)

    def invalidate_caches(self) -> None:
        """Discard cached lookups, as the finder of sys.path does."""
        PathFinder.invalidate_caches()

    def _own_path(self) -> list[str]:
        """Return the staged imports and the folders that the function added to sys.path."""
        return [entry for entry in sys.path if entry not in self.host_path]

    def guarded_import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        """Import a module as ``__import__`` does, unless it is blocked for the code that imports it."""
        top = name.partition(".")[0]
        # Modules that the worker itself uses are in sys.modules already, and no finder is called for them:
        # imports in the user's code are therefore checked here as well.
        if (
            level == 0
            and top in self.blocked
            and self._is_users(globals)
            and PathFinder.find_spec(top, self._own_path()) is None
        ):
            raise self._explained(ModuleNotFoundError(f"No module named '{top}'", name=top), top)
        try:
            return self.real_import(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            raise self._explained(error, (error.name or "").partition(".")[0]) from None

    def _is_users(self, globals: Mapping[str, object] | None) -> bool:
        file = str((globals or {}).get("__file__") or "")
        return (globals or {}).get("__name__") == "_udf_code" or not file.startswith(
            (*self.host_path, _PACKAGE)
        )

    def _explained(self, error: ModuleNotFoundError, top: str) -> ModuleNotFoundError:
        """Add a hint about what to do to Snowflake's error."""
        if top in self.blocked and "declare" not in error.msg:
            error.msg += (
                f" (declare the package '{self.blocked[top]}' for this function, or stage it and import it)"
            )
        return error


def load_handler(config: WorkerConfig) -> Callable[..., Any]:
    """Load the handler, a function or class, from inline code or from a staged module."""
    name = config["handler"]
    target: Any
    if config["body"] is not None:
        module = types.ModuleType("_udf_code")
        module.__file__ = "_udf_code.py"
        sys.modules["_udf_code"] = module
        exec(compile(config["body"], "_udf_code.py", "exec"), module.__dict__)
        target = module
        parts = name.split(".")
    else:
        module_name, _, attribute = name.rpartition(".")
        target = importlib.import_module(module_name)
        parts = [attribute]
    for part in parts:
        target = getattr(target, part)
    return cast("Callable[..., Any]", target)


_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
