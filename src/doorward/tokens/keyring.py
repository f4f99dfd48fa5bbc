"""The installation's signing keys: kept encrypted in the database, so that all servers have the same.

A key is *waiting* (published, does not sign yet), *signing* (the newest whose time has come), or *retired* (verifies
until the last token that it signed is over, then is deleted). A revoked one is deleted at once. Every server reads the
keys again each `RELOAD_EVERY`, and at once when a token names a key that it does not know.
"""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from doorward.core.clock import DAY, MINUTE, SECOND, Clock
from doorward.core.db import Database, Tx
from doorward.core.logs import logger
from doorward.core.tables import signing_keys as table
from doorward.core.vault import CannotOpen, Vault, WrongSecretKey
from doorward.tokens.keys import KeyPair, SigningKey, generate, load

JWKS_MAX_AGE = 5 * MINUTE
RELOAD_EVERY = 5 * SECOND
"""How long a server may go on with a key that was revoked (docs/rotate-keys.md)."""
RELOAD_AGAIN_AFTER = 2 * SECOND
# A new key signs only once every server and every verifier that honours the cache time has it.
PUBLISHED_BEFORE_SIGNING = JWKS_MAX_AGE + 2 * MINUTE
LONGEST_TOKEN = 14 * DAY
# A retired key outlives what it signed by this: one server's clock may be behind another's.
KEPT_LONGER = MINUTE
TURN = 7_262_312


Note = Callable[[Tx, SigningKey], None]


class NoSuchKey(Exception):
    """No published key has this id, which is the message."""


