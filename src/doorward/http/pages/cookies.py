"""What a browser keeps for the account pages (docs/decisions/0010-pages.md)."""

from collections.abc import Iterator
from typing import Literal

from doorward.core.clock import SECOND
from doorward.env import Env
from doorward.http.request import Request
from doorward.tokens.tokens import LIFETIMES

Cookie = Literal["session", "partial", "sudo", "browser", "wishes", "kept", "said", "has_phone"]

SECONDS: dict[Cookie, int | None] = {
    "session": LIFETIMES["refresh"] // SECOND,
    "partial": LIFETIMES["partial"] // SECOND,
    "sudo": LIFETIMES["sudo"] // SECOND,
    "browser": None,  # until the browser is closed
    "wishes": None,
    "kept": 1_800,
    "said": 60,
    "has_phone": LIFETIMES["refresh"] // SECOND,
}
"""How long each lives.

`session`, `partial`, `sudo`: tokens. `browser`: what form tokens are bound to. `wishes`: language, brand and where an
app wants its user back. `kept`: what a flow has to remember from one page to the next, sealed. `said`: what happened,
to be told by the next page. `has_phone`: the session whose user was asked about a lost phone, and still has it.
"""
LONGEST = 3_800  # a browser may drop a cookie of over 4096 bytes, attributes included (RFC 6265 section 6.1)


class Cookies:
    """Those that came with a request, and those that its answer sets."""

    def __init__(self, env: Env, req: Request) -> None:
        secure = env.settings.secure_cookies
        # A name that begins so can't be set by a page on another host of the domain, nor over http.
        self._prefix = "__Host-doorward-" if secure else "doorward-"
        self._attributes = "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._came = req.cookies
        self._set: dict[Cookie, str] = {}

    def get(self, cookie: Cookie) -> str:
        """Its value as the next request will have it; empty when there is none."""
        if cookie in self._set:
            return self._set[cookie]
        return self._came.get(self._prefix + cookie, "")

    def set(self, cookie: Cookie, value: str) -> None:
        if len(value) > LONGEST:
            raise ValueError(f"the cookie {cookie} would be too long")
        self._set[cookie] = value

    def clear(self, *cookies: Cookie) -> None:
        for cookie in cookies:
            if self.get(cookie) or cookie in self._set:
                self._set[cookie] = ""

    def headers(self) -> Iterator[str]:
        """A `Set-Cookie` for each that changed."""
        for cookie, value in self._set.items():
            seconds = SECONDS[cookie] if value else 0
            age = "" if seconds is None else f"; Max-Age={seconds}"
            yield f"{self._prefix}{cookie}={value}; {self._attributes}{age}"
