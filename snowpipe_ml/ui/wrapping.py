"""Hanging indents: long text on a terminal is wrapped in its column and not at the left edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_NARROWEST = 20
_INDENT = 4


def hanging(console: Console, lead: Text, body: Text) -> Text:
    """Append a text to a lead, with all lines of the text aligned below its first line.

    If there is too little space after the lead, the text starts on a new line. Print the result
    with ``soft_wrap``.

    Args:
        console: the console on which it will be printed.
        lead: the text before the body, on the first line.
        body: the text to wrap; its line feeds are kept.
    """
    from rich.text import Text

    indent = lead.cell_len
    below = console.width - indent < _NARROWEST
    if below:
        indent = _INDENT
    lines = body.wrap(console, max(console.width - indent, 1), overflow="fold")
    start = Text.assemble(lead, "\n", " " * indent) if below and body.plain else lead
    return Text.assemble(start, Text("\n" + " " * indent).join(lines))
