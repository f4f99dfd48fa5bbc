"""Cross-origin calls from the configured web origins (the Fetch standard's CORS protocol)."""

from typing import Any

from doorward.http.answers import NO_STORE, NOSNIFF, Headers, Response

ALLOWED_HEADERS = "Authorization, Content-Type"
ALLOWED_METHODS = "GET, POST, PUT, DELETE"
ALLOW_ORIGIN = "access-control-allow-origin"
EXPOSED_HEADERS = "Retry-After, X-Token-Use, X-Request-Id"
PREFLIGHT_CACHED_S = "600"


class Cors:
    """Says which web origins may read the answers."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)

    def add_headers(self, environ: dict[str, Any], headers: Headers) -> None:
        # An answer that is open to every origin says so itself.
        if not self._origins or any(name.lower() == ALLOW_ORIGIN for name, _ in headers):
            return
        headers.append(("Vary", "Origin"))
        if (origin := environ.get("HTTP_ORIGIN")) in self._origins:
            headers.append(("Access-Control-Allow-Origin", origin))
            headers.append(("Access-Control-Allow-Credentials", "true"))
            headers.append(("Access-Control-Expose-Headers", EXPOSED_HEADERS))

    def preflight(self, environ: dict[str, Any]) -> Response | None:
        """The answer to a preflight from a configured origin; None for every other request."""
        asks = environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        if not asks or environ.get("HTTP_ORIGIN") not in self._origins:
            return None
        headers = [
            NOSNIFF,
            NO_STORE,
            ("Access-Control-Allow-Methods", ALLOWED_METHODS),
            ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
            ("Access-Control-Max-Age", PREFLIGHT_CACHED_S),
        ]
        return Response(204, headers)
