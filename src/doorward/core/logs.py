"""Structured logs on standard error: one JSON object a line, or text for people."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

logger = logging.getLogger("doorward")
_encode = msgspec.json.Encoder().encode
FIELDS = "fields"


class JsonFormatter(logging.Formatter):
    """A line a record. Fields are given by `extra={"fields": {...}}`; line breaks can't get out of a JSON string."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, FIELDS, {})
        if record.exc_info:
            line["traceback"] = _trace(record)
        return _encode(line).decode()


class TextFormatter(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, FIELDS, {}).items())
        line = f"{_at(record)[11:19]} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{_trace(record)}" if record.exc_info else line


def configure(log_format: str) -> None:
    """Send the log to standard error in this format, `json` or `text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # The server's own set-up of logging turns off every logger that it does not know.
    logger.disabled = False


def _trace(record: logging.LogRecord) -> str:
    """Where it happened, without the exception's words: a driver's may quote the values of a statement."""
    error = record.exc_info[1] if record.exc_info else None
    frames = traceback.extract_tb(error.__traceback__) if error else []
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return " > ".join([*places, type(error).__name__])


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
