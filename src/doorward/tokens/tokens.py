"""Issuing and reading tokens.

All four kinds are JWTs signed with the installation's key, so that anyone can verify them offline. What this module
decides about a token is its signature, issuer, audience, times and kind; whether its session lives is asked elsewhere.
"""

import secrets
from hashlib import blake2b
from typing import Literal

import msgspec

from doorward.core.clock import DAY, MINUTE, SECOND, Clock
from doorward.core.errors import Refused
from doorward.tokens.keyring import Keyring
from doorward.tokens.keys import b64url, b64url_decode

Use = Literal["refresh", "access", "sudo", "partial"]

LIFETIMES: dict[Use, int] = {
    "refresh": 14 * DAY,
    "access": 5 * MINUTE,
    "sudo": 5 * MINUTE,
    "partial": 5 * MINUTE,
}
"""Milliseconds that a token of each kind is good for."""

CACHED_TOKENS = 4_096


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token's payload. Times are whole seconds (RFC 7519 section 2); `amr` as in RFC 8176."""

    iss: str
    sub: str
    aud: str
    sid: str
    jti: str
    iat: int
    exp: int
    use: Use
    amr: list[str]
    auth_time: int
    # Partial tokens only: the user's credentials version at login, since no session holds their state.
    ver: int | None = None

    @property
    def user_id(self) -> int:
        return int(self.sub)


_decode = msgspec.json.Decoder(Claims).decode
_encode = msgspec.json.Encoder().encode


class _Verified:
    """The claims of texts whose signature was found good, with the keys of one version of the key ring."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._recent: dict[bytes, Claims] = {}
        self._before: dict[bytes, Claims] = {}

    def find(self, digest: bytes) -> Claims | None:
        return self._recent.get(digest) or self._before.get(digest)

    def add(self, digest: bytes, claims: Claims) -> None:
        if len(self._recent) >= CACHED_TOKENS:
            self._before, self._recent = self._recent, {}
        self._recent[digest] = claims


class Tokens:
    """Signs and reads tokens. Reading remembers which texts had a good signature: verifying one costs the most."""

    def __init__(self, keyring: Keyring, clock: Clock, issuer: str, audience: str) -> None:
        self.keyring = keyring
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._verified = _Verified(keyring.version())

    def issue(
        self,
        use: Use,
        *,
        user_id: int,
        session_id: str,
        amr: list[str],
        auth_time: int,
        version: int | None = None,
    ) -> str:
        """A new token. `auth_time` is in milliseconds."""
        claims = self.claims(use, user_id=user_id, session_id=session_id, amr=amr, auth_time=auth_time, version=version)
        return self.sign(claims)

    def claims(
        self,
        use: Use,
        *,
        user_id: int,
        session_id: str,
        amr: list[str],
        auth_time: int,
        expires_at: int | None = None,
        version: int | None = None,
    ) -> Claims:
        """The claims of a new token.

        `auth_time` and `expires_at` (at most the kind's lifetime from now) are in milliseconds.
        """
        now = self._clock.now_ms()
        ends = now + LIFETIMES[use]
        return Claims(
            iss=self._issuer,
            sub=str(user_id),
            aud=self._audience,
            sid=session_id,
            jti=secrets.token_urlsafe(16),
            iat=now // SECOND,
            exp=(ends if expires_at is None else min(ends, expires_at)) // SECOND,
            use=use,
            amr=amr,
            auth_time=auth_time // SECOND,
            ver=version,
        )

    def sign(self, claims: Claims) -> str:
        """The token of these claims in compact form (RFC 7515 section 7.1)."""
        key = self.keyring.signing()
        signed = f"{key.header}.{b64url(_encode(claims))}"
        return f"{signed}.{b64url(key.pair.sign(signed.encode()))}"

    def read(self, token: str) -> Claims:
        """The claims of a good token. Raises Refused: TOKEN_INVALID, TOKEN_EXPIRED."""
        try:
            digest = blake2b(token.encode(), digest_size=16).digest()
        except UnicodeEncodeError as error:
            raise Refused("TOKEN_INVALID") from error
        version = self.keyring.version()
        verified = self._verified
        if verified.version != version:
            # A key has gone, perhaps revoked: what it signed must not live on here.
            verified = self._verified = _Verified(version)
        claims = verified.find(digest)
        if claims is None:
            claims = self._verify(token)
            verified.add(digest, claims)
        if claims.exp * SECOND <= self._clock.now_ms():
            raise Refused("TOKEN_EXPIRED")
        return claims

    def _verify(self, token: str) -> Claims:
        # The header is compared, never parsed: a token can't choose how it is verified (RFC 8725 section 3.1).
        header, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        key = self.keyring.of_header(header)
        if key is None:
            raise Refused("TOKEN_INVALID")
        try:
            good = key.pair.verifies(f"{header}.{payload}".encode(), b64url_decode(signature))
            claims = _decode(b64url_decode(payload)) if good else None
        except (ValueError, msgspec.DecodeError) as error:
            raise Refused("TOKEN_INVALID") from error
        if claims is None or claims.iss != self._issuer or claims.aud != self._audience:
            raise Refused("TOKEN_INVALID")
        return claims
