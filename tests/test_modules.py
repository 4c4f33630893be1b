"""docs/modules.md names every module."""

from __future__ import annotations

from tests import modules


def test_the_page_is_up_to_date() -> None:
    assert modules.PAGE.read_text() == modules.page(), "run `python -m tests.modules`"


def test_every_module_says_what_it_contains() -> None:
    assert [
        path for folder in modules.folders() for path in folder.glob("*.py") if not modules.summary(path)
    ] == []
