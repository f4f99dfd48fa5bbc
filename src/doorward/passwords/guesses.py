"""Who has to wait before the next password guess.

Wrong passwords count per account and per client address. An address from which the account has logged in before has a
count of its own instead of both: a stranger's guesses do not lock the owner out. Of IPv6 the /64 counts as the address:
a device takes another one in it every day (RFC 8981). A name without an account has counts like one with.
"""

from doorward import throttles
from doorward.core.client import Client
from doorward.core.db import Reader, Tx
from doorward.env import Env
from doorward.sessions.store import knows_address
from doorward.users.names import key
from doorward.users.store import NOBODY, User


def throttle_keys(reader: Reader, env: Env, user: User | None, name: str, client: Client) -> tuple[str, ...]:
    """The keys at which a guess of this client at this account counts."""
    known = knows_address(reader, user.id if user else NOBODY, client.network)
    if user is None:
        # A digest, so that the table holds no list of what people typed.
        return f"password:name:{env.vault.digest('name', key(name)).hex()}", of_network(client.network)
    if known:
        return (of_user_at(user.id, client.network),)
    return of_user(user.id), of_network(client.network)


def settle(tx: Tx, keys: tuple[str, ...], *, right: bool) -> bool:
    """Count a judged guess, or forget the account's wrong ones after a right one; True when a wait begins.

    Raises Refused("TOO_MANY_FAILED_PASSWORD_CHECKS") when guesses judged meanwhile have begun a wait: then this one
    counts for nothing, right or wrong.
    """
    if not right:
        return throttles.count_wrong(tx, throttles.PASSWORD, *keys)
    throttles.hold_back(tx, throttles.PASSWORD, *keys)
    # The client address's count stays: one's own right password must not free guesses at other accounts.
    throttles.reset(tx, keys[0])
    return False


def of_user(user_id: int) -> str:
    """Where strangers' guesses at the account count."""
    return f"password:user:{user_id}"


def of_user_at(user_id: int, network: str) -> str:
    """Where guesses at the account count that come from where its user has logged in before."""
    return f"password:user:{user_id}:{network}"


def of_network(network: str) -> str:
    """Where strangers' guesses at all accounts count."""
    return f"password:address:{network}"
