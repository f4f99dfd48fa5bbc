"""Operational paths: health, metrics and the public keys."""

import falcon

from doorward.core import metrics
from doorward.core.errors import DatabaseUnavailable
from doorward.core.migrate import HEAD, current
from doorward.env import Env
from doorward.http.answers import JSON, encode_json
from doorward.tokens.keyring import JWKS_MAX_AGE

RETRY_AFTER_S = 2


class Live:
    """The process answers. It asks nothing else, so that a database's fault does not restart the servers."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.data = b'{"status":"ok"}'


class Ready:
    """The database can be reached and has this release's schema."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        try:
            version = current(self._env.db)
        except DatabaseUnavailable:
            version = "unreachable"
        ready = version == HEAD
        if not ready:
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", str(RETRY_AFTER_S))
        resp.data = encode_json({"status": "ok" if ready else "unavailable", "schema": version})


class Metrics:
    """Prometheus text."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = metrics.CONTENT_TYPE
        resp.data = metrics.page()


class Jwks:
    """The public keys (RFC 7517), which verifiers may keep for a while: a new key is shown long before it signs."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.set_header("Cache-Control", f"public, max-age={JWKS_MAX_AGE // 1000}")
        resp.set_header("Access-Control-Allow-Origin", "*")
        resp.data = self._env.tokens.keyring.jwks()
