"""docs/snowflake-sql.md has an entry for each kind of statement of tests/golden, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "snowflake-sql.md"
# Statements end with a semicolon at the end of a line, outside of $$ bodies.
_BODY = re.compile(r"\$\$.*?\$\$", re.S)


def constructs() -> dict[str, tuple[str, str]]:
    """The constructs of the page, with their pages of the documentation and when they were read."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            construct, page, checked = (cell.strip() for cell in line.strip("|").split("|")[:3])
            found[construct.strip("`")] = page, checked
    return found


def pattern(construct: str) -> re.Pattern[str]:
    """The expression that the text of a construct stands for: `...` is any text."""
    words = [r"\s+".join(map(re.escape, part.split())) for part in construct.split("...")]
    start = "" if construct.startswith("...") else r"\A\s*"
    return re.compile(start + ".*?".join(words), re.S)


def statements() -> set[str]:
    """The statements of the recorded files, without the bodies of tasks."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests" / "golden").glob("*.sql")):
        text = _BODY.sub("$$BODY$$", path.read_text(encoding="utf-8"))
        text = re.sub(r"^--.*\n", "", text, flags=re.M)
        found |= {statement.strip() for statement in text.split(";\n") if statement.strip()}
    return found


def test_every_kind_of_statement_is_on_the_page() -> None:
    known = [pattern(construct) for construct in constructs() if not construct.startswith("...")]
    missing = {text[:90] for text in statements() if not any(each.match(text) for each in known)}
    assert missing == set(), f"read their documentation, and add them to {PAGE}"


def test_every_construct_of_the_page_is_sent() -> None:
    sent = statements()
    unused = [text for text in constructs() if not any(pattern(text).search(statement) for statement in sent)]
    assert unused == []


def test_every_construct_has_its_page_and_its_date() -> None:
    for construct, (page, checked) in constructs().items():
        assert re.fullmatch(r"\[[^]]+\]\(https://docs\.snowflake\.com/en/\S+\)", page), construct
        assert re.fullmatch(r"2026-\d\d|not yet", checked), construct


def test_the_readme_says_what_ran_on_accounts() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "No pipeline has run on a Snowflake account yet" in text
    assert "docs/verified.md" in text
    assert Path(ROOT / "docs" / "verified.md").exists()
