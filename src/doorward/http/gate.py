"""Who may come in: the token of a request, by header or by cookie, and the kinds an operation accepts."""

from urllib.parse import urlsplit

from doorward.core.errors import BadInput, Refused
from doorward.env import Env
from doorward.factors.common import require_step_up
from doorward.http.request import Request
from doorward.sessions.flows import authorize
from doorward.tokens.tokens import LIFETIMES, Claims, Use

LONGEST_TOKEN = 4096
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REFRESH_COOKIE = "refreshToken"
ACCESS_COOKIE = "accessToken"
COOKIE_PATHS = {REFRESH_COOKIE: "/auth", ACCESS_COOKIE: "/"}
DEFAULT_PORTS = {"http": 80, "https": 443}
COOKIE_OF_USE: dict[Use, str] = {"refresh": REFRESH_COOKIE, "access": ACCESS_COOKIE, "partial": ACCESS_COOKIE}


class Gate:
    """Lets a call in or refuses it."""

    def __init__(self, env: Env) -> None:
        self._env = env
        settings = env.settings
        self._origins = frozenset({web_origin(settings.public_url), *settings.web_origins})
        self._attributes = f"HttpOnly; SameSite={settings.cookie_same_site}"
        if settings.secure_cookies:
            self._attributes += "; Secure"
        if settings.cookie_domain:
            self._attributes += f"; Domain={settings.cookie_domain}"

    def admit(self, req: Request, kinds: frozenset[Use], *, step_up: bool, too_long_is_bad_input: bool) -> Claims:
        """The claims of the request's token.

        Raises BadInput and Refused: those of `authorize`, SUDO_TOKEN_REQUIRED with `step_up`.
        """
        token = self._token(req, REFRESH_COOKIE if "refresh" in kinds else ACCESS_COOKIE)
        if token is not None and len(token) > LONGEST_TOKEN:
            raise BadInput("id_token is too long") if too_long_is_bad_input else Refused("TOKEN_INVALID")
        claims = authorize(self._env, token, kinds)
        if step_up:
            require_step_up(self._env, claims)
        return claims

    def cookie(self, use: Use, token: str) -> tuple[str, str]:
        """The header that keeps the token in the browser as long as it is good."""
        name = COOKIE_OF_USE[use]
        return (
            "Set-Cookie",
            f"{name}={token}; Path={COOKIE_PATHS[name]}; Max-Age={LIFETIMES[use] // 1000}; {self._attributes}",
        )

    def cleared_cookies(self, req: Request) -> list[tuple[str, str]]:
        """The headers that delete the token cookies which the request came with."""
        return [
            ("Set-Cookie", f"{name}=; Path={COOKIE_PATHS[name]}; Max-Age=0; {self._attributes}")
            for name in (REFRESH_COOKIE, ACCESS_COOKIE)
            if name in req.cookies
        ]

    def _token(self, req: Request, cookie: str) -> str | None:
        header = req.env.get("HTTP_AUTHORIZATION")
        if header:
            scheme, _, token = header.partition(" ")
            if scheme.lower() == "bearer":
                # Blanks of HTTP only: to `strip` alone, a no-break space is one too.
                return str(token.strip(" \t"))
        if "HTTP_COOKIE" in req.env and self._cookies_serve(req):
            return req.cookies.get(cookie)
        return None

    def _cookies_serve(self, req: Request) -> bool:
        # A browser sends cookies with requests that another site made it send; it tells of it in these headers.
        if req.method in SAFE_METHODS:
            return True
        origin = req.env.get("HTTP_ORIGIN")
        if origin is not None:
            return origin in self._origins
        return req.env.get("HTTP_SEC_FETCH_SITE") == "same-origin"


def web_origin(url: str) -> str:
    """The web origin of a URL as browsers write it (RFC 6454 section 6.2): no path, no default port, lower case."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
