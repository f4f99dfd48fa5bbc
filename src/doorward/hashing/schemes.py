"""Password hashing: what the service makes (Argon2id) and what it accepts.

Argon2id is computed by libsodium, or by the reference library where that was built for this machine.

Nothing here keeps state. A hash costs milliseconds of one core at the default cost, and about five seconds
when it is the costliest that can be imported; the GIL is released meanwhile.
"""

import hmac
import os
import re
from dataclasses import dataclass
from typing import Self

from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_str_alg, crypto_pwhash_str_verify
from nacl.exceptions import InvalidkeyError

from doorward.hashing import native
from doorward.hashing.foreign import (
    FORMATS,
    MAX_LANES,
    REFUSED,
    Digest,
    Format,
    UnsupportedHash,
    b64,
    require_key,
    unb64,
)

__all__ = ["Argon2Cost", "UnsupportedHash", "canonical", "hash_password", "is_current", "verify"]

_MAX_MEMORY_KIB = 1024 * 1024  # 1 GiB
_MAX_WORK_KIB = 4 * _MAX_MEMORY_KIB  # memory times passes, about 4 s of one core
_MIN_LANE_KIB = 8
_MIN_SALT_BYTES = 8
_SODIUM_MAX_CHARS = 127  # crypto_pwhash_STRBYTES less its NUL
_SALT_BYTES, _KEY_BYTES = 16, 32  # what libsodium makes
_SALT_CHARS, _KEY_CHARS = 22, 43  # in base64 without padding


@dataclass(frozen=True)
class Argon2Cost:
    """The cost of one Argon2 hash: passes over the memory, and memory in KiB.

    The defaults are those of the OWASP Password Storage Cheat Sheet. Raises ValueError outside the bounds.
    """

    time_cost: int = 2
    memory_kib: int = 19456

    def __post_init__(self) -> None:
        if self.time_cost < 1:
            raise ValueError("Argon2 needs at least one pass (t=1)")
        if not _MIN_LANE_KIB <= self.memory_kib <= _MAX_MEMORY_KIB:
            raise ValueError("Argon2 memory must be between 8 KiB and 1 GiB (m=8 to m=1048576)")
        if self.time_cost * self.memory_kib > _MAX_WORK_KIB:
            raise ValueError("Argon2 passes times memory (t times m) must be at most 4 GiB")


@dataclass(frozen=True)
class _Argon2:
    variant: str
    cost: Argon2Cost
    lanes: int
    salt: bytes
    key: bytes

    def __post_init__(self) -> None:
        """Hold the lower limits of RFC 9106, section 3.1, and an upper one of our own for the lanes."""
        require_key(self.key)
        if not 1 <= self.lanes <= MAX_LANES:
            raise UnsupportedHash(f"Argon2 is supported with 1 to {MAX_LANES} lanes (p) only")
        if self.cost.memory_kib < _MIN_LANE_KIB * self.lanes:
            raise UnsupportedHash("Argon2 needs 8 KiB of memory for each lane (m at least 8 times p)")
        if len(self.salt) < _MIN_SALT_BYTES:
            raise UnsupportedHash(f"an Argon2 salt has at least {_MIN_SALT_BYTES} bytes; it may be cut off")

    @classmethod
    def read(cls, variant: str, version: str | None, m: str, t: str, p: str, salt: str, key: str) -> Self:
        if version != "19":
            raise UnsupportedHash("only Argon2 version 1.3 (v=19) is supported")
        try:
            cost = Argon2Cost(time_cost=int(t), memory_kib=int(m))
        except ValueError as fault:
            raise UnsupportedHash(str(fault)) from None
        return cls(variant, cost, int(p), unb64(salt), unb64(key))

    @property
    def stored(self) -> str:
        return f"{_settings(self.cost, self.variant, self.lanes)}{b64(self.salt)}${b64(self.key)}"

    def matches(self, secret: bytes) -> bool:
        if self.variant == "argon2id" and native.is_usable():
            return self._matches_natively(secret)
        if len(self.stored) > _SODIUM_MAX_CHARS:
            return self._matches_by_openssl(secret)
        try:
            return crypto_pwhash_str_verify(self.stored.encode(), secret)
        except InvalidkeyError:
            return False

    def _matches_natively(self, secret: bytes) -> bool:
        key = native.argon2id(
            secret,
            self.salt,
            time_cost=self.cost.time_cost,
            memory_kib=self.cost.memory_kib,
            lanes=self.lanes,
            length=len(self.key),
        )
        return hmac.compare_digest(key, self.key)

    def _matches_by_openssl(self, secret: bytes) -> bool:
        """Check a hash whose salt or key is longer than libsodium reads, at half its speed."""
        # Few installations have such hashes, and the package takes 7 MB.
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id  # noqa: PLC0415

        kdf = (Argon2id if self.variant == "argon2id" else Argon2i)(
            salt=self.salt,
            length=len(self.key),
            iterations=self.cost.time_cost,
            lanes=self.lanes,
            memory_cost=self.cost.memory_kib,
        )
        return hmac.compare_digest(kdf.derive(secret), self.key)


