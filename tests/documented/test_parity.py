"""The page docs/parity.md says what the registries and the cases say."""

from __future__ import annotations

from tests.documented.parity import PAGE, page


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text("utf-8").splitlines()
    assert written == list(page()), "the page is out of date: run `make parity`"
