"""Records in portions, each of which is written by one statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_CHARACTERS = 400_000
_RECORDS = 5_000


def portions(records: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    """Split the records so that no statement becomes too long; a very long record has its own statement."""
    lengths = (sum(len(value) for value in record.values() if isinstance(value, str)) for record in records)
    places = enumerate(itertools.accumulate(lengths))
    pairs = zip(records, ((end // _CHARACTERS, place // _RECORDS) for place, end in places), strict=True)
    for _, group in itertools.groupby(pairs, lambda pair: pair[1]):
        yield [record for record, _ in group]
