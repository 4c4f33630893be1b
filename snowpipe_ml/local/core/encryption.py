"""Encryption by AES, with keys or with passphrases.

Keys of passphrases are derived by PBKDF2 with a salt of our own, because Snowflake's is not known: what one
encrypts by ENCRYPT, the other cannot decrypt. ENCRYPT_RAW gives the same bytes.

https://docs.snowflake.com/en/sql-reference/functions-encryption
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from snowpipe_ml.local.core.calls import CalledError, row_function
from snowpipe_ml.local.core.variants import dump

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher

_METHOD = re.compile(
    r"\s*AES(?:\s*-\s*(ECB|CBC|GCM|CTR|OFB|CFB))?\s*(?:/\s*PAD\s*:\s*(PKCS|NONE))?\s*\Z", re.I
)
_TAG = 16
_BINARY = "\ufdd8"  # the mark of a BINARY in a VARIANT


class Encrypted(NamedTuple):
    """A ciphertext with the initialization vector and, of GCM, the tag."""

    iv: bytes
    ciphertext: bytes
    tag: bytes


def _failed(doing: str, why: str) -> CalledError:
    return CalledError(100311, "22023", f"{doing} failed. {why}")


def _parsed(method: str, doing: str) -> tuple[str, bool]:
    """Split a method into its mode and whether it pads."""
    match = _METHOD.match(method)
    if match is None:
        raise _failed(doing, f"Unknown encryption method '{method}', expected one such as AES-GCM")
    mode = (match.group(1) or "GCM").upper()
    return mode, mode in ("ECB", "CBC") and (match.group(2) or "PKCS").upper() == "PKCS"


def _iv_length(mode: str) -> int:
    return {"GCM": 12, "ECB": 0}.get(mode, 16)


def _cipher(mode: str, key: bytes, iv: bytes, tag: bytes | None) -> Cipher[Any]:
    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
    except ImportError:  # they were moved there by version 47
        from cryptography.hazmat.primitives.ciphers.modes import CFB, OFB
    from cryptography.hazmat.primitives import ciphers
    from cryptography.hazmat.primitives.ciphers import modes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    made: dict[str, Callable[[bytes], Any]] = {"CBC": modes.CBC, "CTR": modes.CTR, "OFB": OFB, "CFB": CFB}
    if mode == "GCM":
        return ciphers.Cipher(AES(key), modes.GCM(iv, tag))
    # Snowflake has ECB to read what others have encrypted.
    return ciphers.Cipher(AES(key), modes.ECB() if mode == "ECB" else made[mode](iv))  # noqa: S305


def encrypt(value: bytes, key: bytes, iv: bytes | None, aad: bytes | None, method: str) -> Encrypted:
    """Encrypt a value; the initialization vector is random if none is given.

    Raises:
        CalledError: the method is unknown, or a length is wrong.
    """
    mode, padded = _parsed(method, "Encryption")
    if iv is None or mode == "ECB":
        iv = os.urandom(_iv_length(mode))
    if padded:
        missing = 16 - len(value) % 16
        value += bytes([missing]) * missing
    try:
        encryptor: Any = _cipher(mode, key, iv, None).encryptor()
        if mode == "GCM":
            encryptor.authenticate_additional_data(aad or b"")
        ciphertext = encryptor.update(value) + encryptor.finalize()
    except ValueError as wrong:
        raise _failed("Encryption", f"{wrong}") from wrong
    return Encrypted(iv, ciphertext, encryptor.tag if mode == "GCM" else b"")


def decrypt(encrypted: Encrypted, key: bytes, aad: bytes | None, method: str) -> bytes:
    """Decrypt a value.

    Raises:
        CalledError: the key, the additional data or the tag are others than those of the encryption.
    """
    from cryptography.exceptions import InvalidTag

    mode, padded = _parsed(method, "Decryption")
    try:
        decryptor: Any = _cipher(mode, key, encrypted.iv, encrypted.tag or None).decryptor()
        if mode == "GCM":
            decryptor.authenticate_additional_data(aad or b"")
        value: bytes = decryptor.update(encrypted.ciphertext) + decryptor.finalize()
    except (ValueError, InvalidTag) as wrong:
        raise _failed("Decryption", "Check encrypted data, key, AAD, or AEAD tag.") from wrong
    if not padded:
        return value
    missing = value[-1] if value else 0
    if not 1 <= missing <= 16 or value[-missing:] != bytes([missing]) * missing:
        raise _failed("Decryption", "Check encrypted data, key, AAD, or AEAD tag.")
    return value[:-missing]


@lru_cache(maxsize=100)
def _key(passphrase: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), b"snowpipe-ml ENCRYPT", 10_000, 32)


@row_function("encrypt", returns="bytes", nulls=True)
def encrypt_by_passphrase(
    value: bytes | None, passphrase: str | None, aad: bytes | None, method: str | None
) -> bytes | None:
    """Encrypt a value: the initialization vector, the ciphertext and the tag."""
    if value is None or passphrase is None:
        return None
    return b"".join(encrypt(value, _key(passphrase), None, aad, method or "AES-GCM"))


@row_function("decrypt", returns="bytes", nulls=True)
def decrypt_by_passphrase(
    value: bytes | None, passphrase: str | None, aad: bytes | None, method: str | None
) -> bytes | None:
    """Decrypt a value that was encrypted by a passphrase."""
    if value is None or passphrase is None:
        return None
    method = method or "AES-GCM"
    mode, _ = _parsed(method, "Decryption")
    start = _iv_length(mode)
    end = len(value) - (_TAG if mode == "GCM" else 0)
    return decrypt(Encrypted(value[:start], value[start:end], value[end:]), _key(passphrase), aad, method)


@row_function("encrypt_raw", returns="text", nulls=True)
def encrypt_by_key(
    value: bytes | None, key: bytes | None, iv: bytes | None, aad: bytes | None, method: str | None
) -> str | None:
    """Encrypt a value: an OBJECT of the initialization vector, the ciphertext and the tag."""
    if value is None or key is None:
        return None
    parts = encrypt(value, key, iv, aad, method or "AES-GCM")._asdict()
    return dump({name: _BINARY + part.hex().upper() for name, part in parts.items() if part or name != "tag"})


@row_function("decrypt_raw", returns="bytes", nulls=True)
def decrypt_by_key(
    value: bytes | None,
    key: bytes | None,
    iv: bytes | None,
    aad: bytes | None,
    method: str | None,
    tag: bytes | None,
) -> bytes | None:
    """Decrypt a value that was encrypted by a key."""
    if value is None or key is None:
        return None
    return decrypt(Encrypted(iv or b"", value, tag or b""), key, aad, method or "AES-GCM")


@row_function("try_decrypt", returns="bytes", nulls=True)
def try_decrypt_by_passphrase(
    value: bytes | None, passphrase: str | None, aad: bytes | None, method: str | None
) -> bytes | None:
    """Decrypt a value; NULL if that fails."""
    try:
        found: bytes | None = decrypt_by_passphrase(value, passphrase, aad, method)
    except CalledError:
        return None
    return found


@row_function("try_decrypt_raw", returns="bytes", nulls=True)
def try_decrypt_by_key(
    value: bytes | None,
    key: bytes | None,
    iv: bytes | None,
    aad: bytes | None,
    method: str | None,
    tag: bytes | None,
) -> bytes | None:
    """Decrypt a value; NULL if that fails."""
    try:
        found: bytes | None = decrypt_by_key(value, key, iv, aad, method, tag)
    except CalledError:
        return None
    return found
