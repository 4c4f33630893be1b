"""Long text on a terminal: wrapped in its column instead of going on at the left edge."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

_NARROWEST = 20
_INDENT = 4


def hanging(console: Console, lead: Text, body: Text) -> Text:
    """Put a text behind a lead, with all of its lines below the first.

    Where too little room is left behind the lead, the text begins on a line of its own. It is to be printed with
    ``soft_wrap``.

    Args:
        console: where it will be printed.
        lead: what is before the text, on its first line.
        body: the text; its line feeds end lines.
    """
    indent = lead.cell_len
    below = console.width - indent < _NARROWEST
    if below:
        indent = _INDENT
    lines = body.wrap(console, max(console.width - indent, 1), overflow="fold")
    start = Text.assemble(lead, "\n", " " * indent) if below and body.plain else lead
    return Text.assemble(start, Text("\n" + " " * indent).join(lines))
