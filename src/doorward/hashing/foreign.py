"""Password hashes of other systems, read so that imported users keep their passwords.

However it is written, a hash is one of PBKDF2, scrypt or bcrypt; FORMATS says who writes it how. The first
two are stored as PHC strings, bcrypt as it came. The bounds are where a check takes about five seconds of one
core, or 1 GiB of memory: more would make each login an attack on the service.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import bcrypt

_MAX_PBKDF2_ROUNDS = 5_000_000
_MAX_SCRYPT_BYTES = 1024**3
_MIN_BCRYPT_COST, _MAX_BCRYPT_COST = 4, 16
_MIN_KEY_BYTES = 16
MAX_LANES = 255  # thousands of small ones cost many times what their memory tells
_DIGEST_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}


class UnsupportedHash(ValueError):
    """A hash that cannot be imported. The message is one line for a person and never holds the hash."""


class Digest(Protocol):
    """A hash that was read: the text to store, and a check that compares in constant time."""

    @property
    def stored(self) -> str: ...

    def matches(self, secret: bytes) -> bool: ...


@dataclass(frozen=True)
class Format:
    """One way to write a hash: how it starts, what it looks like, and what reads the pattern's groups."""

    name: str
    starts: tuple[str, ...]
    pattern: re.Pattern[str]
    read: Callable[..., Digest]

    def parse(self, encoded: str) -> Digest:
        """Read `encoded`; raises UnsupportedHash."""
        found = self.pattern.fullmatch(encoded)
        if found is None:
            raise UnsupportedHash(f"this looks like {self.name} but is not well-formed; it may be cut off")
        return self.read(*found.groups())


def unb64(text: str) -> bytes:
    """Decode base64 with or without padding, also passlib's with `.` for `+`; raises UnsupportedHash."""
    bare = text.rstrip("=").replace(".", "+")
    if len(bare) % 4 == 1:
        raise UnsupportedHash("the base64 in the hash has an impossible length; it may be cut off")
    return base64.b64decode(bare + "=" * (-len(bare) % 4))


def require_key(key: bytes) -> None:
    """Raise UnsupportedHash when `key` is so short that another password could match by chance."""
    if len(key) < _MIN_KEY_BYTES:
        raise UnsupportedHash(f"the hash has less than {_MIN_KEY_BYTES} bytes; it may be cut off")


