"""Operational paths: health, metrics, the public keys, and whom to tell of a hole."""

from collections.abc import Callable

from doorward.core import metrics
from doorward.core.clock import DAY, iso
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable, Refused
from doorward.core.migrate import HEAD
from doorward.core.schema import probed
from doorward.env import Env
from doorward.http.answers import JSON, NO_STORE, Headers, Response, encode_json, with_body
from doorward.http.figures import Figures
from doorward.tokens.keyring import JWKS_MAX_AGE

RETRY_AFTER_S = 2
SECURITY_TXT_GOOD_FOR = 180 * DAY


def service_paths(env: Env, figures: Figures, is_stopping: Callable[[], bool]) -> dict[str, Callable[[], Response]]:
    """What answers a GET of each of them."""
    return {
        "/health/live": live,
        "/health/ready": lambda: unready("stopping") if is_stopping() else ready(env.db),
        "/metrics": lambda: scraped(figures),
        "/.well-known/jwks.json": lambda: jwks(env),
        "/.well-known/security.txt": lambda: security_txt(env),
    }


def live() -> Response:
    """The process answers. It asks nothing else, so that a database's fault does not restart the servers."""
    return with_body(200, [NO_STORE], JSON, b'{"status":"ok"}')


def ready(database: Database) -> Response:
    """The database answers within two seconds and has a schema that this release works on."""
    try:
        schema = probed(database)
    except DatabaseUnavailable:
        return unready("unavailable", schema="unreachable")
    if schema.bears(HEAD):
        return with_body(200, [NO_STORE], JSON, encode_json({"status": "ok", "schema": schema.version}))
    return unready("unavailable", schema=schema.version)


def unready(status: str, **more: str | None) -> Response:
    """Requests are better sent elsewhere."""
    headers: Headers = [NO_STORE, ("Retry-After", str(RETRY_AFTER_S))]
    return with_body(503, headers, JSON, encode_json({"status": status} | more))


def scraped(figures: Figures) -> Response:
    """The figures of all processes of this server, those of the moment read now."""
    figures.note()
    return with_body(200, [NO_STORE], metrics.CONTENT_TYPE, metrics.page())


def jwks(env: Env) -> Response:
    """The public keys (RFC 7517), which verifiers may keep for a while: a new key is shown long before it signs."""
    cached = "Cache-Control", f"public, max-age={JWKS_MAX_AGE // 1000}"
    for_all = "Access-Control-Allow-Origin", "*"
    return with_body(200, [cached, for_all], JSON, env.tokens.keyring.jwks())


def security_txt(env: Env) -> Response:
    """Whom to tell of a hole (RFC 9116). Raises Refused("NOT_FOUND") when nobody is named."""
    settings = env.settings
    if not settings.security_contact:
        raise Refused("NOT_FOUND")
    day = env.clock.now_ms() // DAY * DAY
    lines = [f"Contact: {contact}" for contact in settings.security_contact]
    lines.append(f"Expires: {iso(day + SECURITY_TXT_GOOD_FOR)}")
    lines.append(f"Canonical: {settings.issuer}/.well-known/security.txt")
    lines += [f"Policy: {settings.security_policy}"] if settings.security_policy else []
    body = "".join(f"{line}\n" for line in lines)
    return with_body(200, [NO_STORE], "text/plain; charset=utf-8", body.encode())
