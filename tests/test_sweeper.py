"""What is over is deleted, and nothing else."""

import sqlalchemy as sa

from doorward.core.tables import events, known_addresses, mailed_codes, sessions, throttles
from tests.support.person import TOTP, Person, good, refusal, wrong_code
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import by_many

DAY = 24 * 3600


def count(service: Service, table: sa.Table) -> int:
    with service.doorward.env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def sweep(service: Service) -> int:
    return service.doorward.sweeper.sweep()


def test_nothing_is_swept_that_still_counts(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for _ in range(5):
        person.guess_totp(person.access)
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    assert sweep(service) == 0
    assert refusal(person.guess_totp(person.access)) == (429, "TOO_MANY_TOTP_CHECKS")
    code = service.mailed_code(EMAIL)
    assert person.post("/user/password/reset/validate", None, email=EMAIL, otp=code).status_code == 204


def test_a_session_goes_a_day_after_it_could_be_used(service: Service) -> None:
    person = Person.at(service)
    service.clock.advance(15 * DAY - 1)
    assert sweep(service) == 0
    assert refusal(person.get("/auth/refreshtoken", person.refresh)) == (401, "TOKEN_EXPIRED")
    service.clock.advance(1)
    assert sweep(service) == 1
    assert count(service, sessions) == 0


def test_a_renewed_session_stays(service: Service) -> None:
    person = Person.at(service)
    service.clock.advance(10 * DAY)
    person.refresh = good_text(service, person.refresh)
    service.clock.advance(10 * DAY)
    sweep(service)
    assert person.access


def good_text(service: Service, refresh: str) -> str:
    answer = service.call("GET", "/auth/refreshtoken", refresh)
    assert answer.status_code == 200
    return answer.text


def test_a_partial_token_gives_no_second_session_after_a_sweep(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    partial = person.partial
    tokens = person.authenticated(partial)
    assert service.call("POST", "/auth/logout", tokens["refreshToken"]).status_code == 204
    service.clock.advance(200)
    sweep(service)
    code = service.next_totp_code(person.authenticator)
    assert refusal(person.guess_totp(partial, code)) == (401, "TOKEN_REVOKED")


def test_a_code_goes_with_its_count_a_day_after_it_expired(service: Service) -> None:
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    code = service.mailed_code(EMAIL)
    service.call("POST", "/user/password/reset/validate", json={"email": EMAIL, "otp": wrong_code(code)})
    service.clock.advance(DAY + 599)
    sweep(service)
    assert count(service, mailed_codes) == 1
    service.clock.advance(1)
    sweep(service)
    assert count(service, mailed_codes) == 0


def test_the_wait_for_a_mail_goes_when_it_is_over(service: Service) -> None:
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.clock.advance(59)
    assert sweep(service) == 0
    service.clock.advance(1)
    assert sweep(service) == 1
    assert count(service, throttles) == 0


def test_a_count_of_wrong_passwords_goes_when_it_is_forgotten(service: Service) -> None:
    service.add_user()
    service.call("POST", "/auth/login", json={"username": EMAIL, "password": "Wrong-Horse-1"})
    assert count(service, throttles) == 2
    service.clock.advance(DAY + 15 * 60 - 1)
    assert sweep(service) == 0
    service.clock.advance(1)
    assert sweep(service) == 2


def test_a_count_of_wrong_codes_is_never_forgotten(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for _ in range(4):
        person.guess_totp(person.access)
    service.clock.advance(10 * DAY)
    sweep(service)
    assert refusal(person.guess_totp(person.access)) == (401, "TOTP_INCORRECT")
    assert refusal(person.guess_totp(person.access)) == (429, "TOO_MANY_TOTP_CHECKS")
    assert person.get(f"{TOTP}/next-guess", person.access).json() == {"duration": 30}


def test_an_address_of_a_login_is_forgotten_after_half_a_year(service: Service) -> None:
    service.add_user()
    service.login()
    service.clock.advance(180 * DAY - 1)
    sweep(service)
    assert count(service, known_addresses) == 1
    service.clock.advance(1)
    sweep(service)
    assert count(service, known_addresses) == 0


def test_events_go_after_the_days_that_the_setting_says(service: Service) -> None:
    service.add_user()
    service.clock.advance(365 * DAY - 1)
    sweep(service)
    assert count(service, events) == 1
    service.clock.advance(1)
    sweep(service)
    assert count(service, events) == 0


def test_more_than_a_batch_goes_at_once_and_sweepers_share_the_work(service: Service) -> None:
    with service.doorward.env.db.write() as tx:
        rows = [{"key": f"k{number}", "failures": 1, "next_at": 0, "forget_at": tx.now} for number in range(1_700)]
        tx.execute(sa.insert(throttles), rows)
    assert sum(by_many(lambda _: sweep(service), 4)) == 1_700
    assert count(service, throttles) == 0
    assert service.add_user("later@example.org", PASSWORD)
