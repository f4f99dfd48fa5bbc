"""Encryption at rest and keyed digests, all from the installation's one secret key."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError

FORMAT = b"\x01"


class CannotOpen(Exception):
    """No key opens the ciphertext: it was altered, belongs elsewhere, or the secret key is another one."""


class Vault:
    """Seals and digests with keys derived from the secret key, a different one for each purpose.

    Sealing is XChaCha20-Poly1305 with a random nonce. `context` is authenticated, so that a sealed value can't be moved
    to another row. Digests are HMAC-SHA-256: a code of six digits can't be guessed from its digest without the key.
    """

    def __init__(self, secret_key: str) -> None:
        root = secret_key.encode()
        self._sealing_key = hmac.digest(root, b"doorward/seal", hashlib.sha256)
        self._digest_key = hmac.digest(root, b"doorward/digest", hashlib.sha256)

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, context.encode(), nonce, self._sealing_key)
        return FORMAT + nonce + sealed

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises CannotOpen."""
        head = len(FORMAT) + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
        if not sealed.startswith(FORMAT) or len(sealed) < head:
            raise CannotOpen
        nonce, body = sealed[len(FORMAT) : head], sealed[head:]
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(body, context.encode(), nonce, self._sealing_key)
        except (CryptoError, ValueError) as error:
            raise CannotOpen from error

    def digest(self, *parts: str) -> bytes:
        """Keyed digest of the parts, in which no two different lists of parts read alike."""
        message = b"".join(len(encoded).to_bytes(4, "big") + encoded for encoded in (part.encode() for part in parts))
        return hmac.digest(self._digest_key, message, hashlib.sha256)


def secret_key_in(data_dir: Path) -> str:
    """The secret key of a single machine: read from `secret.key` (mode 0600), made when it is missing.

    Two processes that start at once agree: the file appears whole or not at all, and the first one wins.
    """
    path = data_dir / "secret.key"
    if not path.exists():
        make_private_folder(data_dir)
        draft = data_dir / f".secret.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text("utf-8").strip()


def make_private_folder(path: Path) -> None:
    """Make the folder, readable by its owner alone, unless it is there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