def b64(data: bytes) -> str:
    """Encode as PHC strings do: base64 without padding."""
    return base64.b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class _Pbkdf2:
    """PBKDF2 of RFC 8018."""

    digest: str
    rounds: int
    salt: bytes
    key: bytes

    def __post_init__(self) -> None:
        if self.digest not in _DIGEST_BYTES:
            raise UnsupportedHash("PBKDF2 is supported with SHA-1, SHA-256 and SHA-512 only")
        require_key(self.key)
        blocks = -(-len(self.key) // _DIGEST_BYTES[self.digest])  # each costs all the rounds
        if not 1 <= self.rounds * blocks <= _MAX_PBKDF2_ROUNDS:
            raise UnsupportedHash(
                f"PBKDF2 is supported with 1 to {_MAX_PBKDF2_ROUNDS:,} rounds (for all blocks of output) only"
            )

    @classmethod
    def read_phc(cls, digest: str | None, rounds: str, length: str | None, salt: str, key: str) -> Self:
        pbkdf2 = cls(digest or "sha1", int(rounds), unb64(salt), unb64(key))
        if length is not None and int(length) != len(pbkdf2.key):
            raise UnsupportedHash("the PBKDF2 hash has not the length it names; it may be cut off")
        return pbkdf2

    @classmethod
    def read_django(cls, digest: str, rounds: str, salt: str, key: str) -> Self:
        return cls(digest, int(rounds), salt.encode(), unb64(key))

    @classmethod
    def read_werkzeug(cls, digest: str, rounds: str, salt: str, key: str) -> Self:
        return cls(digest, int(rounds), salt.encode(), bytes.fromhex(key))

    @property
    def stored(self) -> str:
        return f"$pbkdf2-{self.digest}$i={self.rounds},l={len(self.key)}${b64(self.salt)}${b64(self.key)}"

    def matches(self, secret: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(self.digest, secret, self.salt, self.rounds, len(self.key))
        return hmac.compare_digest(made, self.key)


@dataclass(frozen=True)
class _Scrypt:
    """The scrypt of RFC 7914; `log_n` is the binary logarithm of its N."""

    log_n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    def __post_init__(self) -> None:
        require_key(self.key)
        if not (1 <= self.log_n < 16 * self.r and self.p >= 1):  # RFC 7914, section 2: N < 2^(128*r/8)
            raise UnsupportedHash("the scrypt parameters are not valid: N, r or p is out of range")
        if self.p > MAX_LANES:
            raise UnsupportedHash(f"scrypt is supported with p up to {MAX_LANES} only")
        if (128 * self.r * self.p) << self.log_n > _MAX_SCRYPT_BYTES:
            raise UnsupportedHash("scrypt is supported up to 128*N*r*p of 1 GiB only")

    @classmethod
    def read_phc(cls, log_n: str, r: str, p: str, salt: str, key: str) -> Self:
        return cls(int(log_n), int(r), int(p), unb64(salt), unb64(key))

    @classmethod
    def read_django(cls, n: str, salt: str, r: str, p: str, key: str) -> Self:
        return cls(_log2(n), int(r), int(p), salt.encode(), unb64(key))

    @classmethod
    def read_werkzeug(cls, n: str, r: str, p: str, salt: str, key: str) -> Self:
        return cls(_log2(n), int(r), int(p), salt.encode(), bytes.fromhex(key))

    @property
    def stored(self) -> str:
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${b64(self.salt)}${b64(self.key)}"

    def matches(self, secret: bytes) -> bool:
        n = 1 << self.log_n
        made = hashlib.scrypt(
            secret,
            salt=self.salt,
            n=n,
            r=self.r,
            p=self.p,
            maxmem=128 * self.r * (n + self.p + 2),  # exactly what OpenSSL counts; its default is 32 MiB
            dklen=len(self.key),
        )
        return hmac.compare_digest(made, self.key)


def _log2(text: str) -> int:
    n = int(text)
    if n.bit_count() != 1:
        raise UnsupportedHash("the scrypt parameters are not valid: N is not a power of two")
    return n.bit_length() - 1


@dataclass(frozen=True)
class _Bcrypt:
    """Plain bcrypt: the password's first 72 bytes count, the rest does not."""

    template: ClassVar[str] = "${version}${cost:02}${salt}{key}"
    version: str
    cost: int
    salt: str
    key: str

    @classmethod
    def read(cls, version: str, cost: str, salt: str, key: str) -> Self:
        if not _MIN_BCRYPT_COST <= int(cost) <= _MAX_BCRYPT_COST:
            raise UnsupportedHash(f"bcrypt is supported with a cost of {_MIN_BCRYPT_COST} to {_MAX_BCRYPT_COST} only")
        return cls(version, int(cost), salt, key)

    @property
    def stored(self) -> str:
        return self.template.format(version=self.version, cost=self.cost, salt=self.salt, key=self.key)

    def matches(self, secret: bytes) -> bool:
        made = bcrypt.hashpw(self.shortened(secret), f"${self.version}${self.cost:02}${self.salt}".encode())
        return hmac.compare_digest(made[-len(self.key) :], self.key.encode())

    def shortened(self, secret: bytes) -> bytes:
        """Cut at 72 bytes, as bcrypt always has; Python's refuses longer passwords since its version 5.

        The former system let such a user in by the first 72 bytes, so we do, until the login makes a hash of
        the whole. A NUL is a byte like any other, as the bcrypt package takes it. Systems that keep passwords
        as C strings ended one there, but a hash does not tell where it is from.
        """
        return secret[:72]


class _DjangoBcryptSha256(_Bcrypt):
    template = "bcrypt_sha256$${version}${cost:02}${salt}{key}"

    def shortened(self, secret: bytes) -> bytes:
        return hashlib.sha256(secret).hexdigest().encode()


class _PasslibBcryptSha256V1(_Bcrypt):
    template = "$bcrypt-sha256${version},{cost}${salt}${key}"

    def shortened(self, secret: bytes) -> bytes:
        return base64.b64encode(hashlib.sha256(secret).digest())


class _PasslibBcryptSha256V2(_Bcrypt):
    template = "$bcrypt-sha256$v=2,t={version},r={cost}${salt}${key}"

    def shortened(self, secret: bytes) -> bytes:
        return base64.b64encode(hmac.digest(self.salt.encode(), secret, "sha256"))


_B64 = "([A-Za-z0-9+/.]*)"  # passlib has `.` for `+`
_PADDED = "([A-Za-z0-9+/]+={0,2})"
_HEX = "((?:[0-9a-f]{2})+)"
_TEXT = "([!-#%-~]+)"  # the salt itself: printable ASCII without `$`
_INT = "([0-9]{1,10})"
_SALT = "([./A-Za-z0-9]{21}[.Oeu])"  # bcrypt's own base64, in which 128 bits end in one of these four
_KEY = "([./A-Za-z0-9]{31})"
_CRYPT = rf"\$(2[aby])\$([0-9]{{2}})\${_SALT}{_KEY}"

FORMATS = (
    Format(
        "PBKDF2",  # passlib, and PHC strings: `$rounds$` or `$i=rounds,l=length$`
        ("$pbkdf2",),
        re.compile(rf"\$pbkdf2(?:-([a-z0-9]+))?\$(?:i=)?{_INT}(?:,l={_INT})?\${_B64}\${_B64}"),
        _Pbkdf2.read_phc,
    ),
    Format(
        "Django's PBKDF2",
        ("pbkdf2_",),
        re.compile(rf"pbkdf2_([a-z0-9]+)\${_INT}\${_TEXT}\${_PADDED}"),
        _Pbkdf2.read_django,
    ),
    Format(
        "Werkzeug's PBKDF2",
        ("pbkdf2:",),
        re.compile(rf"pbkdf2:([a-z0-9]+):{_INT}\${_TEXT}\${_HEX}"),
        _Pbkdf2.read_werkzeug,
    ),
    Format(
        "scrypt",  # passlib and PHC strings are the same
        ("$scrypt$",),
        re.compile(rf"\$scrypt\$ln=([0-9]{{1,2}}),r={_INT},p={_INT}\${_B64}\${_B64}"),
        _Scrypt.read_phc,
    ),
    Format(
        "Django's scrypt",
        ("scrypt$",),
        re.compile(rf"scrypt\${_INT}\${_TEXT}\${_INT}\${_INT}\${_PADDED}"),
        _Scrypt.read_django,
    ),
    Format(
        "Werkzeug's scrypt",
        ("scrypt:",),
        re.compile(rf"scrypt:{_INT}:{_INT}:{_INT}\${_TEXT}\${_HEX}"),
        _Scrypt.read_werkzeug,
    ),
    Format("bcrypt", ("$2", "bcrypt$"), re.compile(rf"(?:bcrypt\$)?{_CRYPT}"), _Bcrypt.read),
    Format(
        "Django's bcrypt_sha256",
        ("bcrypt_sha256$",),
        re.compile(rf"bcrypt_sha256\${_CRYPT}"),
        _DjangoBcryptSha256.read,
    ),
    Format(
        "passlib's bcrypt-sha256",
        ("$bcrypt-sha256$v=",),
        re.compile(rf"\$bcrypt-sha256\$v=2,t=(2b),r=([0-9]{{1,2}})\${_SALT}\${_KEY}"),
        _PasslibBcryptSha256V2.read,
    ),
    Format(
        "passlib's older bcrypt-sha256",
        ("$bcrypt-sha256$",),
        re.compile(rf"\$bcrypt-sha256\$(2[ab]),([0-9]{{1,2}})\${_SALT}\${_KEY}"),
        _PasslibBcryptSha256V1.read,
    ),
)

REFUSED = {
    "$argon2d$": "Argon2d is not supported, only Argon2id and Argon2i",
    "argon2$argon2d$": "Argon2d is not supported, only Argon2id and Argon2i",
    "$2$": "bcrypt of the first version ($2$) is not supported, only $2a$, $2b$ and $2y$",
    "$2x$": "bcrypt made by the faulty crypt_blowfish ($2x$) is not supported, only $2a$, $2b$ and $2y$",
    "!": "this is Django's mark of a user without a usable password; import the user without a hash",
}
