"""What a handler may import, and the handler itself. It runs in worker processes."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import os
import sys
import types
from importlib.machinery import PathFinder


class Sandbox(importlib.abc.MetaPathFinder):
    """Lets only the standard library, the declared packages and the staged imports be imported."""

    def __init__(self, blocked, host_path):
        self.blocked = blocked
        self.host_path = host_path  # the interpreter's own entries of sys.path
        self.real_import = builtins.__import__

    def install(self):
        sys.meta_path[:] = [self if finder is PathFinder else finder for finder in sys.meta_path]
        builtins.__import__ = self.guarded_import

    def find_spec(self, name, path=None, target=None):
        """As the usual finder, but an undeclared package is looked for only among the function's own."""
        if path is None and name in self.blocked:
            return PathFinder.find_spec(name, self._own_path(), target)
        return PathFinder.find_spec(name, path, target)

    def find_distributions(self, *args, **kwargs):
        """What importlib.metadata asks: many packages look up their own version when they are imported."""
        return PathFinder.find_distributions(*args, **kwargs)

    def invalidate_caches(self):
        PathFinder.invalidate_caches()

    def _own_path(self):
        """Imports, and folders that the function itself added to sys.path."""
        return [entry for entry in sys.path if entry not in self.host_path]

    def guarded_import(self, name, globals=None, locals=None, fromlist=(), level=0):
        top = name.partition(".")[0]
        # Modules that this script loaded for itself are in sys.modules already, where no finder is
        # asked; so an import from the user's own code is checked here as well.
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

    def _is_users(self, globals):
        file = (globals or {}).get("__file__") or ""
        return (globals or {}).get("__name__") == "_udf_code" or not file.startswith(
            (*self.host_path, _PACKAGE)
        )

    def _explained(self, error, top):
        """Snowflake's error, with what to do about it added."""
        if top in self.blocked and "declare" not in error.msg:
            error.msg += (
                f" (declare the package '{self.blocked[top]}' for this function, or stage it and import it)"
            )
        return error


def load_handler(config):
    """The handler: a function or a class, from inline code or from a staged module."""
    name = config["handler"]
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
    return target


_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
