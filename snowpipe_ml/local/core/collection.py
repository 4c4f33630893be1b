"""Python's cyclic garbage collector, paused while trees of statements are built."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no garbage in the block.

    The nodes of a tree refer to each other, and there are thousands of them while a statement is translated: the
    collector would examine them, and now and then all objects of the program, some forty times, and find nothing.
    If the collector is paused already, here or by the program, its state is left as it is.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
