"""Registries of what plugins can add: step types, forecasters, targets, file formats, SQL functions.

A registry maps names to objects of one kind. Built-in objects are registered by the modules that
define them; installed packages add theirs under an entry-point group::

    [project.entry-points."snowpipe_ml.steps"]
    deduplicate = "my_package.steps:Deduplicate"
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

from snowpipe_ml.errors import PluginError

__all__ = ["Registry"]

log = logging.getLogger("snowpipe_ml.plugins")
T = TypeVar("T")
_X = TypeVar("_X")


@cache
def _entry_points() -> Any:  # SelectableGroups on Python 3.11, EntryPoints later
    # Finding them reads a file of every installed distribution: once for all registries.
    return entry_points()


class Registry(Mapping[str, T], Generic[T]):
    """The objects of one kind, by name. A lookup first loads the built-in and the installed ones.

    Args:
        kind: the kind, as a noun for messages: ``step type``.
        group: the entry-point group of installed packages.
        builtin: the modules that register the built-in objects when they are imported.
        check: called with a name and an object before it is registered; raises
            :class:`~snowpipe_ml.errors.PluginError` if the object cannot be used.
        key: normalizes a name before it is stored or looked up, such as ``str.upper``.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        *,
        builtin: tuple[str, ...] = (),
        check: Callable[[str, T], None] = lambda name, thing: None,
        key: Callable[[str], str] = str,
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtin = builtin
        self._check = check
        self._key = key
        self._things: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._lock = threading.RLock()
        self._loaded = self._loading = False

    def register(self, *names: str) -> Callable[[_X], _X]:
        """Register the decorated object under one or more names.

        Raises:
            PluginError: a name is taken by another object, or the object cannot be used.
        """

        def decorate(thing: _X) -> _X:
            for name in names:
                # The type of what is decorated is kept for the caller; `check` looks at it.
                self.add(name, thing)  # type: ignore[arg-type]
            return thing

        return decorate

    def announce(self, modules: Mapping[str, str]) -> None:
        """Name built-in objects, each with the module that registers it, which is imported on lookup."""
        self._modules |= {self._key(name): module for name, module in modules.items()}

    def add(self, name: str, thing: T) -> None:
        """Register an object under a name.

        Raises:
            PluginError: the name is taken by another object, or the object cannot be used.
        """
        known: object = self._things.get(self._key(name), thing)
        announced = self._modules.get(self._key(name))
        if announced is not None and getattr(thing, "__module__", announced) != announced:
            known = announced
        if known is not thing:
            raise PluginError(f"the {self.kind} {name!r} is registered twice: {known} and {thing}")
        self._check(name, thing)
        self._things[self._key(name)] = thing

    def discard(self, name: str) -> None:
        """Remove a name; do nothing if it is not registered."""
        self._things.pop(self._key(name), None)

    def load(self) -> None:
        """Register the built-in objects and those of installed packages, once.

        An entry point may also name a module, whose import registers objects with the registry's decorator. A
        package that cannot be loaded is only a warning, so that pipelines that do not use it still run.
        """
        if self._loaded:
            return
        with self._lock:
            if self._loaded or self._loading:
                return
            self._loading = True  # a module that is imported here may look into the registry
            try:
                for module in self._builtin:
                    import_module(module)
                self._add_installed()
                self._loaded = True
            finally:
                self._loading = False

    def _add_installed(self) -> None:
        for entry in _entry_points().select(group=self.group):
            try:
                loaded = entry.load()
                if not isinstance(loaded, ModuleType):
                    self.add(entry.name, loaded)
            except Exception as error:
                log.warning("cannot use the %s %r of %s: %s", self.kind, entry.name, entry.value, error)

    def __getitem__(self, name: str) -> T:
        self.load()
        key = self._key(name)
        if key not in self._things and key in self._modules:
            import_module(self._modules[key])
        return self._things[key]

    def __contains__(self, name: object) -> bool:
        self.load()
        return isinstance(name, str) and self._key(name) in {*self._things, *self._modules}

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(sorted({*self._things, *self._modules}))

    def __len__(self) -> int:
        self.load()
        return len({*self._things, *self._modules})
