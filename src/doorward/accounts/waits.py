"""End what wrong guesses at one account have begun: its waits, and the lock of a method after a hundred of them.

Nothing is forgotten. Whoever comes next, the user or who guesses, has one guess, and a wrong one begins the wait that
would have come next anyway. So an administrator who was talked into it gives away one guess, not five free ones and a
short wait, and a hundred codes (docs/decisions/0014-console.md).
"""

from typing import Literal

from doorward import audit, throttles
from doorward.accounts.flows import NoSuchUser, Who, get
from doorward.audit import BY_COMMAND, By
from doorward.env import Env
from doorward.factors import recovery, totp
from doorward.factors.common import throttle_key
from doorward.passwords import guesses
from doorward.sessions import store as sessions
from doorward.users import store as users

Guessed = Literal["password", "totp", "recovery-code"]
MOST_NETWORKS = 1_000
"""So many of the places where the user signed in before are looked at."""


def end_waits(env: Env, who: Who, by: By = BY_COMMAND) -> list[Guessed]:
    """Allow the next guess at once wherever this account alone waits, and give at what it waited.

    What a network waits for that several accounts share stays, as do the pauses between mails. Where nothing waits,
    nothing is done. Raises NoSuchUser.
    """
    with env.db.write() as tx:
        # Locked, as by who judges a code: one that is being judged comes first.
        user = users.find(tx, get(tx, who).id, lock="update")
        if user is None:
            raise NoSuchUser(str(who))
        networks = sessions.known_networks(tx, user.id, MOST_NETWORKS)
        keys: dict[str, Guessed] = {guesses.of_user_at(user.id, network): "password" for network in networks}
        keys[guesses.of_user(user.id)] = "password"
        keys[throttle_key(totp.METHOD, user.id)] = "totp"
        keys[throttle_key(recovery.METHOD, user.id)] = "recovery-code"
        waited = {keys[key] for key in throttles.end_waits(tx, keys)}
        ended: list[Guessed] = [each for each in dict.fromkeys(keys.values()) if each in waited]
        if ended:
            audit.record(tx, "waits.ended", user_id=user.id, detail="/".join(ended), by=by)
    return ended
