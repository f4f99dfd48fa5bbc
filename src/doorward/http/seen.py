"""`GET /health/seen`: how a request looks when it arrives, for `doorward check --url`.

It tells an operator what a proxy made of a request. A stranger, who has no proof made with the secret key, gets the
answer of a path that is not there: which proxies there are, and which are believed, is none of their business.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from doorward.core.clock import MINUTE
from doorward.core.errors import Refused
from doorward.core.vault import Vault
from doorward.env import Env
from doorward.http.answers import Response, respond
from doorward.http.clients import UNKNOWN, ClientAddresses

PATH = "/health/seen"
SCHEME = "Check"
PROOF_LIFE = 5 * MINUTE
"""Long enough for two clocks that differ; whoever overhears a proof learns no more than this page says."""
TOLD_BY_PROXIES = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto")


class Sight(msgspec.Struct, rename="camel", frozen=True):
    """How a request arrived: the peer that sent it, and the client that it was taken to come from."""

    public_url: str
    host: str
    peer: str
    peer_is_trusted: bool
    client: str
    client_is_trusted: bool
    headers: dict[str, str]


def proof(vault: Vault, now_ms: int) -> str:
    """The `Authorization` header of one who has the secret key."""
    return f"{SCHEME} {now_ms}.{_digest(vault, now_ms)}"


def is_proof(vault: Vault, header: str, now_ms: int) -> bool:
    """Whether it was made with this secret key, at about this time."""
    scheme, _, rest = header.partition(" ")
    told, _, digest = rest.partition(".")
    if scheme != SCHEME or not (told.isascii() and told.isdigit() and len(told) <= len(str(now_ms))):
        return False
    made = int(told)
    return abs(now_ms - made) <= PROOF_LIFE and hmac.compare_digest(digest.encode(), _digest(vault, made).encode())


class Seen:
    """Answers the request with itself."""

    def __init__(self, env: Env, addresses: ClientAddresses) -> None:
        self._env = env
        self._addresses = addresses

    def __call__(self, environ: Mapping[str, Any]) -> Response:
        """Raises Refused("NOT_FOUND") for a stranger."""
        if not is_proof(self._env.vault, environ.get("HTTP_AUTHORIZATION", ""), self._env.clock.now_ms()):
            raise Refused("NOT_FOUND")
        peer = environ.get("REMOTE_ADDR") or UNKNOWN
        client = self._addresses.of(environ)
        told = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in TOLD_BY_PROXIES}
        return respond(
            Sight(
                public_url=self._env.settings.issuer,
                host=environ.get("HTTP_HOST", ""),
                peer=peer,
                peer_is_trusted=self._addresses.is_trusted(peer),
                client=client,
                client_is_trusted=self._addresses.is_trusted(client),
                headers={name: value for name, value in told.items() if value},
            )
        )


def _digest(vault: Vault, at: int) -> str:
    return vault.digest("seen", str(at)).hex()
