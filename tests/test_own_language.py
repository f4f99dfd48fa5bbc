"""The language that a person chooses on the account pages."""

import re
from dataclasses import replace

from tests.support.service import EMAIL, PASSWORD, Service


def test_a_chosen_language_is_the_users_for_pages_and_notices_alike(service: Service) -> None:
    service.add_user()
    # Pages are no answers of the contract.
    with replace(service, check=lambda _: None).client as browser:
        page = browser.get("/account/sign-in")
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert token is not None
        form = {"form_token": token[1], "username": EMAIL, "password": PASSWORD}
        assert browser.post("/account/sign-in", data=form).status_code == 303
        page = browser.get("/account/language")
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert token is not None
        assert browser.post("/account/language", data={"form_token": token[1], "language": "pl"}).status_code == 303
        for cookie in [name for name in browser.cookies if name.endswith("wishes")]:
            browser.cookies.delete(cookie)
        assert '<html lang="pl"' in browser.get("/account", headers={"Accept-Language": "sv"}).text
    service.clock.advance(60)
    body = {"email": EMAIL}
    service.call("POST", "/user/password/reset/send", json=body, headers={"Accept-Language": "sv"})
    service.deliver()
    assert service.smtp.messages[-1]["Content-Language"] == "pl"
