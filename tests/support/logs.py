"""What the service logs, kept to be looked at."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from doorward.core.logs import json_line, logger, text_line


class Log:
    """All that was logged, in both formats."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.texts: list[str] = []

    def keep(self, at: str, level: str, event: str, fields: Mapping[str, Any], trace: str | None) -> bytes:
        line = json_line(at, level, event, fields, trace)
        self.lines.append(json.loads(line))
        self.texts += [line.decode(), text_line(at, level, event, fields, trace).decode()]
        return line

    @property
    def events(self) -> list[tuple[str, str]]:
        """The level and the event of each line."""
        return [(line["level"], line["event"]) for line in self.lines]


@contextmanager
def logged() -> Iterator[Log]:
    """What is logged meanwhile."""
    log, stream, line_format = Log(), logger._stream, logger._format
    logger.configure(io.BytesIO(), log.keep)
    try:
        yield log
    finally:
        logger._stream, logger._format = stream, line_format
