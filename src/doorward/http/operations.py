"""An operation: its verb and path, the tokens it accepts, the body it takes, and the function that does it.

The tables in `doorward.http.api` list all of them; `openapi.json` says the same to clients, and a test holds the two
against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from doorward.core.client import Client
from doorward.core.errors import BadInput
from doorward.env import Env
from doorward.http import bodies
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.gate import Gate
from doorward.http.params import brand_origin
from doorward.http.request import Request
from doorward.tokens.tokens import Claims, Use

if TYPE_CHECKING:
    import msgspec

OPEN: frozenset[Use] = frozenset()
REFRESH: frozenset[Use] = frozenset({"refresh"})
ACCESS: frozenset[Use] = frozenset({"access"})
SUDO: frozenset[Use] = frozenset({"sudo"})
SUDO_OR_ACCESS: frozenset[Use] = frozenset({"sudo", "access"})
"""An access token serves only while the user has no second factor: see `Operation.step_up`."""
SECOND_FACTOR: frozenset[Use] = frozenset({"access", "partial"})


@dataclass(slots=True)
class Call:
    """One request, as an operation sees it. Open operations have no claims."""

    env: Env
    gate: Gate
    addresses: ClientAddresses
    req: Request
    token_claims: Claims | None
    body: Any

    @property
    def claims(self) -> Claims:
        return cast("Claims", self.token_claims)

    @property
    def client(self) -> Client:
        agent = printable(self.req.env.get("HTTP_USER_AGENT") or "")
        return Client(self.addresses.of(self.req.env), agent, brand_origin(self.req))


@dataclass
class Operation:
    """One verb of one path.

    `too_long_is_bad_input`: whether a token of over 4096 characters is told apart (400) from other bad ones (401).
    `bad_input`: the one message for every bad body or parameter, where the contract has no other. `name`: what the log
    and the metrics call it.
    """

    verb: str
    path: str
    does: Callable[[Call], Any]
    tokens: frozenset[Use] = OPEN
    body: type[Any] | None = None
    too_long_is_bad_input: bool = True
    bad_input: str | None = None
    name: str = field(init=False)
    decoder: "msgspec.json.Decoder[Any] | None" = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"{self.verb} {self.path}"
        self.decoder = None if self.body is None else bodies.decoder(self.body)

    @property
    def step_up(self) -> bool:
        return self.tokens == SUDO_OR_ACCESS


class Operations:
    """Does operations, with all that they need."""

    def __init__(self, env: Env, gate: Gate, addresses: ClientAddresses, arrivals: Arrivals) -> None:
        self._env = env
        self._gate = gate
        self._addresses = addresses
        self._arrivals = arrivals

    def answer(self, operation: Operation, environ: dict[str, Any]) -> Any:
        """What the operation gives: its content or an `Answer`. Raises Refused."""
        req = Request(environ)
        claims = None
        try:
            if operation.tokens:
                claims = self._gate.admit(
                    req,
                    operation.tokens,
                    step_up=operation.step_up,
                    too_long_is_bad_input=operation.too_long_is_bad_input,
                )
            body = None if operation.decoder is None else bodies.read(req, self._arrivals, operation.decoder)
            return operation.does(Call(self._env, self._gate, self._addresses, req, claims, body))
        except BadInput:
            if operation.bad_input is None:
                raise
            raise BadInput(operation.bad_input) from None


def printable(text: str) -> str:
    """A header's text without what a terminal, a log or a database would trip over."""
    return "".join(c for c in text if c.isprintable())
