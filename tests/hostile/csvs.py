"""100 hostile CSV files."""

from __future__ import annotations

import codecs
import random
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import HEADER, MB, Case, blocks, rows, table

CSV = table(1, 2)
ROWS = rows(1, 2)
FIRST = b"1,x1\n"
"""A sound row before a hostile one, which is line 3."""


def _streamed(head: bytes, text: bytes, size: int, tail: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as out:
            out.write(head)
            for block in blocks(text, size):
                out.write(block)
            out.write(tail)

    return write


def _value(name: str, value: bytes, row: tuple[int | None, str | None] | None, *, must: bool = False) -> Case:
    """Return a file with one hostile row between two sound ones."""
    right = rows(1, 3) | (frozenset() if row is None else {row})
    return Case(f"{name}.csv", HEADER + FIRST + value + b"\n3,x3\n", right, must=must)


def _numbers() -> list[Case]:
    values: list[tuple[bytes, int | None, bool]] = [
        (b"1e999", None, False),
        (b"-1e999", None, False),
        (b"1e-999", 0, False),
        (b"nan", None, False),
        (b"inf", None, False),
        (b"-Infinity", None, False),
        (b"0x10", None, False),
        (b"1_000", None, False),
        (b'"1,000"', None, False),
        (b"1.5", 2, False),
        (b"9" * 38, int("9" * 38), False),
        (b"9" * 39, None, False),
        (b"9" * 100_000, None, False),
        (b"0" * 5000 + b"7", 7, False),
        (b"+7", 7, False),
        (b"--7", None, False),
        (b" 7 ", 7, False),
        (b"7e0", 7, False),
        ("٧".encode(), None, False),
        ("７".encode(), None, False),
        (b"true", None, False),
        (b"NULL", None, False),
        (b"\\N", None, True),
        (b"1e38", None, False),
        (b".", None, False),
        (b"e", None, False),
        (b"7.", 7, False),
        (b"1970-01-01", None, False),
    ]
    return [
        _value(f"number{n:02}", value + b",odd", (number, "odd"), must=must)
        for n, (value, number, must) in enumerate(values)
    ]


def _texts() -> list[Case]:
    texts: list[tuple[str, bytes, str | None, bool]] = [
        ("formula", b"=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0", True),
        ("formula-quoted", b'"=HYPERLINK(""http://x"")"', '=HYPERLINK("http://x")', True),
        ("formula-at", b"@SUM(1)", "@SUM(1)", True),
        ("sql", b"'); DROP TABLE raw; --", "'); DROP TABLE raw; --", True),
        ("template", b"{{ 7 * 7 }}", "{{ 7 * 7 }}", True),
        ("dollar", b"$1 $$ ${HOME}", "$1 $$ ${HOME}", True),
        ("quoted-comma", b'"a,b"', "a,b", True),
        ("quoted-line", b'"a\nb"', "a\nb", True),
        ("quoted-crlf", b'"a\r\nb"', "a\r\nb", True),
        ("quoted-quote", b'"a""b"', 'a"b', True),
        ("quoted-empty", b'""', "", True),
        ("quote-inside", b'a"b', 'a"b', False),
        ("quote-behind", b'"a"b', None, False),
        ("quote-single", b"'a,b'", None, False),
        ("backslash", b"a\\", "a\\", False),
        ("backslash-quote", b'"a\\"b"', None, False),
        ("latin", "é".encode("latin-1"), None, False),
        ("broken-utf8", b"\xc3\x28", None, False),
        ("overlong", b"\xc0\xaf", None, False),
        ("surrogate", b"\xed\xa0\x80", None, False),
        ("cut-utf8", b"\xe2\x82", None, False),
        ("beyond", b"\xf5\x80\x80\x80", None, False),
        ("nul", b"a\0b", "a\0b", False),
        ("escape", b"\x1b[31mred", "\x1b[31mred", False),
        ("bidi", "\u202etxt".encode(), "\u202etxt", True),
        ("bom-inside", codecs.BOM_UTF8 + b"x", "\ufeffx", True),
        ("emoji", "👩‍👩‍👧".encode(), "👩‍👩‍👧", True),
        ("line-separator", "a\u2028b".encode(), "a\u2028b", True),
        ("next-line", "a\x85b".encode(), "a\x85b", True),
        ("vertical-tab", b"a\x0bb\x0cc", "a\x0bb\x0cc", True),
        ("substitute", b"a\x1ab", "a\x1ab", True),
        ("tab", b"a\tb", "a\tb", True),
        ("long", b"y" * 200_000, "y" * 200_000, True),
    ]
    return [_value(f"text-{name}", b"2," + data, (2, text), must=must) for name, data, text, must in texts]


def csvs(seed: int) -> list[Case]:
    """Return 112 cases; the last ones are random bytes in sound files."""
    random_ = random.Random(seed)
    wide = b",".join(b"c%d" % n for n in range(10_000)) + b"\n"
    cases = [
        *_numbers(),
        *_texts(),
        Case(
            "line-100mb.csv",
            _streamed(HEADER + FIRST + b"2,", b"x" * 1000, 100 * MB, b"\n3,x3\n"),
            rows(1, 3),
            lost=True,
        ),
        Case("line-open.csv", _streamed(HEADER + FIRST + b"2,", b"x" * 1000, 100 * MB), rows(1), lost=True),
        Case(
            "line-number.csv",
            _streamed(HEADER + FIRST, b"9" * 1000, 40 * MB, b",x\n3,x3\n"),
            rows(1, 3),
            lost=True,
        ),
        Case("line-header.csv", _streamed(b"", b"a" * 1000, 100 * MB)),
        Case("line-quoted.csv", _streamed(HEADER + FIRST + b'2,"', b"x\n", 60 * MB), rows(1), lost=True),
        Case(
            "line-quotes.csv",
            _streamed(HEADER + FIRST + b'2,"', b'""', 60 * MB, b'"\n3,x3\n'),
            rows(1, 3),
            lost=True,
        ),
        Case(
            "line-commas.csv",
            _streamed(HEADER + FIRST + b"2", b",", 60 * MB, b"\n3,x3\n"),
            rows(1, 3),
            lost=True,
        ),
        Case("line-zeros.csv", _streamed(HEADER + FIRST, b"\0", 60 * MB, b"\n3,x3\n"), rows(1, 3), lost=True),
        Case("line-ends.csv", HEADER + FIRST + b"\n" * 100_000 + b"3,x3\n", rows(1, 3), lost=True),
        Case("line-bad.csv", HEADER + FIRST + b"a,b\n" * 100_000 + b"3,x3\n", rows(1, 3), lost=True),
        # A COPY with a list of columns takes a record with fewer fields.
        Case("ragged-short.csv", HEADER + FIRST + b"2\n3,x3\n", rows(1, 3) | {(2, None)}),
        Case("ragged-long.csv", HEADER + FIRST + b"2,x,y,z\n3,x3\n", rows(1, 3), lost=True),
        Case("ragged-comma.csv", HEADER + FIRST + b"2,x2,\n3,x3\n", rows(1, 2, 3)),
        Case("ragged-wide.csv", HEADER + FIRST + b"2" + b",x" * 10_000 + b"\n3,x3\n", rows(1, 3), lost=True),
        Case("ragged-blank.csv", HEADER + FIRST + b"\n\n3,x3\n", rows(1, 3) | {(None, None)}),
        Case("ragged-spaces.csv", HEADER + FIRST + b"   \n3,x3\n", rows(1, 3), lost=True),
        Case("quote-open.csv", HEADER + FIRST + b'2,"x\n3,x3\n', rows(1), lost=True),
        Case("quote-open-last.csv", HEADER + FIRST + b'3,"x', rows(1), lost=True),
        Case("quote-stray.csv", HEADER + FIRST + b'"2,x\n3,x3\n', rows(1), lost=True),
        Case("empty.csv", b""),
        Case("line-end.csv", b"\n"),
        Case("bom-only.csv", codecs.BOM_UTF8),
        Case("header-only.csv", HEADER, must=True),
        Case("header-without-end.csv", b"a,b", must=True),
        Case("header-twice.csv", HEADER + FIRST + HEADER + b"3,x3\n", rows(1, 3), lost=True),
        Case("header-other.csv", b"b,a\nx1,1\n"),
        Case("header-duplicate.csv", b"a,a\n1,x1\n"),
        Case("header-more.csv", b"a,b,c\n1,x1,y\n"),
        Case("header-less.csv", b"a\n1\n"),
        Case("header-wide.csv", wide + b",".join([b"1"] * 10_000) + b"\n"),
        Case("header-quoted.csv", b'"a","b"\n1,x1\n', rows(1), must=True),
        Case("header-open.csv", b'"a,b\n1,x1\n'),
        Case("header-line.csv", b'a,"b\n"\n1,x1\n', rows(1)),
        Case("header-semicolon.csv", b"a;b\n1;x1\n"),
        Case("header-none.csv", FIRST),
        Case("bom.csv", codecs.BOM_UTF8 + CSV, ROWS, must=True),
        Case("bom-twice.csv", codecs.BOM_UTF8 * 2 + CSV, ROWS),
        Case("bom-utf16.csv", CSV.decode().encode("utf-16")),
        Case("utf16-bare.csv", CSV.decode().encode("utf-16-le")),
        Case("utf32.csv", CSV.decode().encode("utf-32")),
        Case("ends-mixed.csv", b"a,b\r\n1,x1\n2,x2\r\n3,x3\n", rows(1, 2, 3)),
        Case("ends-cr.csv", CSV.replace(b"\n", b"\r"), ROWS),
        Case("ends-lfcr.csv", CSV.replace(b"\n", b"\n\r"), ROWS),
        Case("ends-none.csv", CSV[:-1], ROWS, must=True),
        Case("conflict.csv", HEADER + FIRST + b"<<<<<<< HEAD\n2,x2\n=======\n3,x3\n>>>>>>> other\n"),
        Case("html.csv", b"<!doctype html><html><body>404</body></html>\n"),
        Case("many-rows.csv", _streamed(HEADER, b"1,x1\n", 40 * MB), rows(1), must=True),
    ]
    while len(cases) < 112:
        changed = bytearray(table(*range(1, 20)))
        for _ in range(random_.randint(1, 3)):
            changed[random_.randrange(4, len(changed))] = random_.choice(b'"\0\r\n,\xff\\')
        cases.append(Case(f"random{len(cases):03}.csv", bytes(changed), None))
    return cases
