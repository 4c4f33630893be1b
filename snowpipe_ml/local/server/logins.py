"""Logins to the server: by its token, a key pair of a user, or a password and a second factor."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable

import jwt
from jwt.exceptions import PyJWTError

from snowpipe_ml.local.server import answers
from snowpipe_ml.local.server.sessions import Answer
from snowpipe_ml.local.server.wire import LoginData

_ASKS: dict[str, object] = {"nextAction": "EXT_AUTHN_DUO_ALL", "inFlightCtx": "push"}


class Logins:
    """Checks logins, and counts them.

    Args:
        token: the server's token, which counts as password, programmatic access token and OAuth token.
        public_keys: returns the public keys of a user by the login name, each in base64 without its first and last line.
        second_factor: asks the user to confirm a login by password, as a push notification does, and returns whether
            they did; None if passwords are enough. A login with an MFA token from an earlier login is not asked for:
            https://docs.snowflake.com/en/user-guide/security-mfa#using-mfa-token-caching-to-minimize-the-number-of-prompts

    Attributes:
        done: how each session logged in, in order: ``password``, ``push``, ``mfa token``, ``token`` or ``key pair``.
        asked: how often the second factor was asked for.
    """

    def __init__(
        self,
        token: str,
        public_keys: Callable[[str], list[str]],
        second_factor: Callable[[], bool] | None = None,
    ) -> None:
        self._token = token
        self._public_keys = public_keys
        self._second_factor = second_factor
        self._mfa_tokens: set[str] = set()
        self._lock = threading.Lock()
        self.done: list[str] = []
        self.asked = 0

    def refused(self, data: LoginData) -> Answer | None:
        """Return the answer to a login that is refused, or has to be confirmed; None if it succeeds."""
        how = self._how(data)
        if not isinstance(how, str):
            return how
        with self._lock:
            self.done.append(how)
        return None

    def new_token(self, data: LoginData) -> str | None:
        """Return an MFA token for the next logins, if this one was confirmed and asks for one."""
        settings = data.get("SESSION_PARAMETERS") or {}
        if self._second_factor is None or not settings.get("CLIENT_REQUEST_MFA_TOKEN"):
            return None
        made = secrets.token_urlsafe(24)
        with self._lock:
            self._mfa_tokens.add(made)
        return made

    def _how(self, data: LoginData) -> str | Answer:
        password, token = data.get("PASSWORD"), data.get("TOKEN")
        if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
            keys = self._public_keys(str(data.get("LOGIN_NAME") or "").upper())
            if any(_signed(str(token), key) for key in keys):
                return "key pair"
            return answers.failed("390144", "JWT token is invalid.", "08001")
        if password is None:
            if token is not None and _same(token, self._token):
                return "token"
            return answers.failed("390303", "Invalid OAuth access token.", "08001")
        if not _same(password, self._token):
            return answers.failed("390100", "Incorrect username or password was specified.", "08001")
        if self._second_factor is None:
            return "password"
        if token in self._mfa_tokens:
            return "mfa token"
        if data.get("EXT_AUTHN_DUO_METHOD") != "push":
            return answers.failed("390120", "Duo Security authentication is required", "08001", _ASKS)
        with self._lock:
            self.asked += 1
        if self._second_factor():
            return "push"
        return answers.failed("390127", "Duo Security authentication is denied.", "08001")


def _same(given: str, token: str) -> bool:
    """Compare a secret in the same time whatever it is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _signed(token: str, key: str) -> bool:
    """Return whether a token is signed by the private key of a public one and is valid now.

    https://docs.snowflake.com/en/user-guide/key-pair-auth
    """
    pem = f"-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"
    try:
        jwt.decode(token, pem, algorithms=["RS256"])
    except (PyJWTError, ValueError):
        return False
    return True
