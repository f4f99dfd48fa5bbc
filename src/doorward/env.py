"""What every flow needs, made once by `doorward.app` and passed down."""

from dataclasses import dataclass

from doorward.core.clock import Clock
from doorward.core.db import Database
from doorward.core.vault import Vault
from doorward.hashing.pool import Hasher
from doorward.mail.outbox import Outbox
from doorward.mail.render import Renderer
from doorward.settings import Settings
from doorward.tokens.tokens import Tokens


@dataclass(frozen=True)
class Env:
    """The parts of one running installation."""

    settings: Settings
    clock: Clock
    db: Database
    vault: Vault
    hasher: Hasher
    tokens: Tokens
    outbox: Outbox
    mails: Renderer
