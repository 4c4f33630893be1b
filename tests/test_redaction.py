"""No secret is written anywhere: canaries in every source of credentials do not appear in any output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins.results import Picture, to_show
from snowpipe_ml.sql import Secret
from snowpipe_ml.text import redaction
from snowpipe_ml.text.problems import Position, Problem
from snowpipe_ml.text.redaction import (
    STARS,
    redact,
    redact_all,
    remember,
    remember_secrets,
)
from snowpipe_ml.text.secret_names import is_secret_name, secret_names
from snowpipe_ml.ui.tables import as_json
from tests import forked

# With characters that JSON, SQL, HTML and URLs each escape differently.
CANARY = "canary'\"\\<&>/{}"

SPEC = """\
name: birds
default_target: local
targets:
  local: {type: local, path: warehouse, database: BIRDS}
  prod: {type: snowflake, connection: birds, database: BIRDS, schema: ML}
on_failure:
  - command: [python, -c, "import sys; sys.exit('no entry: ' + sys.argv[1])", "{{ env.HOOK_TOKEN }}"]
steps:
  literal: {type: transform, query: "SELECT {{ env.API_TOKEN | literal }} AS X", writes: t}
  failing: {type: transform, query: "SELECT CAST({{ env.API_TOKEN | literal }} AS NUMBER) AS X", writes: u}
  checked: {type: expect, table: t, predicate: "X <> {{ env.DB_PASSWORD | literal }}", severity: warn, min_rows: 100}
  loaded: {type: extract, from: "{{ env.TRIPS_URL }}", url_file: "{month}.zip", months: ["2022-01"], into: "@s/", layouts: {new: {columns: [a]}}}
