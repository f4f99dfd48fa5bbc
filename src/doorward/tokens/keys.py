"""Key pairs: how each algorithm signs, verifies, and shows its public half as a JWK (RFC 7517, 8037, 7518)."""

import base64
import hashlib
from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any, Protocol, cast

import msgspec
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError
from nacl.utils import random as random_bytes

ED25519_SIGNATURE_BYTES = 64
P256_COORDINATE_BYTES = 32
RSA_BITS = 3072
TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def b64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return b2a_base64(raw, newline=False).translate(TO_URL_SAFE).rstrip(b"=").decode()


def b64url_decode(text: str) -> bytes:
    """The inverse. Raises ValueError for any text that `b64url` would not have made: one value has one spelling."""
    raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


class KeyPair(Protocol):
    """One key pair, bound to its algorithm."""

    algorithm: str

    def sign(self, message: bytes) -> bytes: ...

    def verifies(self, message: bytes, signature: bytes) -> bool: ...

    def private_bytes(self) -> bytes: ...

    def jwk(self) -> dict[str, str]: ...


class Ed25519:
    """EdDSA over Curve25519 (RFC 8032, RFC 8037), by libsodium."""

    algorithm = "EdDSA"

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = seed or random_bytes(32)
        self._public, self._secret = crypto_sign_seed_keypair(self._seed)

    def sign(self, message: bytes) -> bytes:
        return crypto_sign(message, self._secret)[:ED25519_SIGNATURE_BYTES]

    def verifies(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != ED25519_SIGNATURE_BYTES:
            return False
        try:
            crypto_sign_open(signature + message, self._public)
        except BadSignatureError:
            return False
        return True

    def private_bytes(self) -> bytes:
        return self._seed

    def jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(self._public)}


class P256:
    """ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4); a signature is r and s side by side."""

    algorithm = "ES256"

    def __init__(self, private: bytes | None = None) -> None:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- only installations that chose it load it
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        self._key = (
            ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
            if private
            else ec.generate_private_key(ec.SECP256R1())
        )
        self._public = self._key.public_key()
        self._scheme = ec.ECDSA(hashes.SHA256())

    def sign(self, message: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

        r, s = decode_dss_signature(self._key.sign(message, self._scheme))
        return r.to_bytes(P256_COORDINATE_BYTES, "big") + s.to_bytes(P256_COORDINATE_BYTES, "big")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

        if len(signature) != 2 * P256_COORDINATE_BYTES:
            return False
        r, s = signature[:P256_COORDINATE_BYTES], signature[P256_COORDINATE_BYTES:]
        try:
            der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
            self._public.verify(der, message, self._scheme)
        except InvalidSignature:
            return False
        return True

    def private_bytes(self) -> bytes:
        return self._key.private_numbers().private_value.to_bytes(P256_COORDINATE_BYTES, "big")

    def jwk(self) -> dict[str, str]:
        point = self._public.public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(point.x.to_bytes(P256_COORDINATE_BYTES, "big")),
            "y": b64url(point.y.to_bytes(P256_COORDINATE_BYTES, "big")),
        }


class Rsa:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), for verifiers that know nothing newer."""

    algorithm = "RS256"

    def __init__(self, private: bytes | None = None) -> None:
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

        self._key = cast(
            "rsa.RSAPrivateKey",
            serialization.load_der_private_key(private, None)
            if private
            else rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS),
        )
        self._public = self._key.public_key()
        self._scheme = (padding.PKCS1v15(), hashes.SHA256())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, *self._scheme)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        try:
            self._public.verify(signature, message, *self._scheme)
        except InvalidSignature:
            return False
        return True

    def private_bytes(self) -> bytes:
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

        return self._key.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())

    def jwk(self) -> dict[str, str]:
        numbers = self._public.public_numbers()
        return {
            "kty": "RSA",
            "n": b64url(numbers.n.to_bytes(RSA_BITS // 8, "big")),
            "e": b64url(numbers.e.to_bytes(3, "big")),
        }


KINDS: dict[str, Any] = {kind.algorithm: kind for kind in (Ed25519, P256, Rsa)}


@dataclass(frozen=True)
class SigningKey:
    """A key pair with its place in time (milliseconds); `header` is the one JOSE header its tokens have."""

    pair: KeyPair
    kid: str
    header: str
    created_at: int
    signs_from: int
    expires_at: int | None

    @classmethod
    def of(cls, pair: KeyPair, created_at: int, signs_from: int, expires_at: int | None = None) -> "SigningKey":
        kid = thumbprint(pair.jwk())
        header = b64url(msgspec.json.encode({"alg": pair.algorithm, "typ": "JWT", "kid": kid}))
        return cls(pair, kid, header, created_at, signs_from, expires_at)

    def public_jwk(self) -> dict[str, str]:
        return self.pair.jwk() | {"kid": self.kid, "alg": self.pair.algorithm, "use": "sig"}


def generate(algorithm: str) -> KeyPair:
    return cast("KeyPair", KINDS[algorithm]())


def load(algorithm: str, private: bytes) -> KeyPair:
    return cast("KeyPair", KINDS[algorithm](private))


def thumbprint(jwk: dict[str, str]) -> str:
    """The JWK's SHA-256 thumbprint (RFC 7638): required members only, in order of their names."""
    return b64url(hashlib.sha256(msgspec.json.encode(dict(sorted(jwk.items())))).digest())
