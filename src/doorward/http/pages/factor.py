"""What the pages of both second factors have in common: the end of a set-up, and the removal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from doorward.core.client import Client
from doorward.env import Env
from doorward.factors.overview import overview
from doorward.http.pages.fields import six_digits
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.recovery_codes import shown_once
from doorward.http.pages.visit import HOME, Visit
from doorward.tokens.tokens import Claims


@dataclass(frozen=True)
class Factor:
    """A second factor: its name, its page, and the flows that switch it on and off."""

    method: str
    at: str
    enable: Callable[[Env, Claims, str, Client], list[str]]
    remove: Callable[[Env, Claims, Client], None]


class SetUp(Page):
    """Takes the first code, which switches the factor on."""

    needs = "step-up"
    field = "code"
    factor: ClassVar[Factor]

    def act(self, visit: Visit) -> Reply:
        method = self.factor.method
        was_active = method in overview(visit.env, visit.claims).methods
        codes = self.factor.enable(visit.env, visit.claims, six_digits(visit), visit.client)
        now = overview(visit.env, visit.claims)
        visit.say(f"{method}-replaced" if was_active else f"{method}-enabled", now.email or "")
        return shown_once(visit, codes)


class Remove(Page):
    """Asks once more, then removes the factor."""

    needs = "step-up"
    factor: ClassVar[Factor]

    def show(self, visit: Visit) -> Reply:
        active = overview(visit.env, visit.claims).methods
        if self.factor.method not in active:
            return Redirect(self.factor.at)
        is_last = active == {self.factor.method}
        return Html("remove", {"what": self.factor.method, "is_last": is_last, "back": self.factor.at})

    def act(self, visit: Visit) -> Reply:
        self.factor.remove(visit.env, visit.claims, visit.client)
        visit.say(f"{self.factor.method}-disabled")
        return Redirect(HOME)
