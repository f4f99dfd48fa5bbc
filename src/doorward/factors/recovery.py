"""Recovery codes: ten, shown once, each good for one login or step-up."""

from doorward import audit, throttles
from doorward.core.client import Client
from doorward.core.db import Tx
from doorward.core.errors import BadInput, Refused
from doorward.env import Env
from doorward.factors import common, store
from doorward.tokens.tokens import Claims

METHOD = "recovery-code"
SEPARATORS = str.maketrans("", "", " -\t\u00a0\u2010\u2011\u2012\u2013\u2014")


def normalise(typed: str) -> str:
    """A typed code as it was made: separators and case do not matter. Raises BadInput for another length."""
    code = typed.translate(SEPARATORS)
    if len(code) != common.RECOVERY_CODE_LENGTH:
        fault = "fewer" if len(code) < common.RECOVERY_CODE_LENGTH else "more"
        raise BadInput(f"body/recoveryCode must NOT have {fault} than {common.RECOVERY_CODE_LENGTH} characters")
    # Last: the capital of one character may be two.
    return code.upper()


def replace(env: Env, claims: Claims, client: Client) -> list[str]:
    """Ten new codes; the old ones end. Raises Refused("2FA_IS_DISABLED")."""
    with env.db.write() as tx:
        common.take_turn(tx, claims)
        if not store.has_active(tx, claims.user_id):
            raise Refused("2FA_IS_DISABLED")
        codes = common.new_recovery_codes(tx, env, claims.user_id)
        throttles.reset(tx, _key(claims))
        audit.record(
            tx,
            "recovery_codes.replaced",
            user_id=claims.user_id,
            session_id=claims.sid,
            client_address=client.address,
        )
        common.tell(tx, env, claims.user_id, "recovery-codes-replaced", client)
    return codes


def claim(tx: Tx, env: Env, claims: Claims, code: str, client: Client) -> bool:
    """Use the code up; a wrong one is counted.

    Raises Refused: RECOVERY_CODES_UNINITIALIZED, TOO_MANY_RECOVERY_CODE_CHECKS.
    """
    found = _require(tx, claims)
    throttles.refuse_while_waiting(tx, throttles.RECOVERY_CODE, _key(claims))
    if not store.use_recovery_code(tx, claims.user_id, common.recovery_code_hash(env, claims.user_id, code)):
        waits = throttles.count_wrong(tx, throttles.RECOVERY_CODE, _key(claims))
        common.failed(tx, claims, METHOD, client, waits=waits)
        return False
    common.succeeded(tx, claims, METHOD, client)
    common.tell(tx, env, claims.user_id, "recovery-code-used", client, remaining=found.left - 1)
    return True


def seconds_to_next_guess(env: Env, claims: Claims) -> int:
    """Raises Refused("RECOVERY_CODES_UNINITIALIZED")."""
    with env.db.read() as tx:
        _require(tx, claims)
        return throttles.seconds_to_wait(tx, throttles.RECOVERY_CODE, _key(claims))


def _require(tx: Tx, claims: Claims) -> store.RecoveryCodes:
    found = store.find_recovery_codes(tx, claims.user_id)
    if found is None:
        raise Refused("RECOVERY_CODES_UNINITIALIZED")
    return found


def _key(claims: Claims) -> str:
    return common.throttle_key(METHOD, claims.user_id)
