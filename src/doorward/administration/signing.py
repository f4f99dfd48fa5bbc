"""The signing keys as administrators see them: what is public of them, and the next one."""

from dataclasses import dataclass

from doorward import audit
from doorward.core.db import Tx
from doorward.env import Env
from doorward.tokens.keys import SigningKey


@dataclass(frozen=True)
class KeyFacts:
    """A published key. `state` is `waiting`, `signing` or `retired`; times are in milliseconds."""

    kid: str
    algorithm: str
    state: str
    created_at: int
    signs_from: int
    expires_at: int | None


def published(env: Env) -> list[KeyFacts]:
    """The keys, oldest first."""
    return [facts(env, key) for key in env.tokens.keyring.all()]


def facts(env: Env, key: SigningKey) -> KeyFacts:
    return KeyFacts(key.kid, key.pair.algorithm, _state(env, key), key.created_at, key.signs_from, key.expires_at)


def rotate(env: Env, by: audit.By = audit.BY_COMMAND) -> SigningKey:
    """Publish a new key, which signs once every verifier can have it."""

    def note(tx: Tx, key: SigningKey) -> None:
        audit.record(tx, "signing_key.rotated", user_id=None, detail=key.kid, by=by)

    return env.tokens.keyring.rotate(note)


def revoke(env: Env, kid: str, by: audit.By = audit.BY_COMMAND) -> SigningKey:
    """Delete a key, so that what it signed is refused; gives the one that signs from now on. Raises NoSuchKey."""

    def note(tx: Tx, key: SigningKey) -> None:
        audit.record(tx, "signing_key.revoked", user_id=None, detail=key.kid, by=by)

    return env.tokens.keyring.revoke(kid, note)


def _state(env: Env, key: SigningKey) -> str:
    if key.signs_from > env.clock.now_ms():
        return "waiting"
    return "signing" if key.kid == env.tokens.keyring.signing().kid else "retired"
