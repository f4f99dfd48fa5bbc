"""Encryption at rest and keyed digests, all from the installation's one secret key."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError

NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
FORMAT, FORMAT_WITHOUT_ID = b"\x02", b"\x01"
ID_BYTES = 4
SHORTEST_SECRET_KEY = 32
"""In characters."""
KEY_FILE = "secret.key"


class CannotOpen(Exception):
    """No key opens the ciphertext: it was altered, belongs elsewhere, or the secret key is another one."""


class WrongSecretKey(Exception):
    """What the database keeps for every start can't be opened: it was sealed with another secret key."""


class NoSecretKey(Exception):
    """The file that is to hold the secret key holds none; the message is its path."""


@dataclass(frozen=True)
class SealingKey:
    """What a secret key seals with. `id` tells which one sealed a value, and nothing about the key."""

    id: bytes
    key: bytes

    @classmethod
    def of(cls, secret_key: str) -> "SealingKey":
        return cls(derived(secret_key, "key-id")[:ID_BYTES], derived(secret_key, "seal"))

    def open(self, sealed: bytes, context: str) -> bytes | None:
        """None when it was sealed by another key or in another context."""
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[NONCE_BYTES:], context.encode(), sealed[:NONCE_BYTES], self.key
            )
        except (CryptoError, ValueError):
            return None


class Vault:
    """Seals and digests with keys derived from the secret key, a different one for each purpose.

    Sealing is XChaCha20-Poly1305 with a random nonce. `context` is authenticated, so that a sealed value can't be moved
    to another row. `previous` secret keys open too. Digests are HMAC-SHA-256: a code of six digits can't be guessed
    from its digest without the key, which is the one that `doorward.core.digest_key` keeps, once it has been read.
    """

    def __init__(self, secret_key: str, previous: Sequence[str] = (), digest_key: bytes | None = None) -> None:
        self._keys = [SealingKey.of(key) for key in (secret_key, *previous)]
        self.digest_key = derived(secret_key, "digest") if digest_key is None else digest_key
        self.seal_prefix = FORMAT + self._keys[0].id
        """How everything begins that the present secret key has sealed."""

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, context.encode(), nonce, self._keys[0].key)
        return self.seal_prefix + nonce + sealed

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises CannotOpen."""
        head, body = sealed[: len(self.seal_prefix)], sealed[len(self.seal_prefix) :]
        keys = [key for key in self._keys if head == FORMAT + key.id]
        if sealed.startswith(FORMAT_WITHOUT_ID):
            keys, body = self._keys, sealed[len(FORMAT_WITHOUT_ID) :]
        for key in keys:
            plain = key.open(body, context)
            if plain is not None:
                return plain
        raise CannotOpen

    def digest(self, *parts: str) -> bytes:
        """Keyed digest of the parts, in which no two different lists of parts read alike."""
        message = b"".join(len(encoded).to_bytes(4, "big") + encoded for encoded in (part.encode() for part in parts))
        return hmac.digest(self.digest_key, message, hashlib.sha256)


def derived(secret_key: str, purpose: str) -> bytes:
    """The key that the secret key gives for a purpose, by HMAC-SHA-256."""
    return hmac.digest(secret_key.encode(), f"doorward/{purpose}".encode(), hashlib.sha256)


def secret_key_in(data_dir: Path) -> str:
    """The secret key of a single machine, made when it is missing. Raises NoSecretKey, OSError."""
    if not (data_dir / KEY_FILE).exists():
        make_secret_key(data_dir)
    return read_secret_key(data_dir)


def read_secret_key(data_dir: Path) -> str:
    """Raises NoSecretKey for a file that was cut off, is empty or holds something else, OSError."""
    path = data_dir / KEY_FILE
    try:
        key = path.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise NoSecretKey(str(path)) from error
    if len(key) < SHORTEST_SECRET_KEY:
        # Else an empty file would be a key that everybody knows.
        raise NoSecretKey(str(path))
    return key


def make_secret_key(data_dir: Path) -> None:
    """Make `secret.key`, with mode 0600, in a folder that has none. Raises OSError.

    Two processes that start at once agree: the file appears whole or not at all, and the first one wins. It outlives a
    power cut: what is sealed with it may be on another machine by then.
    """
    make_private_folder(data_dir)
    draft = data_dir / f".secret.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, data_dir / KEY_FILE)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private_folder(path: Path) -> None:
    """Make the folder, and those above it that are missing, for their owner alone, unless it is there."""
    if not path.parent.exists():
        make_private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
