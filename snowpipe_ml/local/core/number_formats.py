"""SQL format models of numbers: ``TO_CHAR(x, '$99,999.00')`` and ``TO_NUMBER(x, 'XXXX')``.

A model is parsed to alternatives, of which text is read by any, and a number is written by the only one. Models
with exponents, percent signs and parameters of TM9, and exact matching by FX, are refused.

https://docs.snowflake.com/en/sql-reference/sql-format-models
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache

from snowpipe_ml.local.core.errors import UnsupportedError

_TOKEN = re.compile(r'"(?:[^"]|"")*"|FM|FX|MI|TM9|TME|TM|EE+|[$BSDGX%.,09_]|[;:=/()-]', re.I)
_DIGITS = frozenset("09X")
_SYMBOLS = frozenset(";:-=/()")
# Precise enough for every NUMBER and its multiples.
_CONTEXT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Model:
    """One alternative of a format model.

    Attributes:
        before: the literal text before the number.
        after: the literal text after it.
        whole: the positions of the integer part: 0, 9, X and the separator of groups.
        fraction: the positions of the fraction; None without a decimal point.
        minimal: ``TM9``, ``TME`` or ``TM`` in place of positions; empty for positions.
        sign: ``S`` or ``MI``, or empty for the default.
        trailing: whether the sign follows the number.
        dollar: whether a dollar sign precedes the digits.
        blank: whether a zero before the point is blank.
        compact: whether padding is omitted.
        lower: whether letters of digits and of exponents are small.
    """

    before: str = ""
    after: str = ""
    whole: str = ""
    fraction: str | None = None
    minimal: str = ""
    sign: str = ""
    trailing: bool = False
    dollar: bool = False
    blank: bool = False
    compact: bool = False
    lower: bool = False

    @property
    def hexadecimal(self) -> bool:
        """Whether the digits are hexadecimal."""
        return "X" in self.whole


@lru_cache(256)
def models(text: str) -> tuple[Model, ...]:
    """Parse a format model.

    Raises:
        UnsupportedError: the text is not a format model, or a part of it is not supported.
    """
    parts = re.findall(r'(?:"(?:[^"]|"")*"|[^|"])+', text)
    found: list[Model] = []
    for part in parts:
        found += [Model(minimal="TM9"), Model(minimal="TME")] if part.upper() == "AUTO" else [_parse(part)]
    if not found:
        raise _refused(text)
    return tuple(found)


def _refused(text: str) -> UnsupportedError:
    return UnsupportedError(f"the number format {text!r}")


def _parse(text: str) -> Model:
    position, values, literals = 0, dict[str, bool | str | None](), ["", ""]
    whole, fraction, minimal, sign = "", None, "", ""
    trailing = False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _refused(text)
        position, token = match.end(), match.group()
        name, numbered = token.upper(), bool(whole or fraction is not None or minimal)
        if name.startswith('"') or name in _SYMBOLS or (name in ".," and not numbered):
            if (values or sign) and not numbered and set(values) != {"compact"}:
                raise _refused(text)
            literals[numbered] += token[1:-1].replace('""', '"') if name.startswith('"') else token
        elif numbered and literals[1] and (name in _DIGITS or name in (".", ",", "D", "G", "$", "B")):
            raise _refused(text)
        elif name in _DIGITS and not minimal:
            whole, fraction = (whole + name, None) if fraction is None else (whole, fraction + name)
            values["lower"] = values.get("lower", False) or "x" in token
        elif name in (",", "G") and fraction is None and whole:
            whole += ","
        elif name in (".", "D") and fraction is None and not minimal:
            fraction = ""
        elif name in ("TM9", "TME", "TM") and not numbered and text[position : position + 1] != "(":
            minimal = name
            values["lower"] = token[0] == "t"
        elif name in ("S", "MI") and not sign:
            sign, trailing = name, numbered
        elif name in ("$", "B") and not numbered:
            values["dollar" if name == "$" else "blank"] = True
        elif name == "FM" and not numbered:
            values["compact"] = not values.get("compact", False)
        elif name != "_":
            raise _refused(text)
    made = Model(
        before=literals[0],
        after=literals[1],
        whole=whole,
        fraction=fraction,
        minimal=minimal,
        sign=sign,
        trailing=trailing,
        **{key: bool(value) for key, value in values.items()},
    )
    if not (whole or fraction or minimal) or (made.hexadecimal and (fraction is not None or "9" in whole)):
        raise _refused(text)
    return made


def write(text: str, model: str) -> str:
    """Write a number, given as the text of a NUMBER, by a format model."""
    (how,) = models(model)
    with localcontext(_CONTEXT):
        number = _minimal(text, how) if how.minimal else _positions(Decimal(text), how)
    return how.before + number + how.after


def _minimal(text: str, how: Model) -> str:
    value = Decimal(text)
    plain, scientific = text.lstrip("+-"), _scientific(abs(value))
    shown = {"TM9": plain, "TME": scientific}.get(how.minimal)
    if shown is None:
        shown = plain if len(plain) <= len(scientific) else scientific
    if how.blank and value == 0:
        shown = " "
    shown = shown.lower() if how.lower else shown
    sign = "-" if value < 0 else {"S": "+", "MI": " "}.get(how.sign, "")
    dollar = "$" if how.dollar else ""
    return f"{dollar}{shown}{sign}" if how.trailing else f"{sign}{dollar}{shown}"


def _scientific(value: Decimal) -> str:
    if value == 0:
        return "0E0"
    digits = "".join(map(str, value.as_tuple().digits)).rstrip("0")
    return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}E{value.adjusted()}"


def _positions(value: Decimal, how: Model) -> str:
    places = len(how.fraction or "")
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    room = sum(position != "," for position in how.whole)
    if how.hexadecimal:
        return _hexadecimal(int(rounded), room, how)
    whole, _, fraction = f"{abs(rounded):f}".partition(".")
    if whole == "0" and (how.blank or room == 0):
        whole = ""
    if len(whole) > room:
        shown = how.whole.replace("0", "#").replace("9", "#")
        behind = "" if how.fraction is None else "." + "#" * places
    else:
        shown = _whole(whole, how.whole, blank=how.blank and int(rounded) == 0)
        behind = "" if how.fraction is None else "." + _fraction(fraction, how.fraction)
    return _signed(shown + behind, rounded < 0, how)


def _whole(digits: str, positions: str, *, blank: bool) -> str:
    """Place the digits of an integer part, whose leading zeros are blank where the position is 9."""
    room = sum(position != "," for position in positions)
    forced = [i for i, position in enumerate(p for p in positions if p != ",") if position == "0"]
    first = room - len(digits)
    first = min(first, forced[0]) if forced and not blank else first
    padded, place, shown = digits.rjust(room, "0"), 0, ""
    for position in positions:
        if position == ",":
            shown += "," if place > first else " "
        else:
            shown += padded[place] if place >= first else " "
            place += 1
    return shown


def _fraction(digits: str, positions: str) -> str:
    """Place the digits of a fraction, whose trailing zeros are blank where the position is 9."""
    last = max(len(digits.rstrip("0")), positions.rfind("0") + 1)
    return digits[:last].ljust(len(positions))


def _signed(shown: str, negative: bool, how: Model) -> str:
    """Add the dollar sign and the sign, which float next to the first digit."""
    body = shown.lstrip(" ")
    pad = len(shown) - len(body)
    floating = "" if how.trailing or how.sign == "MI" else "-" if negative else "+" if how.sign else ""
    reserved = 0 if how.trailing or how.sign == "MI" else 1
    prefix = floating + ("$" if how.dollar else "")
    made = " " * (pad + reserved + how.dollar - len(prefix)) + prefix + body
    if how.sign == "MI":
        mark = "-" if negative else " "
        made = made + mark if how.trailing else mark + made
    elif how.trailing:
        made += "-" if negative else "+"
    return made.replace(" ", "") if how.compact else made


def _hexadecimal(value: int, room: int, how: Model) -> str:
    fits = -(16**room) // 2 <= value < 16**room if not how.sign else abs(value) < 16**room
    digits = f"{abs(value) if how.sign else value % 16**room:X}" if fits else "#" * room
    shown = _whole(digits.lower() if how.lower else digits, how.whole, blank=False)
    if how.sign:
        return _signed(shown, value < 0, how)
    return shown.strip() if how.compact else shown


def read(text: str, model: str) -> str | None:
    """Read a number by a format model, to the text of a NUMBER; None if no alternative fits."""
    for how in models(model):
        found = _read(text.strip(" \t\n\r\f\v"), how)
        if found is not None:
            return found
    return None


def _read(text: str, how: Model) -> str | None:
    end = len(text) - len(how.after)
    if end < len(how.before) or text[: len(how.before)].lower() != how.before.lower():
        return None
    if text[end:].lower() != how.after.lower():
        return None
    body = text[len(how.before) : end].strip(" ")
    signs = "-+" if how.sign else "-"
    negative = False
    if how.trailing and body[-1:] and body[-1] in "-+":
        negative, body = body[-1] == "-", body[:-1].rstrip(" ")
    elif not how.trailing and body[:1] and body[0] in signs:
        negative, body = body[0] == "-", body[1:].lstrip(" ")
    elif how.sign == "S":
        return None
    if how.dollar:
        if not body.startswith("$"):
            return None
        body = body[1:].lstrip(" ")
    digits = _read_digits(body, how)
    return None if digits is None else ("-" if negative else "") + digits


def _read_digits(body: str, how: Model) -> str | None:
    if how.minimal:
        forms = {"TM9": r"\d+\.?\d*|\.\d+", "TME": r"(\d+\.?\d*|\.\d+)E[+-]?\d+"}
        pattern = forms.get(how.minimal, "|".join(forms.values()))
        return body if re.fullmatch(pattern, body, re.I | re.A) else None
    room = sum(position != "," for position in how.whole)
    if how.hexadecimal:
        if not re.fullmatch(f"[0-9a-f]{{{_least(how.whole) or 1},{room}}}", body, re.I | re.A):
            return None
        return str(int(body, 16))
    whole, point, fraction = body.partition(".")
    if "," in whole and not _grouped(whole, how.whole):
        return None
    whole = whole.replace(",", "")
    least = max(_least(how.whole), 0 if how.blank or not room else 1)
    if not re.fullmatch(rf"\d{{{least},{room}}}", whole, re.A):
        return None
    positions = how.fraction or ""
    if (point and how.fraction is None) or not re.fullmatch(r"\d*", fraction, re.A):
        return None
    if not positions.rfind("0") + 1 <= len(fraction) <= len(positions):
        return None
    return f"{whole or '0'}.{fraction or '0'}"


def _least(positions: str) -> int:
    """Return the number of digits that must be present: those from the first position 0 on."""
    plain = positions.replace(",", "")
    return len(plain) - plain.find("0") if "0" in plain else 0


def _grouped(whole: str, positions: str) -> bool:
    """Return whether the separators in an integer part are where the model has them."""
    groups = [len(group) for group in whole.split(",")]
    wanted = [len(group) for group in positions.split(",")]
    if len(groups) > len(wanted):
        return False
    wanted = wanted[-len(groups) :]
    return groups[1:] == wanted[1:] and 1 <= groups[0] <= wanted[0]
