"""Logins of a run: how many there are, and which of them ask the user."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat
from snowflake.connector.errors import DatabaseError

from snowpipe_ml.targets.snowflake import asks_at_login
from tests.accounts import TARGET, account
from tests.conftest import ROOT

# Four steps that wait until all of them run, so that they need four sessions.
STEPS = "".join(
    f"  s{number}: {{type: transform, query: SELECT SYSTEM$WAIT(1) AS X, writes: t{number}}}\n"
    for number in range(4)
)


@pytest.mark.parametrize(
    ("answer", "cached", "status", "logins", "asked"),
    [
        (True, True, 0, ["push"] + ["mfa token"] * 4, 1),
        (True, False, 0, ["push"], 1),
        (False, True, 3, [], 1),
    ],
    ids=["cached", "not cached", "denied"],
)
def test_a_run_of_four_threads_asks_the_user_once(
    tmp_path: Path, answer: bool, cached: bool, status: int, logins: list[str], asked: int
) -> None:
    with account(tmp_path, second_factor=lambda: answer) as served:
        served.entry("authenticator", "username_password_mfa")
        if cached:
            served.entry("client_request_mfa_token", True)
        (tmp_path / "spec.yaml").write_text(f"name: demo\n{TARGET}steps:\n{STEPS}")
        done = served.command("run", "spec.yaml", "--threads", 4)
        assert done.returncode == status, done.stdout + done.stderr
        assert served.server.logins.done == logins
        assert served.server.logins.asked == asked
        assert ("run one at a time" in done.stderr) is not cached


@pytest.mark.parametrize(
    ("entry", "platform", "asks"),
    [
        ({"authenticator": "externalbrowser"}, "linux", True),
        ({"authenticator": "externalbrowser", "client_store_temporary_credential": True}, "linux", False),
        ({"authenticator": "ExternalBrowser"}, "darwin", False),
        ({"authenticator": "username_password_mfa"}, "linux", True),
        ({"authenticator": "username_password_mfa", "client_request_mfa_token": True}, "linux", False),
        ({"authenticator": "username_password_mfa"}, "win32", False),
        ({"authenticator": "oauth_authorization_code"}, "darwin", True),
        ({"authenticator": "username_password_mfa", "passcode": "123456"}, "darwin", True),
        ({"authenticator": "SNOWFLAKE_JWT"}, "linux", False),
        ({"authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}, "linux", False),
        ({"authenticator": "WORKLOAD_IDENTITY"}, "linux", False),
        ({"password": "x"}, "linux", False),
        ({}, "linux", False),
    ],
)
def test_authenticators_that_ask_the_user(entry: Mapping[str, Any], platform: str, asks: bool) -> None:
    assert asks_at_login(entry, platform) is asks


PAGE = (ROOT / "docs" / "logging-in.md").read_text(encoding="utf-8")
ENTRIES: dict[str, dict[str, Any]] = {
    name: entry
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    for name, entry in tomllib.loads(block).items()
}


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file of a private key, and the public key as CREATE USER takes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("keys") / "rsa_key.p8"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return path, "".join(public.splitlines()[1:-1])


@pytest.mark.parametrize(("name", "how"), [("key_pair", "key pair"), ("pat", "token"), ("oauth", "token")])
def test_the_entries_of_the_page_log_in(
    tmp_path: Path, key_pair: tuple[Path, str], name: str, how: str
) -> None:
    token = tmp_path / "token"
    with account(tmp_path) as served:
        served.ask(f"CREATE USER citibike_svc TYPE = SERVICE RSA_PUBLIC_KEY = '{key_pair[1]}'")
        token.write_text(served.token)
        token.chmod(0o600)
        here = {"host": "127.0.0.1", "port": served.server.port, "protocol": "http"}
        here |= (
            {"private_key_file": str(key_pair[0])} if name == "key_pair" else {"token_file_path": str(token)}
        )
        with snowflake.connector.connect(**{**ENTRIES[name], **here}) as connection:
            assert connection.cursor().execute("SELECT 1").fetchall() == [(1,)]
        assert served.server.logins.done == [how]


def test_a_key_of_somebody_else_is_refused(tmp_path: Path, key_pair: tuple[Path, str]) -> None:
    with account(tmp_path) as served:
        served.ask("CREATE USER citibike_svc TYPE = SERVICE")
        here = {"host": "127.0.0.1", "port": served.server.port, "protocol": "http"}
        entry = {**ENTRIES["key_pair"], **here, "private_key_file": str(key_pair[0])}
        with pytest.raises(DatabaseError, match="JWT token is invalid"):
            snowflake.connector.connect(**entry)
        assert served.server.logins.done == []


def test_no_entry_of_the_page_has_a_secret() -> None:
    assert sorted(ENTRIES) == ["browser", "ci", "key_pair", "mfa", "oauth", "pat"]
    assert not any({"password", "token", "passcode"} & set(entry) for entry in ENTRIES.values())
    assert not any(asks_at_login(entry, "linux") for entry in ENTRIES.values())
