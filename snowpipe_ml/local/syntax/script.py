"""Split scripts into statements."""

from __future__ import annotations

import re
from collections.abc import Iterator

from snowpipe_ml.local.syntax.reader import Reader

FIRST_WORD = re.compile(r"\s*\(?\s*([A-Za-z]+)")


def split(text: str) -> Iterator[str]:
    """Yield the statements of a script."""
    start = 0
    reader = Reader(text + "\n;")
    # Reader drops trailing semicolons; semicolons between statements are tokens.
    for token in reader.tokens:
        if token.text == ";":
            if text[start : token.start].strip():
                yield text[start : token.start].strip()
            start = token.end
    if text[start:].strip().strip(";"):
        yield text[start:].strip().rstrip(";")
