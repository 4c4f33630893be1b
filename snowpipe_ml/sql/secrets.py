"""Secret values, which must never appear in output."""

from __future__ import annotations

from snowpipe_ml.text.redaction import remember


class Secret:
    """A value that is shown as stars and redacted from all output.

    Only :meth:`reveal` returns it.

    >>> str(Secret("hunter2")), repr(Secret("hunter2"))
    ('******', "Secret('******')")
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        remember(value)

    def reveal(self) -> str:
        """Return the value itself. Call this only where the value is passed on."""
        return self.__value

    def __str__(self) -> str:
        return "******"

    def __repr__(self) -> str:
        return "Secret('******')"

    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.__value == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled")
