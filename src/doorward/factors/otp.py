"""One-time passwords by time (RFC 6238 over RFC 4226): SHA-1, six digits, 30 seconds, one step of drift either way."""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
DRIFT_STEPS = 1
SECRET_BYTES = 20
TRUNCATED = 0x7FFFFFFF


def new_secret() -> bytes:
    """160 bits, as RFC 4226 section 4 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def hotp(secret: bytes, counter: int) -> str:
    """The code of a counter (RFC 4226 section 5.3)."""
    mac = hmac.digest(secret, counter.to_bytes(8, "big"), hashlib.sha1)
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & TRUNCATED
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, code: str, now_s: int) -> int | None:
    """The time step that the code belongs to, if it is the present one or one beside it."""
    present = now_s // STEP_S
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        if hmac.compare_digest(hotp(secret, step).encode(), code.encode()):
            found = step
    return found


def provisioning_url(secret: bytes, issuer: str, name: str) -> str:
    """What an authenticator app scans; a literal colon, this order, unpadded base32."""
    issuer = quote(issuer, safe="")
    encoded = base64.b32encode(secret).decode().rstrip("=")
    query = f"issuer={issuer}&secret={encoded}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
    return f"otpauth://totp/{issuer}:{quote(name, safe='')}?{query}"
