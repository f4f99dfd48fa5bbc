"""Cross-origin calls from the configured web origins (the Fetch standard's CORS protocol).

Pages take no part in it. An app calls the API; one that could read pages would read with an administrator's cookies
whatever the console shows, since browsers send those with what comes from another host of the same site.
"""

from typing import Any

from doorward.http.answers import NO_STORE, NOSNIFF, Headers, Response

ALLOWED_HEADERS = "Authorization, Content-Type"
ALLOWED_METHODS = "GET, POST, PUT, DELETE"
ALLOW_ORIGIN = "access-control-allow-origin"
EXPOSED_HEADERS = "Retry-After, X-Token-Use, X-Request-Id"
PREFLIGHT_CACHED_S = "600"
PAGES = ("/account", "/admin", "/dev")
ADMIN_API = "/admin/api/"
"""Below the console's address, and for programs: it takes no cookie."""


class Cors:
    """Says which web origins may read the answers."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)

    def add_headers(self, environ: dict[str, Any], headers: Headers) -> None:
        # An answer that is open to every origin says so itself.
        if not self._origins or _is_page(environ) or any(name.lower() == ALLOW_ORIGIN for name, _ in headers):
            return
        headers.append(("Vary", "Origin"))
        if (origin := environ.get("HTTP_ORIGIN")) in self._origins:
            headers.append(("Access-Control-Allow-Origin", origin))
            headers.append(("Access-Control-Allow-Credentials", "true"))
            headers.append(("Access-Control-Expose-Headers", EXPOSED_HEADERS))

    def preflight(self, environ: dict[str, Any]) -> Response | None:
        """The answer to a preflight from a configured origin; None for every other request."""
        asks = environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        if not asks or _is_page(environ) or environ.get("HTTP_ORIGIN") not in self._origins:
            return None
        headers = [
            NOSNIFF,
            NO_STORE,
            ("Access-Control-Allow-Methods", ALLOWED_METHODS),
            ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
            ("Access-Control-Max-Age", PREFLIGHT_CACHED_S),
        ]
        return Response(204, headers)


def _is_page(environ: dict[str, Any]) -> bool:
    path: str = environ["PATH_INFO"]
    return path.startswith(PAGES) and not path.startswith(ADMIN_API)
