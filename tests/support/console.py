"""An administrator at the console, and what has happened to the users that are looked at there."""

import httpx

from doorward import audit
from doorward.administration import administrators
from doorward.audit import AnyEvent, Wanted
from tests.support.person import Person
from tests.support.service import Service
from tests.support.threads import at_once
from tests.support.visitor import SAME_ORIGIN, Visitor

ADMINISTRATOR = "root@example.org"
BOB = "bob@example.org"
REASON = "ticket 4711"


class Console:
    """An administrator who signed in with a second factor, a moment ago."""

    def __init__(self, service: Service, email: str = ADMINISTRATOR) -> None:
        self.service = service
        self.person = Person.at(service, email)
        self.person.enable_totp()
        administrators.grant(service.doorward.env, self.person.id)
        self.visitor = Visitor.at(service, "/admin")
        assert self.visitor.path == "/account/sign-in?next=/admin"
        self.visitor.sign_in(email)
        self.confirm("/account/second-factor")

    def confirm(self, action: str = "/account/confirm") -> None:
        self.visitor.send(action, code=self.service.next_totp_code(self.person.authenticator))

    def go(self, path: str) -> httpx.Response:
        return self.visitor.go(f"/admin{path}")

    def act(self, path: str, reason: str = REASON, **typed: str) -> httpx.Response:
        self.go(path)
        return self.visitor.send(f"/admin{path}", reason=reason, **typed)

    def act_at_once(self, path: str, reason: str = REASON, **typed: str) -> list[int]:
        """As `act`, four times at once; gives how each was answered, in order."""
        self.go(path)
        at = f"/admin{path}"
        form = self.visitor.hidden(at) | {"reason": reason} | typed
        cookies = dict(self.visitor.client.cookies)

        def post() -> int:
            client = self.service.client
            client.cookies.update(cookies)
            return client.post(at, data=form, headers=SAME_ORIGIN).status_code

        return sorted(at_once(*[post] * 4))

    @property
    def text(self) -> str:
        return self.visitor.text

    @property
    def findings(self) -> str:
        """What the page says of whether the user can sign in."""
        return self.visitor.page.text.partition('<ul class="findings">')[2].partition("</ul>")[0]


def events(service: Service, user_id: int, event: str | None = None) -> list[AnyEvent]:
    """The newest events of the user, newest first."""
    with service.doorward.env.db.read() as tx:
        return audit.page(tx, Wanted(user_id=user_id, type=event), 50)


def guess(service: Service, email: str, address: str, times: int = 5) -> None:
    """Wrong passwords of a stranger, which begin a wait."""
    client = service.from_address(address)
    for _ in range(times):
        assert client.post("/auth/login", json={"username": email, "password": "wrong"}).status_code == 401


def mail_refused(service: Service, email: str) -> None:
    """A mail to a new user is given up."""
    service.add_user(email)
    service.deliver()
    service.smtp.refuse()
    service.call("POST", "/user/password/reset/send", json={"email": email})
    service.deliver()
    service.smtp.accept()
