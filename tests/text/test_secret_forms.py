"""Known secrets are found in every form of text, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import logging
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowpipe_ml.text.redaction import STARS, known_secrets, redact, remember, remember_secrets
from snowpipe_ml.text.secret_forms import Matcher

SECRET = "q7Xk/9w +Tz'Lp\"4m\\Qé"
SECRETS = Matcher([SECRET])


def masked(text: str, matcher: Matcher = SECRETS) -> str:
    """The text with stars in place of what is found."""
    for start, end in reversed(matcher.spans(text)):
        text = text[:start] + STARS + text[end:]
    return text


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "uppercase": str.upper,
    "lowercase": str.lower,
    "SQL": lambda text: text.replace("\\", "\\\\").replace("'", "''"),
    "CSV": lambda text: text.replace('"', '""'),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "Python": lambda text: repr(text)[1:-1],
    "HTML": html.escape,
    "HTML of templates": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "shell": lambda text: shlex.quote(text).strip("'"),
    "URL": lambda text: quote(text, safe=""),
    "path of a URL": quote,
    "form": quote_plus,
    "form in a URL": lambda text: quote(quote_plus(text)),
    "hex": lambda text: text.encode().hex(),
    "name": lambda text: "q7Xk_9w_Tz_Lp_4m_Q_",
    "on lines": lambda text: text[:4] + "\n    " + text[4:9] + "\r\n" + text[9:],
    "on lines of YAML": lambda text: text[:4] + "\\\n    " + text[4:],
    "on lines in JSON": lambda text: json.dumps(text[:4] + "\n  " + text[4:])[1:-1],
    "on lines of a table": lambda text: text[:4] + " │\n│ " + text[4:],
    "lines joined": lambda text: text[:4] + " " + text[4:],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_found_in_whole(form: str) -> None:
    text = FORMS[form](SECRET)
    assert masked(f"before {text}, after") == f"before {STARS}, after"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
@pytest.mark.parametrize("before", ["", "u", "us", "user:", "a longer text in front, so that it has lines: "])
@pytest.mark.parametrize("after", ["", "x", "xy", ' and "more"'])
def test_base64_is_found_whatever_is_around_the_secret(
    encode: Callable[[bytes], bytes], before: str, after: str
) -> None:
    text = encode(f"{before}{SECRET}{after}".encode()).decode()
    found = masked(f"<{text}>")
    assert STARS in found
    kept = found.replace(STARS, "").strip("<>\n= ")
    # What is left of the text is what was around the secret.
    assert len("".join(kept.split())) <= 4 * (len(before) + len(after)) / 3
    assert text.strip() not in found


@pytest.mark.parametrize(
    "text", ["... q7Xk/9w +Tz...", "'q7Xk/9w +Tz'", "q7Xk/9w +TzL", "Tz'Lp\"4m\\Qé is cut"]
)
def test_a_secret_that_was_cut_is_found(text: str) -> None:
    found = masked(text)
    assert STARS in found
    assert "4m" not in found
    assert "q7X" not in found


@pytest.mark.parametrize("text", ["q7Xk", "q7Xk/9w", "q7Xk/9w +Tzlater", "nothing here", "", "w +Tz'Lp"])
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert masked(text) == text


def test_a_short_secret_is_not_put_together_from_words() -> None:
    matcher = Matcher(["sesame"])
    assert (
        masked("open SESAME, ses ame, ses\name, c2VzYW1l", matcher)
        == f"open {STARS}, ses ame, ses\name, {STARS}"
    )


@pytest.mark.parametrize(
    "value",
    [
        "      ",
        "\\\\\\\\\\\\",
        "'\"'\"'\"x",
        "│││││││",
        "İİİİİİ",
        "ßßßßßß",
        "ΣΑΣΑΣΣ",
        "\ud800abcdef",
        "\x00\x01\x02abc",
    ],
)
def test_odd_values_are_found(value: str) -> None:
    matcher = Matcher([value])
    assert masked(f"a{value}b", matcher) == f"a{STARS}b"
    assert value.upper() not in masked(f"a{value.upper()}b", matcher)


@settings(max_examples=25, deadline=None)
@given(
    st.text(min_size=6, max_size=30),
    st.text(max_size=10),
    st.text(max_size=10),
    st.sampled_from(sorted(set(FORMS) - {"name"})),
)
def test_any_value_is_found_in_any_form(value: str, before: str, after: str, form: str) -> None:
    value = f"ax9{value}9za"
    text = FORMS[form](value)
    assert text not in masked(before + text + after, Matcher([value]))


def test_what_looks_like_a_secret_is_remembered_without_its_shape() -> None:
    remember_secrets(
        {
            "azure": "https://h/x?sv=2022&sig=hQ8%2Fzz7Rr3%3D&sp=r",
            "header": "Authorization: Basic " + base64.b64encode(b"robin:pA55-of-robin").decode(),
            "dsn": "Server=h;PWD=wQ4;Password=h4t,RR7-e2;Port=1",
            "settings": json.dumps({"type": "service", "client_secret": "inside-9Qz-json"}),
            "pem": "-----BEGIN PRIVATE KEY-----\nMIIxYZ0123456789\nabcdEFGH9876=\n-----END PRIVATE KEY-----",
            "word": "https://h/x?token=tuesday",
        }
    )
    for text in (
        "hQ8/zz7Rr3=",
        "hQ8%2Fzz7Rr3%3D",
        "pA55-of-robin",
        "inside-9Qz-json",
        "MIIxYZ0123456789",
        "abcdEFGH9876=",
    ):
        assert redact(f"<{text}>") == f"<{STARS}>"
    assert redact("on tuesday, a service of robin") == "on tuesday, a service of robin"


def test_known_secrets_that_are_words_are_not_taken_for_a_leak() -> None:
    remember_secrets({"db_password": "waxwing", "api_token": "Zk3-9vQ8rT7"})
    assert known_secrets("a waxwing and a robin") == []
    assert known_secrets("token: Zk3-9vQ8rT7") == [(7, 18)]


def test_log_records_are_masked_whoever_logs(caplog: pytest.LogCaptureFixture) -> None:
    remember("log-waxwing-0815-x")
    log = logging.getLogger("another.library")
    try:
        raise ValueError("no entry with log-waxwing-0815-x")
    except ValueError:
        log.exception("failed with %s of %d%%", "LOG-WAXWING-0815-X", 5)
    log.warning("GET %s", "/x?token=never-seen-before-1")
    log.warning("plain %s", "arguments")
    assert "waxwing-0815" not in caplog.text.lower()
    assert "never-seen-before-1" not in caplog.text
    assert f"failed with {STARS} of 5%" in caplog.text
    assert f"no entry with {STARS}" in caplog.text
    assert caplog.records[-1].args == ("arguments",)