_ARGON2 = Format(
    "Argon2",
    ("$argon2", "argon2$"),  # the second is Django's way to write it
    re.compile(
        r"(?:argon2)?\$(argon2id?)(?:\$v=([0-9]+))?\$m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,8})"
        r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
    ),
    _Argon2.read,
)


def hash_password(password: str, cost: Argon2Cost) -> str:
    """Hash `password` with Argon2id and a fresh 16-byte salt; the result is a PHC string of 32 hash bytes.

    Raises nacl.exceptions.RuntimeError, or MemoryError by the reference library, when the memory cannot be had.
    """
    if native.is_usable():
        return _hash_natively(_utf8(password), cost)
    memory = cost.memory_kib * 1024
    made = crypto_pwhash_str_alg(_utf8(password), cost.time_cost, memory, crypto_pwhash_ALG_ARGON2ID13)
    return made.decode()


def _hash_natively(secret: bytes, cost: Argon2Cost) -> str:
    salt = os.urandom(_SALT_BYTES)
    key = native.argon2id(
        secret, salt, time_cost=cost.time_cost, memory_kib=cost.memory_kib, lanes=1, length=_KEY_BYTES
    )
    return _Argon2("argon2id", cost, 1, salt, key).stored


def verify(encoded: str, password: str) -> bool:
    """Tell whether `encoded` was made of `password`; False too for what `canonical` would refuse.

    Raises nothing for any two strings. Only where memory runs out, as a large imported hash can make it,
    libsodium answers False, OpenSSL raises MemoryError or ValueError, and the reference library MemoryError.
    """
    try:
        digest = _parse(encoded)
    except UnsupportedHash:
        return False
    return digest.matches(_utf8(password))


def is_current(encoded: str, cost: Argon2Cost) -> bool:
    """Tell whether `encoded` is what `hash_password` makes at this cost; a login replaces any other."""
    settings = _settings(cost)
    return encoded.startswith(settings) and len(encoded) == len(settings) + _SALT_CHARS + 1 + _KEY_CHARS


def canonical(encoded: str) -> str:
    """Check a hash of another system and return the form to store, for which `verify` gives the same answers.

    Raises UnsupportedHash for a hash that is unknown, damaged, or too costly to check at each login.
    """
    return _parse(encoded.strip()).stored


def _parse(encoded: str) -> Digest:
    for start, reason in REFUSED.items():
        if encoded.startswith(start):
            raise UnsupportedHash(reason)
    for known in (_ARGON2, *FORMATS):
        if encoded.startswith(known.starts):
            return known.parse(encoded)
    raise UnsupportedHash(
        "unknown hash scheme; known are Argon2id, Argon2i, bcrypt, scrypt and PBKDF2,"
        " as PHC strings or as Django, Werkzeug and passlib write them"
    )


def _settings(cost: Argon2Cost, variant: str = "argon2id", lanes: int = 1) -> str:
    return f"${variant}$v=19$m={cost.memory_kib},t={cost.time_cost},p={lanes}$"


def _utf8(password: str) -> bytes:
    """Encode exactly as given, also a lone surrogate, which a str can hold and UTF-8 proper cannot."""
    return password.encode("utf-8", "surrogatepass")
