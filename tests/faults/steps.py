"""Tells of each step that a thread makes at the database: before a statement, before a commit, and after it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from tests.support.statements import each_statement

BACKGROUND = frozenset({"mail", "events", "forward", "sweep", "figures"})
"""The threads of the service that answer no request."""


def is_foreground() -> bool:
    return threading.current_thread().name not in BACKGROUND


@contextmanager
def watched(note: Callable[[], None], concerns: Callable[[], bool]) -> Iterator[None]:
    """Call `note` at each step of the threads that it concerns, whichever engine they use."""
    commit: Callable[..., None] = DefaultDialect.do_commit

    def before_statement(_sql: str, _values: Any) -> None:
        if concerns():
            note()

    def around_commit(dialect: DefaultDialect, connection: Any) -> None:
        concerned = concerns()
        if concerned:
            note()
        commit(dialect, connection)
        if concerned:
            note()

    DefaultDialect.do_commit = around_commit  # type: ignore[method-assign]
    try:
        with each_statement(before_statement):
            yield
    finally:
        DefaultDialect.do_commit = commit  # type: ignore[method-assign]
