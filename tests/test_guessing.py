"""Attackers who guess whenever they may: as many guesses as the contract's rules allow, and no more.

`make guessing` runs them for longer and writes docs/security/guessing.md.
"""

from collections.abc import Callable

import pytest

from doorward import throttles
from tests.guessing import attacks
from tests.guessing.attacks import Siege
from tests.support.person import wrong_code
from tests.support.service import EMAIL, PASSWORD, Service

PASSWORD_WAITS = [2**step for step in range(10)] + [900] * 100
CODE_WAITS = [30, 60, 120, 240, 480, 960, 1920] + [3600] * 100
DAY_S = 86_400
STRANGER_V6, HOME_V6, HOME_TOMORROW_V6 = "2001:db8:2::1", "2001:db8:1::aaaa", "2001:db8:1::bbbb"


def in_a_day(waits: list[int], free: int = 5) -> int:
    """Guesses that fit into a day, by the contract's waits."""
    passed, guesses = 0, free
    for wait in waits:
        passed += wait
        if passed >= DAY_S:
            break
        guesses += 1
    return guesses


def test_a_botnet_has_a_hundred_guesses_a_day_at_one_account(service: Service) -> None:
    assert attacks.botnet_on_one_account(service, 1, 10_000) == [in_a_day(PASSWORD_WAITS)]
    assert in_a_day(PASSWORD_WAITS) == 109


def test_one_address_has_a_hundred_guesses_a_day_at_all_accounts(service: Service) -> None:
    assert attacks.one_address_on_many_accounts(service, 1, 100) == [in_a_day(PASSWORD_WAITS)]


def test_strangers_keep_no_owner_out_who_is_where_they_logged_in_before(service: Service) -> None:
    service.add_user()
    for home in ("192.0.2.1", HOME_V6):
        assert attacks.log_in(service, EMAIL, PASSWORD, home).status_code == 200
    siege = Siege(service)
    siege.for_seconds(1000)
    for address in ("192.0.2.1", HOME_V6, HOME_TOMORROW_V6):
        assert attacks.owner_tries(siege, address, 2) == [0, 0]
    assert attacks.owner_tries(siege, STRANGER_V6, 1)[0] > 0


def test_a_known_network_is_one_count_however_many_addresses_it_has(service: Service) -> None:
    service.add_user()
    assert attacks.log_in(service, EMAIL, PASSWORD, HOME_V6).status_code == 200
    answers = [attacks.log_in(service, EMAIL, attacks.WRONG, f"2001:db8:1::{number:x}") for number in range(1, 8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2


def test_an_owner_elsewhere_waits_fifteen_minutes_at_most_or_resets_by_mail(service: Service) -> None:
    service.add_user()
    siege = Siege(service)
    siege.for_seconds(20_000)
    waits = attacks.owner_tries(siege, "198.51.100.7", 3)
    assert all(0 < wait <= 900 for wait in waits)
    assert attacks.owner_resets(siege, "198.51.100.7") == 0
    siege.for_seconds(1000)
    # From there on, the owner has a count of their own.
    answer = attacks.log_in(service, EMAIL, "Another-Horse-2", "198.51.100.7")
    assert answer.status_code == 200


@pytest.mark.parametrize("attack", [attacks.totp_codes, attacks.recovery_codes])
def test_who_has_the_password_has_some_thirty_guesses_a_day_at_codes(service: Service, attack: attacks.Days) -> None:
    assert attack(service, 1) == [in_a_day(CODE_WAITS)]
    assert in_a_day(CODE_WAITS) == 34


@pytest.mark.parametrize("attack", [attacks.email_otp_codes, attacks.reset_codes])
def test_mailed_codes_come_more_seldom_when_many_are_guessed_wrong(
    start: Callable[..., Service], attack: attacks.Days
) -> None:
    (judged,) = attack(start(growing_mail_waits="true"), 1)
    # The first code has five tries and each later one has one.
    assert judged == in_a_day([60] * 6 + [120, 240, 480, 960, 1920] + [3600] * 100) == 38


def test_by_default_a_mail_a_minute_comes_as_the_contract_says(service: Service) -> None:
    service.add_user()
    for _ in range(12):
        assert service.call("POST", "/user/password/reset/send", json={"email": EMAIL}).status_code == 204
        body = {"email": EMAIL, "otp": wrong_code(service.mailed_code(EMAIL))}
        service.smtp.clear()
        assert service.call("POST", "/user/password/reset/validate", json=body).status_code == 401
        service.clock.advance(60)


def test_the_wait_between_mails_grows_to_an_hour() -> None:
    seconds = [throttles.mail_interval(wrong) // 1000 for wrong in range(18)]
    assert seconds == [60] * 10 + [120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert throttles.mail_interval(2**40) == throttles.LONGEST_MAIL_INTERVAL
