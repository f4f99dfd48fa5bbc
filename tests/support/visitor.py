"""A person at the account pages, as far as HTTP goes: a browser's cookies, and forms that are sent as they stand."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Self

import httpx

from tests.support.service import EMAIL, PASSWORD, PUBLIC_URL, Service

FORM = re.compile(r'<form method="post" action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
SAME_ORIGIN = {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}
OTHER_SITE = {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}


@dataclass
class Visitor:
    """Keeps cookies, follows redirects within the service, and remembers where it is."""

    client: httpx.Client
    page: httpx.Response = field(init=False)

    @classmethod
    def at(cls, service: Service, path: str = "/account", **headers: str) -> Self:
        client = service.client
        client.headers.update(headers)
        visitor = cls(client)
        visitor.go(path)
        return visitor

    @property
    def path(self) -> str:
        """Where it is, with parameters."""
        return self.page.url.raw_path.decode()

    @property
    def text(self) -> str:
        """What the page says, without its tags."""
        body = re.sub(r"<head>.*?</head>", "", self.page.text, flags=re.DOTALL)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", body)))

    def go(self, path: str) -> httpx.Response:
        self.page = self.client.get(path)
        return self._follow()

    def send(self, action: str, **typed: str) -> httpx.Response:
        """Fill in the page's form of this action and send it. Raises AssertionError where there is none."""
        self.page = self.client.post(action, data=self.hidden(action) | typed, headers=SAME_ORIGIN)
        return self._follow()

    def hidden(self, action: str) -> dict[str, str]:
        """The hidden fields of the form."""
        forms = [each for each in FORM.findall(self.page.text) if unescape(each[0]) == action]
        assert forms, f"no form for {action} at {self.path}"
        return {name: unescape(value) for name, value in HIDDEN.findall(forms[0][1])}

    def sign_in(self, name: str = EMAIL, password: str = PASSWORD) -> httpx.Response:
        return self.send("/account/sign-in", username=name, password=password)

    def cookie(self, name: str) -> str | None:
        """The value of one of the pages' cookies."""
        return self.client.cookies.get(f"__Host-doorward-{name}")

    def _follow(self) -> httpx.Response:
        while self.page.status_code in {302, 303}:
            where = self.page.headers["Location"]
            if not where.startswith("/"):
                break
            self.page = self.client.get(where)
        return self.page
