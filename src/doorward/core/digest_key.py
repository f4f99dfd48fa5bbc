"""The key of keyed digests, which outlives the secret key.

A digest can't be made anew without what it is of: with a rotated secret key all recovery codes, mailed codes and waits
of unknown names would be worth nothing. So the database keeps the key of digests, sealed by the secret key.
"""

import sqlalchemy as sa

from doorward.core.db import Database, Tx
from doorward.core.tables import kept_secrets as table
from doorward.core.vault import CannotOpen, Vault, WrongSecretKey

NAME = "digest-key"


def kept_digest_key(db: Database, vault: Vault) -> bytes:
    """The installation's digest key; the first server to ask keeps the vault's. Raises WrongSecretKey."""
    with db.read() as tx:
        sealed = _find(tx)
    if sealed is None:
        with db.write() as tx:
            row = tx.insert(table).values(name=NAME, sealed=vault.seal(vault.digest_key, context(NAME)))
            tx.execute(row.on_conflict_do_nothing())
            sealed = _find(tx) or b""
    try:
        return vault.open(sealed, context(NAME))
    except CannotOpen as error:
        raise WrongSecretKey from error


def context(name: str) -> str:
    return f"kept:{name}"


def _find(tx: Tx) -> bytes | None:
    return tx.execute(sa.select(table.c.sealed).where(table.c.name == NAME)).scalar()
