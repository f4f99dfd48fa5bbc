"""The notice of a sign-in from a new place: a setting, off by default."""

from collections.abc import Callable

import pytest

from doorward.core.client import place
from tests.support.service import EMAIL, PASSWORD, Service

Start = Callable[..., Service]
HOME, NEIGHBOUR, ABROAD = "203.0.113.7", "203.0.113.90", "198.51.100.7"


def sign_in(service: Service, address: str, token: str | None = None, **body: str) -> str:
    path = "/user/2fa/totp/authenticate" if token else "/auth/login"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = service.from_address(address).post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def by_password(service: Service, address: str) -> str:
    return sign_in(service, address, username=EMAIL, password=PASSWORD)


def told(service: Service) -> list[str]:
    service.deliver()
    subject = "New sign-in to your"
    return [mail.message.as_string() for mail in service.smtp.mails if subject in str(mail.message["Subject"])]


@pytest.fixture
def telling(start: Start) -> Service:
    service = start(new_sign_in_notice=True)
    service.add_user()
    return service


def test_a_place_is_told_once_and_the_first_and_near_ones_never(telling: Service) -> None:
    for address in (HOME, HOME, NEIGHBOUR):
        by_password(telling, address)
    assert told(telling) == []
    for _ in range(2):
        by_password(telling, ABROAD)
    (mail,) = told(telling)
    assert ABROAD in mail
    assert telling.smtp.mails[-1].recipients == (EMAIL,)


def test_a_password_alone_is_no_sign_in_where_there_is_a_second_factor(telling: Service) -> None:
    authenticator, _ = telling.enable_totp(telling.access(by_password(telling, HOME)))
    partial = by_password(telling, ABROAD)
    assert told(telling) == []
    sign_in(telling, ABROAD, partial, totp=telling.next_totp_code(authenticator))
    assert len(told(telling)) == 1


def test_nothing_is_told_unless_it_is_set(service: Service) -> None:
    service.add_user()
    for address in (HOME, ABROAD):
        by_password(service, address)
    assert told(service) == []


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8::7/129", "2001:db8::7/129"),
        ("command line", "command line"),
    ],
)
def test_a_place_is_a_network(address: str, network: str) -> None:
    assert place(address) == network