stages: {s: {}}
"""
CONNECTIONS = """\
[birds]
account = "nowhere"
host = "127.0.0.1"
port = 9
protocol = "http"
user = "robin"
password = "canary-in-a-password"
token = "canary-in-a-token"
private_key_passphrase = "canary-in-a-passphrase"
login_timeout = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the spec, and canaries in all sources of credentials."""
    (tmp_path / "home").mkdir()
    connections = tmp_path / "home" / "connections.toml"
    connections.write_text(CONNECTIONS)
    connections.chmod(0o600)
    (tmp_path / "spec.yaml").write_text(SPEC)
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("API_TOKEN", CANARY + "1")
    monkeypatch.setenv("DB_PASSWORD", "canary-2-of-many")
    monkeypatch.setenv("HOOK_TOKEN", CANARY + "3")
    monkeypatch.setenv("TRIPS_URL", "http://robin:canary-4-in-a-url@127.0.0.1:9/trips")
    return tmp_path


def outputs(folder: Path, *arguments: str) -> str:
    """The complete output of a command, which knows no secrets of earlier commands."""
    if "prod" in arguments:  # the connector reads SNOWFLAKE_HOME when it is imported
        command = [sys.executable, "-m", "snowpipe_ml", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    else:
        done = forked.command(*arguments, cwd=folder)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_no_secret_is_written_anywhere(folder: Path) -> None:
    spec = "spec.yaml"
    found = {
        " ".join(arguments): outputs(folder, *arguments)
        for arguments in (
            ["validate", spec],
            ["plan", spec, "--offline", "--sql"],
            ["plan", spec, "--offline", "--json"],
            ["run", spec],
            ["run", spec, "--json"],
            ["status", spec],
            ["runs", spec],
            ["graph", spec],
            ["sql", spec, "SELECT * FROM SNOWPIPE_ML.EVENTS", "--format", "json"],
            ["sql", spec, "SELECT * FROM T", "--format", "csv"],
            ["plan", spec, "--target", "prod"],
        )
    }
    # Each command printed something, with stars in place of the canary.
    assert STARS in found["plan spec.yaml --offline --sql"]
    assert "failing" in found["run spec.yaml"]
    assert "on_failure, number 1: python exited with 1: no entry: ******" in found["run spec.yaml"]
    assert STARS in found["sql spec.yaml SELECT * FROM T --format csv"]
    assert "cannot connect with 'birds'" in found["plan spec.yaml --target prod"]
    reports = list((folder / ".snowpipe" / "reports").glob("*.html"))
    assert reports
    found |= {str(path): path.read_text() for path in reports}
    # Check the stored run metadata too, and not only its display by the command.
    session = Pipeline.from_yaml(folder / spec).session()
    rows = session.sql("SELECT * FROM SNOWPIPE_ML.EVENTS").collect()
    session.close()
    found["records"] = json.dumps([row.as_dict() for row in rows], default=str)
    for name, text in found.items():
        assert "canary" not in text.lower(), f"{name}: {text}"


def test_a_secret_type_is_remembered() -> None:
    secret = Secret("the-canary-of-a-plugin")
    assert str(StepError(f"refused: {secret.reveal()}")) == f"refused: {STARS}"
    assert redact_all({"a": ["x the-canary-of-a-plugin"]}) == {"a": [f"x {STARS}"]}


@settings(max_examples=20)  # each secret is remembered permanently
@given(st.text(min_size=6, max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_remembered_value_is_in_no_redacted_text(value: str, before: str, after: str) -> None:
    value = "§" + value + "§"
    remember(value)
    assert value not in redact(f"{before}{value}{after}")
    assert json.dumps(value)[1:-1] not in redact(json.dumps(f"{before}{value}{after}"))


def test_a_secret_that_is_a_word_of_svg_leaves_a_picture_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_matcher", None)
    for word in ("hidden", "stroke", "a > b < c"):
        remember(word)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><g visibility="hidden" stroke="red" aria-label="y: hidden; a > b < c">'
        "<title>hidden</title><text>a stroke of hidden</text></g></svg>"
    )
    shown = to_show((), (), (Picture("hidden", svg),))
    [picture] = cast("list[dict[str, str]]", redact_all(shown)["pictures"])
    assert picture == {
        "title": STARS,
        "svg": '<svg xmlns="http://www.w3.org/2000/svg">'
        f'<g visibility="hidden" stroke="red" aria-label="y: {STARS}; {STARS}">'
        f"<title>{STARS}</title><text>a {STARS} of {STARS}</text></g></svg>",
    }


def test_what_is_named_like_a_secret() -> None:
    names = [
        "SNOWFLAKE_PASSWORD",
        "API_KEY",
        "PGPASSWORD",
        "MY_PWD",
        "PWD",
        "OLDPWD",
        "SSH_KEY_PATH",
        "HOME",
        "KEYBOARD",
        "DB_PASS",
        "APIKEY",
    ]
    assert secret_names(names) == [
        "APIKEY",
        "API_KEY",
        "DB_PASS",
        "MY_PWD",
        "PGPASSWORD",
        "SNOWFLAKE_PASSWORD",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "token_limit",
        "token_column",
        "token_table",
        "secret_stage",
        "password_policy",
        "low_pass",
        "first_pass",
        "token_limit_2",
        "max_token",
        "account_key_column",
        "secret_name",
    ],
)
def test_a_name_that_only_describes_a_secret_is_none(name: str) -> None:
    assert not is_secret_name(name)
    remember_secrets({name: f"SHOWN_{name.upper()}_KSQ"})
    assert redact(f"SHOWN_{name.upper()}_KSQ") == f"SHOWN_{name.upper()}_KSQ"


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("ACCOUNT_ID_QX", False),
        ("customer_account_identifier_2024", False),
        ("SALES.ORDERS.CUSTOMER_NUMBER", False),
        (72727272, False),
        ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==", True),
        ("deadbeef0123456789abcdef01234567", True),
    ],
)
@pytest.mark.parametrize("name", ["account_key", "storage_key"])
def test_a_key_that_can_be_a_column_is_a_secret_if_it_looks_like_one(
    name: str, value: object, hidden: bool
) -> None:
    remember_secrets({name: value})
    assert redact(f"<{value}>") == (f"<{STARS}>" if hidden else f"<{value}>")


def test_a_redacted_number_is_a_text_of_json() -> None:
    remember_secrets({"pin_password": 918273645, "pin_password_limit": 555000111})
    text = redact(as_json(["N", "M", "O"], [[918273645, 19182736450, 555000111]]))
    assert json.loads(text) == [{"N": STARS, "M": STARS, "O": 555000111}]


def test_a_password_of_a_url_is_remembered_up_to_the_last_at_sign() -> None:
    remember_secrets({"feed": "https://bob:qx%40p@ssqx@host/a@b"})
    assert redact("qx@p@ssqx") == STARS


@pytest.mark.parametrize(
    ("line", "path", "shown"),
    [
        ("  RESET_TOKEN: varchr(20)", ("tables", "t", "columns", "RESET_TOKEN"), True),
        ("  RESET_TOKEN: varchr(20)", ("steps", "s", "columns", "RESET_TOKEN"), True),
        ("  reset_token: varchr(20)", ("vars", "reset_token"), False),
        ("  reset_token: varchr(20)", ("targets", "local", "reset_token"), False),
        ("  reset_token: varchr(20)", ("steps", "s", "reset_token"), False),
        ("  reset_token: varchr(20)", None, False),
        ("{tables: {}, vars: {reset_token: varchr(20)}}", ("tables",), False),
    ],
)
def test_a_line_hides_secrets_only_where_they_can_stand(
    line: str, path: tuple[str | int, ...] | None, shown: bool
) -> None:
    problem = Problem("no such type", Position("spec.yaml", 5, line.index("varchr") + 1), line, 10, path=path)
    assert ("varchr(20)" in str(problem)) is shown


def test_the_caret_stands_under_what_is_meant_behind_a_hidden_value() -> None:
    line = "  s: {token: a-very-long-one, writse: t}"
    shown = str(
        Problem("no such key", Position("spec.yaml", 5, line.index("writse") + 1), line, 6)
    ).splitlines()
    assert STARS in shown[1]
    assert shown[2].index("^") == shown[1].index("writse")
