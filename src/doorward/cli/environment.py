"""The installation's parts, for a command that works on them."""

from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app import build_env
from doorward.cli.serve import prepare
from doorward.env import Env
from doorward.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Env]:
    """The parts, over a database that has this release's schema.

    Raises Failure, DatabaseUnavailable, WrongSecretKey, BrandError.
    """
    prepare(settings)
    env = build_env(settings)
    try:
        yield env
    finally:
        env.hasher.close()
        env.db.close()
