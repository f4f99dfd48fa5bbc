"""Ask a k-anonymity service whether a password is known from a breach: it learns five of 40 digits of the SHA-1.

The protocol is that of Pwned Passwords' range search: the answer lists the other 35 digits of all that begin alike,
each with how often it was seen; a line with 0 is padding.
"""

import hashlib
import http.client
import time
from urllib.parse import urlsplit

PATIENCE_S = 1.0
LARGEST_ANSWER = 256 * 1024
PREFIX = 5
OK = 200


class Unanswered(Exception):
    """The service gave no answer in time, or none that can be used."""


def is_breached(url: str, password: str) -> bool:
    """Whether the service knows the password. Raises Unanswered after a second at the latest."""
    digest = hashlib.sha1(password.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest().upper()
    try:
        answer = _fetch(url, digest[:PREFIX], time.monotonic() + PATIENCE_S)
        for line in answer.decode("ascii").splitlines():
            suffix, _, count = line.partition(":")
            if suffix.strip().upper() == digest[PREFIX:]:
                return int(count) > 0
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unanswered(type(error).__name__) from error
    return False


def _fetch(url: str, prefix: str, until: float) -> bytes:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", f"{parts.path}{prefix}", headers={"Add-Padding": "true", "User-Agent": "doorward"})
        response = connection.getresponse()
        if response.status != OK:
            raise Unanswered(f"status {response.status}")
        answer = b""
        while chunk := response.read1(16_384):
            answer += chunk
            if len(answer) > LARGEST_ANSWER or time.monotonic() > until:
                raise Unanswered("too much, or too slow")
        return answer
    finally:
        connection.close()
