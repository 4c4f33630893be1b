"""Members and origins that an ensemble skips for its time budget.

The order follows from what each costs in accuracy over thirteen panels: exponential smoothing and ARIMA with their
searches are the dearest members and are missed least (by less than .002 of MASE beside the others), three origins
instead of one are worth .003, and the models over all series .03.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Members that are skipped before older origins are, in this order.
_FIRST = ("auto_arima", "auto_ces", "auto_ets")
_FEWEST = 2  # members
# The trainings that follow the backtest: on the first part of the history, and on all of it.
_FOLLOWING = 2


@dataclass(frozen=True)
class Member:
    """A member of an ensemble.

    Attributes:
        name: its name.
        type: its type.
        shared: whether it is one model over all series.
        seconds: the seconds of a training.
    """

    name: str
    type: str
    shared: bool
    seconds: float


def within(members: Sequence[Member], others: float, left: float, older: int) -> tuple[list[str], int]:
    """Return the names of the members that are skipped, and the number of older origins that there is time for.

    Args:
        members: the members.
        others: the seconds of a training of the models that are only compared.
        left: the seconds that are left after the newest origin.
        older: the number of older origins.
    """
    kept = {member.name: member for member in members}
    dropped: list[str] = []

    def needed(origins: int) -> float:
        each = sum(member.seconds for member in kept.values())
        return origins * (each + others) + _FOLLOWING * each

    def drop(order: Sequence[Member], origins: int) -> None:
        for member in order:
            if needed(origins) <= left or len(kept) <= _FEWEST:
                return
            del kept[member.name]
            dropped.append(member.name)

    first = [member for kind in _FIRST for member in members if member.type == kind]
    drop(first, older)
    while older and needed(older) > left:
        older -= 1
    rest = [member for member in members if member.name in kept]
    drop(sorted(rest, key=lambda member: (member.shared, -member.seconds)), older)
    return dropped, older


def told(dropped: Mapping[str, float], origins: int, kept: int) -> list[str]:
    """Return the parts of a message about what was skipped.

    Args:
        dropped: the members that were skipped, with the seconds of a training of each.
        origins: the number of origins.
        kept: the number of those that there was time for.
    """
    members = [f"{name} ({seconds:.1f} s a training)" for name, seconds in dropped.items()]
    return members + ([f"{origins - kept} of {origins} origins"] if kept < origins else [])