class Keyring:
    """The keys in use, as this process last read them."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, algorithm: str) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock
        self._algorithm = algorithm
        self._reloading = threading.Lock()
        self._keys: list[SigningKey] = []
        self._by_header: dict[str, SigningKey] = {}
        self._pairs: dict[str, KeyPair] = {}
        self._read_at = 0
        self._version = 0

    def ensure(self) -> None:
        """Make the first key, or a next one when the algorithm was changed. Raises WrongSecretKey."""
        with self._db.write() as tx:
            # Servers that start at once for the first time make one key, not one each.
            tx.wait_for_turn(TURN)
            keys = self._read(tx)
            if not keys:
                self._add(tx, signs_from=tx.now)
            elif keys[-1].pair.algorithm != self._algorithm:
                self._rotate(tx, keys)
        self.reload()

    def rotate(self, note: Note | None = None) -> SigningKey:
        """Publish a new key, which signs once every verifier can have it; the present one then only verifies.

        `note` is told of it in the same transaction.
        """
        with self._db.write() as tx:
            tx.wait_for_turn(TURN)
            key = self._rotate(tx, self._read(tx))
            if note is not None:
                note(tx, key)
        return key

    def rotate_if_older(self, age: int) -> bool:
        """Rotate when the newest key was made so long ago (milliseconds); one server does, whatever number asks."""
        if not self._is_older(self.all(), age, self._clock.now_ms()):
            return False
        with self._db.write() as tx:
            tx.wait_for_turn(TURN)
            keys = self._read(tx)
            if not self._is_older(keys, age, tx.now):
                return False
            key = self._rotate(tx, keys)
        logger.info("signing key rotated by age", kid=key.kid)
        return True

    def revoke(self, kid: str, note: Note | None = None) -> SigningKey:
        """Delete the key: what it signed is refused by every server within `RELOAD_EVERY`, by this one at once.

        Gives the key that signs from now on, a new one if need be; `note` is told of the one that went, in the same
        transaction. Raises NoSuchKey.
        """
        with self._db.write() as tx:
            tx.wait_for_turn(TURN)
            keys = self._read(tx)
            revoked = next((key for key in keys if key.kid == kid), None)
            if revoked is None:
                raise NoSuchKey(kid)
            tx.execute(sa.delete(table).where(table.c.kid == kid))
            self._replace(tx, revoked, keys)
            if note is not None:
                note(tx, revoked)
        self.reload()
        return self.signing()

    def version(self) -> int:
        """A number that rises when a key has gone: what was verified before must be verified again."""
        if self._clock.now_ms() - self._read_at >= RELOAD_EVERY:
            self.reload()
        return self._version

    def all(self) -> list[SigningKey]:
        """Every key that is published, oldest first."""
        now = self._clock.now_ms()
        if now - self._read_at >= RELOAD_EVERY:
            self.reload()
        return [key for key in self._keys if key.expires_at is None or key.expires_at > now]

    def signing(self) -> SigningKey:
        """The key to sign with now."""
        now = self._clock.now_ms()
        if now - self._read_at >= RELOAD_EVERY:
            self.reload()
        keys = self._keys
        if keys[-1].signs_from <= now:
            return keys[-1]
        # Where the clock is behind the one by which the first key was made, that one signs all the same.
        return next((key for key in reversed(keys) if key.signs_from <= now), keys[0])

    def of_header(self, header: str) -> SigningKey | None:
        """The key whose tokens have exactly this header (encoded); None when there is none."""
        now = self._clock.now_ms()
        key = self._by_header.get(header)
        # Known keys are read again by `version`, which is asked before each token.
        if key is None and now - self._read_at >= RELOAD_AGAIN_AFTER:
            self.reload()
            key = self._by_header.get(header)
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key

    def jwks(self) -> bytes:
        """The public keys as a JWK Set (RFC 7517 section 5)."""
        return msgspec.json.encode({"keys": [key.public_jwk() for key in self.all()]})

    def reload(self) -> None:
        """Read the keys again, unless another thread is at it."""
        if not self._reloading.acquire(blocking=not self._keys):
            return
        try:
            with self._db.read() as tx:
                self._take(self._read(tx))
                self._read_at = tx.now
        finally:
            self._reloading.release()

    def _take(self, keys: list[SigningKey]) -> None:
        gone = {key.kid for key in self._keys} - {key.kid for key in keys}
        self._keys = keys
        self._by_header = {key.header: key for key in keys}
        self._pairs = {key.kid: key.pair for key in keys}
        if gone:
            # Last: whoever sees the new number sees the new keys.
            self._version += 1
            logger.info("signing keys gone", kids=sorted(gone))

    def _read(self, tx: Tx) -> list[SigningKey]:
        rows = tx.execute(sa.select(table).order_by(table.c.signs_from, table.c.kid)).all()
        return [self._open(row) for row in rows]

    def _open(self, row: sa.Row[Any]) -> SigningKey:
        pair = self._pairs.get(row.kid) or self._load(row)
        return SigningKey.of(pair, row.created_at, row.signs_from, row.expires_at)

    def _load(self, row: sa.Row[Any]) -> KeyPair:
        try:
            return load(row.algorithm, self._vault.open(row.private_key, context(row.kid)))
        except CannotOpen as error:
            raise WrongSecretKey from error

    @staticmethod
    def _is_older(keys: list[SigningKey], age: int, now: int) -> bool:
        return bool(keys) and keys[-1].created_at + age <= now

    def _rotate(self, tx: Tx, keys: list[SigningKey]) -> SigningKey:
        tx.execute(sa.delete(table).where(table.c.expires_at <= tx.now))
        signs_from = tx.now + PUBLISHED_BEFORE_SIGNING if keys else tx.now
        retired = table.c.expires_at.is_(None)
        tx.execute(sa.update(table).where(retired).values(expires_at=_over(signs_from)))
        return self._add(tx, signs_from)

    def _replace(self, tx: Tx, revoked: SigningKey, keys: list[SigningKey]) -> None:
        """See to it that a key signs now, and that none expires before what it signs until then."""
        position = keys.index(revoked)
        before, after = keys[:position], keys[position + 1 :]
        if revoked.signs_from > tx.now:
            signs_from = after[0].signs_from if after else self._add(tx, tx.now + PUBLISHED_BEFORE_SIGNING).signs_from
            for key in before[-1:]:
                tx.execute(sa.update(table).where(table.c.kid == key.kid).values(expires_at=_over(signs_from)))
        elif not after:
            self._add(tx, tx.now)
        elif after[0].signs_from > tx.now:
            # It was the one that signs: no verifier can be waited for.
            tx.execute(sa.update(table).where(table.c.kid == after[0].kid).values(signs_from=tx.now))

    def _add(self, tx: Tx, signs_from: int) -> SigningKey:
        key = SigningKey.of(generate(self._algorithm), tx.now, signs_from)
        tx.execute(
            sa.insert(table).values(
                kid=key.kid,
                algorithm=key.pair.algorithm,
                private_key=self._vault.seal(key.pair.private_bytes(), context(key.kid)),
                public_jwk=msgspec.json.encode(key.public_jwk()).decode(),
                created_at=tx.now,
                signs_from=signs_from,
            )
        )
        return key


def _over(successor_signs_from: int) -> int:
    """When the last token of a key is over, given when the next key takes its place."""
    return successor_signs_from + LONGEST_TOKEN + KEPT_LONGER


def context(kid: str) -> str:
    """What a sealed private key is bound to."""
    return f"signing-key:{kid}"


def has_keys(db: Database) -> bool:
    """Whether the database holds signing keys, whatever their secret key."""
    with db.read() as tx:
        return tx.execute(sa.select(table.c.kid).limit(1)).first() is not None
