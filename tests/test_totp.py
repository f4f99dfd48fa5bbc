"""TOTP: the codes, the URL, enabling, and the waits between guesses."""

import hashlib
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.tables import throttles, totp
from doorward.factors import otp, store
from doorward.factors import totp as flows
from tests.support.person import RECOVERY, TOTP, Person, good, refusal
from tests.support.service import EMAIL, Service

# Codes

RFC_SECRET = b"12345678901234567890"
# RFC 4226 appendix D, HOTP of the counters 0 to 9.
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
# RFC 6238 appendix B, the last six of the eight digits.
RFC_6238 = {
    59: "287082",
    1_111_111_109: "081804",
    1_111_111_111: "050471",
    1_234_567_890: "005924",
    2_000_000_000: "279037",
    20_000_000_000: "353130",
}


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_codes_by_counter_are_those_of_rfc_4226(counter: int, code: str) -> None:
    assert otp.hotp(RFC_SECRET, counter) == code


@pytest.mark.parametrize(("now_s", "code"), list(RFC_6238.items()))
def test_codes_by_time_are_those_of_rfc_6238(now_s: int, code: str) -> None:
    assert otp.matching_step(RFC_SECRET, code, now_s) == now_s // 30


def test_a_secret_has_160_bits_and_is_never_the_same() -> None:
    secrets = {otp.new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(secret) for secret in secrets} == {20}


# Setting up


def test_the_url_is_the_contracts_to_the_letter(service: Service) -> None:
    person = Person.at(service)
    url = good(person.post(f"{TOTP}/setup", person.access))["url"]
    assert re.fullmatch(
        r"otpauth://totp/Doorward:ann%40example\.org\?issuer=Doorward&secret=[A-Z2-7]{32}"
        r"&algorithm=SHA1&digits=6&period=30",
        url,
    )


def test_other_characters_in_the_url_are_percent_encoded() -> None:
    secret = bytes(range(20))
    url = otp.provisioning_url(secret, "Müller & Söhne: Werk/1", "zoë+a b@example.org")
    assert url == (
        "otpauth://totp/M%C3%BCller%20%26%20S%C3%B6hne%3A%20Werk%2F1:zo%C3%AB%2Ba%20b%40example.org"
        "?issuer=M%C3%BCller%20%26%20S%C3%B6hne%3A%20Werk%2F1&secret=AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"
        "&algorithm=SHA1&digits=6&period=30"
    )


def test_the_issuer_is_a_setting_and_the_name_is_the_username(start: Callable[..., Service]) -> None:
    service = start(issuer_name="Acme")
    person = Person.at(service, username="ann.boss")
    url = good(person.post(f"{TOTP}/setup", person.access))["url"]
    assert url.startswith("otpauth://totp/Acme:ann.boss?issuer=Acme&secret=")


def test_setup_takes_no_body_at_all(service: Service) -> None:
    person = Person.at(service)
    assert service.call("POST", f"{TOTP}/setup", person.access).status_code == 200


def test_each_setup_gives_a_new_secret_and_only_the_newest_can_be_enabled(service: Service) -> None:
    person = Person.at(service)
    first = person.set_totp_up(person.access)
    second = person.set_totp_up(person.access)
    assert first.secret != second.secret
    old = person.post(f"{TOTP}/enable", person.access, totp=service.totp_code(first))
    assert refusal(old) == (401, "TOTP_INCORRECT")
    good(person.post(f"{TOTP}/enable", person.access, totp=service.totp_code(second)))


def test_a_pending_secret_does_nothing_until_it_is_enabled(service: Service) -> None:
    person = Person.at(service)
    pending = person.set_totp_up(person.access)
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    answer = service.call("POST", "/auth/login", json={"username": EMAIL, "password": person.password})
    assert answer.headers["x-token-use"] == "refresh"
    guess = person.post(f"{TOTP}/authenticate", person.access, totp=service.totp_code(pending))
    assert refusal(guess) == (409, "TOTP_UNINITIALIZED")
    assert person.post(f"{TOTP}/setup", person.access).status_code == 200
    assert good(person.get(f"{TOTP}/next-guess", person.access)) == {"duration": 0}


def test_the_active_secret_works_until_the_new_one_is_enabled(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    former = person.authenticator
    new = person.set_totp_up(person.sudo)
    service.clock.advance(30)
    assert refusal(person.guess_totp(person.access, service.totp_code(new))) == (401, "TOTP_INCORRECT")
    assert person.authenticated(person.access)
    good(person.post(f"{TOTP}/enable", person.access, totp=service.totp_code(new)))
    service.clock.advance(30)
    assert refusal(person.guess_totp(person.access, service.totp_code(former))) == (401, "TOTP_INCORRECT")
    person.totp = new
    assert person.authenticated(person.access)


def test_a_secret_that_was_replaced_meanwhile_is_neither_enabled_nor_accepted(service: Service) -> None:
    """Matched outside the transaction, it is claimed only if it is still the one."""
    person = Person.at(service)
    env = service.doorward.env
    claims = env.tokens.read(person.access)
    person.set_totp_up(person.access)
    with env.db.write() as tx:
        older = store.find_totp(tx, person.id).pending_secret
    assert older is not None
    person.enable_totp()
    older_active, step = flows.match(env, claims, service.next_totp_code(person.authenticator))
    person.enable_totp(person.sudo)
    assert step is not None
    with env.db.write() as tx:
        assert not store.activate_totp(tx, person.id, older, step + 10)
        assert not store.claim_step(tx, person.id, older_active, step + 10)


def test_enabling_without_a_setup_is_a_conflict(service: Service) -> None:
    person = Person.at(service)
    assert refusal(person.post(f"{TOTP}/enable", person.access, totp="123456")) == (409, "TOTP_UNINITIALIZED")
    assert refusal(person.post(f"{TOTP}/authenticate", person.access, totp="123456")) == (409, "TOTP_UNINITIALIZED")
    assert refusal(person.get(f"{TOTP}/next-guess", person.access)) == (409, "TOTP_UNINITIALIZED")


def test_an_enabled_secret_cannot_be_enabled_again(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    code = service.next_totp_code(person.authenticator)
    assert refusal(person.post(f"{TOTP}/enable", person.access, totp=code)) == (409, "TOTP_UNINITIALIZED")


def test_secrets_are_encrypted_at_rest(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    pending = person.set_totp_up(person.sudo)
    with service.doorward.env.db.read() as tx:
        row = tx.row(sa.select(totp.c.secret, totp.c.pending_secret))
    assert row is not None
    for sealed, shown in ((row.secret, person.authenticator), (row.pending_secret, pending)):
        assert shown.byte_secret() not in sealed
        assert shown.secret.encode() not in sealed


# Drift and reuse


def test_a_code_is_good_one_step_early_or_late_and_no_more(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for step, accepted in ((-2, False), (2, False), (-1, True), (0, True), (1, True)):
        service.clock.advance(0 if step > -1 and accepted else 300)
        code = person.authenticator.at(service.clock.now_ms() // 1000 + 30 * step)
        assert person.guess_totp(person.access, code).status_code == (200 if accepted else 401), step


def test_a_code_ends_to_the_millisecond(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for late_ms, accepted in ((59_999, True), (60_000, False)):
        # To the beginning of a step, which none of those before has used.
        service.clock.advance(300 - service.clock.now_ms() % 30_000 / 1000)
        code = service.totp_code(person.authenticator)
        service.clock.advance(late_ms / 1000)
        assert person.guess_totp(person.access, code).status_code == (200 if accepted else 401), late_ms


def test_a_code_is_good_once(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    code = service.next_totp_code(person.authenticator)
    assert person.guess_totp(person.access, code).status_code == 200
    assert refusal(person.guess_totp(person.access, code)) == (401, "TOTP_INCORRECT")
    assert refusal(person.guess_totp(person.partial, code)) == (401, "TOTP_INCORRECT")


def test_the_code_that_enabled_is_used(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    used = service.totp_code(person.authenticator)
    assert refusal(person.guess_totp(person.access, used)) == (401, "TOTP_INCORRECT")


def test_no_step_before_a_used_one_is_accepted(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    service.clock.advance(300)
    now = service.clock.now_ms() // 1000
    assert person.guess_totp(person.access, person.authenticator.at(now + 30)).status_code == 200
    for earlier in (now, now - 30):
        assert refusal(person.guess_totp(person.access, person.authenticator.at(earlier))) == (401, "TOTP_INCORRECT")


def test_a_code_of_another_user_is_wrong(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    ann.enable_totp()
    bob.enable_totp()
    service.clock.advance(30)
    assert refusal(ann.guess_totp(ann.access, service.totp_code(bob.authenticator))) == (401, "TOTP_INCORRECT")


# Bodies

NOT_DIGITS = (
    "12345a",
    "      ",
    "-12345",
    "12 456",
    "١٢٣٤٥٦",
    "\uff11\uff12\uff13\uff14\uff15\uff16",
    "²²²²²²",
    "\U0001d7cf" * 6,
    "\0" * 6,
    "'; DR-",
)


def test_other_characters_than_digits_are_a_wrong_code(service: Service) -> None:
    for number, code in enumerate(NOT_DIGITS):
        person = Person.at(service, f"u{number}@example.org")
        person.set_totp_up(person.access)
        assert refusal(person.post(f"{TOTP}/enable", person.access, totp=code)) == (401, "TOTP_INCORRECT"), code
        person.enable_totp()
        assert refusal(person.guess_totp(person.access, code)) == (401, "TOTP_INCORRECT"), code


def test_the_right_digits_of_another_script_are_wrong(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    code = service.next_totp_code(person.authenticator)
    arabic = code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert refusal(person.guess_totp(person.access, arabic)) == (401, "TOTP_INCORRECT")
    assert person.guess_totp(person.access, code).status_code == 200


def test_a_code_of_another_length_or_type_is_a_bad_body_and_no_guess(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    access = person.access
    for body in ({}, {"totp": ""}, {"totp": "12345"}, {"totp": "1234567"}, {"totp": 123456}, {"totp": None}):
        for call in ("authenticate", "enable"):
            assert service.call("POST", f"{TOTP}/{call}", access, json=body).status_code == 400, body
    assert person.guess_totp(access, service.next_totp_code(person.authenticator)).status_code == 200


def test_a_lone_surrogate_is_a_bad_body(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    body = b'{"totp": "\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}'
    headers = {"Content-Type": "application/json"}
    answer = service.call("POST", f"{TOTP}/authenticate", person.access, content=body, headers=headers)
    assert answer.status_code in {400, 401}


# Waits


def exhaust(person: Person, guesses: int = 5) -> None:
    """Make wrong guesses, none of which has to wait."""
    access = person.access
    for _ in range(guesses):
        assert refusal(person.guess_totp(access)) == (401, "TOTP_INCORRECT")


def test_five_wrong_guesses_are_free_and_then_the_wait_doubles_from_30_seconds_to_an_hour(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    exhaust(person)
    for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        access = person.access
        assert good(person.get(f"{TOTP}/next-guess", access)) == {"duration": wait}
        refused = person.guess_totp(access)
        assert refusal(refused) == (429, "TOO_MANY_TOTP_CHECKS")
        assert refused.json()["retryAfter"] == wait
        service.clock.advance(wait)
        assert good(person.get(f"{TOTP}/next-guess", person.access)) == {"duration": 0}
        assert refusal(person.guess_totp(person.access)) == (401, "TOTP_INCORRECT")


def test_while_waiting_the_right_code_is_refused_and_not_used_up(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    service.clock.advance(300)
    exhaust(person)
    access = person.access
    late = person.authenticator.at(service.clock.now_ms() // 1000 + 30)
    assert refusal(person.guess_totp(access, late)) == (429, "TOO_MANY_TOTP_CHECKS")
    assert refusal(person.guess_totp(person.partial, late)) == (429, "TOO_MANY_TOTP_CHECKS")
    service.clock.advance(30)
    assert person.guess_totp(access, late).status_code == 200


def test_an_early_retry_neither_counts_nor_lengthens_the_wait(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    exhaust(person)
    service.clock.advance(10)
    access = person.access
    for _ in range(20):
        assert person.guess_totp(access).json()["retryAfter"] == 20
    service.clock.advance(20)
    assert refusal(person.guess_totp(access)) == (401, "TOTP_INCORRECT")
    assert person.guess_totp(access).json()["retryAfter"] == 60


def test_the_wait_is_told_to_the_second_rounded_up(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    exhaust(person)
    access = person.access
    for advanced, left in ((0.001, 30), (0.998, 30), (0.001, 29), (28.001, 1), (0.998, 1)):
        service.clock.advance(advanced)
        refused = person.guess_totp(access)
        assert refused.json()["retryAfter"] == left
        assert refused.headers["retry-after"] == str(left)
        assert good(person.get(f"{TOTP}/next-guess", access)) == {"duration": left}
    service.clock.advance(0.001)
    assert good(person.get(f"{TOTP}/next-guess", access)) == {"duration": 0}
    assert refusal(person.guess_totp(access)) == (401, "TOTP_INCORRECT")


def test_a_right_answer_resets_the_count(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for _ in range(3):
        exhaust(person, 4)
        assert person.authenticated(person.access)
    exhaust(person)
    assert refusal(person.guess_totp(person.access)) == (429, "TOO_MANY_TOTP_CHECKS")


def test_no_rest_forgets_the_wrong_guesses(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    exhaust(person)
    service.clock.advance(7 * 86_400)
    exhaust(person, 1)
    answer = person.guess_totp(person.access)
    assert (answer.status_code, answer.json()["retryAfter"]) == (429, 60)


def test_guesses_of_the_login_and_of_a_session_and_of_enabling_are_one_count(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    person.set_totp_up(person.sudo)
    for token in (person.access, person.partial):
        exhausted = person.guess_totp(token)
        assert refusal(exhausted) == (401, "TOTP_INCORRECT")
    for _ in range(3):
        wrong = person.post(f"{TOTP}/enable", person.access, totp="abcdef")
        assert refusal(wrong) == (401, "TOTP_INCORRECT")
    for path in ("authenticate", "enable"):
        assert refusal(person.post(f"{TOTP}/{path}", person.access, totp="abcdef")) == (429, "TOO_MANY_TOTP_CHECKS")


def test_a_right_code_of_a_pending_secret_is_refused_while_waiting(service: Service) -> None:
    person = Person.at(service)
    pending = person.set_totp_up(person.access)
    for _ in range(5):
        assert refusal(person.post(f"{TOTP}/enable", person.access, totp="abcdef")) == (401, "TOTP_INCORRECT")
    code = service.totp_code(pending)
    assert refusal(person.post(f"{TOTP}/enable", person.access, totp=code)) == (429, "TOO_MANY_TOTP_CHECKS")
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}


def test_the_wait_of_one_user_is_not_anothers(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    ann.enable_totp()
    bob.enable_totp()
    exhaust(ann)
    assert bob.authenticated(bob.access)


def fail_to(service: Service, person: Person, guesses: int) -> None:
    """As if so many wrong guesses in a row had been made, and the last wait were over."""
    exhaust(person, 1)
    with service.doorward.env.db.write() as tx:
        tx.execute(
            sa.update(throttles).where(throttles.c.key == f"totp:{person.id}").values(failures=guesses, next_at=0)
        )


def lock(service: Service, person: Person) -> None:
    fail_to(service, person, 99)
    assert refusal(person.guess_totp(person.access)) == (401, "TOTP_INCORRECT")


def test_a_hundred_wrong_guesses_in_a_row_lock_the_method(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    fail_to(service, person, 90)
    for guess in range(91, 101):
        assert refusal(person.guess_totp(person.access)) == (401, "TOTP_INCORRECT"), guess
        service.clock.advance(3600)
    for _ in range(3):
        refused = person.guess_totp(person.access, service.next_totp_code(person.authenticator))
        assert refusal(refused) == (429, "TOO_MANY_TOTP_CHECKS")
        assert refused.json()["retryAfter"] == 3600
        assert good(person.get(f"{TOTP}/next-guess", person.access)) == {"duration": 3600}
        service.clock.advance(24 * 3600)


def test_the_ninety_ninth_wrong_guess_does_not_lock(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    fail_to(service, person, 98)
    assert refusal(person.guess_totp(person.access)) == (401, "TOTP_INCORRECT")
    service.clock.advance(3600)
    assert person.authenticated(person.access)


def test_another_method_unlocks(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    lock(service, person)
    assert person.guess_recovery_code(person.access, person.recovery_codes[0]).status_code == 200
    assert good(person.get(f"{TOTP}/next-guess", person.access)) == {"duration": 0}
    assert person.authenticated(person.access)


def test_email_otp_unlocks(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    person.enable_email_otp(person.sudo)
    lock(service, person)
    service.clock.advance(60)
    good(person.post("/user/2fa/email-otp/challenge", person.access))
    code = service.mailed_code("codes@example.org")
    good(person.post("/user/2fa/email-otp/authenticate", person.access, otp=code))
    assert person.authenticated(person.access)


def test_an_administrator_unlocks(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    lock(service, person)
    accounts.reset_2fa(service.doorward.env, EMAIL)
    person.totp = None
    person.refresh = service.login()
    person.enable_totp()
    assert person.authenticated(person.access)


def test_a_new_session_or_password_does_not_unlock(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    lock(service, person)
    service.clock.advance(3600)
    partial = person.partial
    assert refusal(person.guess_totp(partial, service.totp_code(person.authenticator))) == (429, "TOO_MANY_TOTP_CHECKS")
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    code = service.mailed_code(EMAIL)
    good(person.put("/user/password/otp", None, userEmail=EMAIL, otp=code, newPassword="Another-Horse-2"))
    person.password = "Another-Horse-2"
    service.clock.advance(30)
    refused = person.guess_totp(person.partial, service.totp_code(person.authenticator))
    assert refusal(refused) == (429, "TOO_MANY_TOTP_CHECKS")


# Faults and the end


def test_a_secret_that_no_key_opens_is_corrupt(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    person.set_totp_up(person.sudo)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(totp).values(secret=hashlib.sha256(b"x").digest(), pending_secret=b"\x01short"))
    for path in ("authenticate", "enable"):
        answer = person.post(f"{TOTP}/{path}", person.access, totp="123456")
        assert refusal(answer) == (500, "TOTP_CORRUPT")
    assert person.guess_recovery_code(person.access, person.recovery_codes[0]).status_code == 200


def test_a_secret_moved_to_another_user_is_corrupt(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    ann.enable_totp()
    bob.enable_totp()
    with service.doorward.env.db.write() as tx:
        anns = sa.select(totp.c.secret).where(totp.c.user_id == ann.id).scalar_subquery()
        tx.execute(sa.update(totp).where(totp.c.user_id == bob.id).values(secret=anns))
    service.clock.advance(30)
    answer = bob.guess_totp(bob.access, service.totp_code(ann.authenticator))
    assert refusal(answer) == (500, "TOTP_CORRUPT")


def test_a_removed_authenticator_is_not_asked_for_and_not_accepted(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    assert person.delete(TOTP, person.sudo).status_code == 204
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    answer = service.call("POST", "/auth/login", json={"username": EMAIL, "password": person.password})
    assert answer.headers["x-token-use"] == "refresh"
    guess = person.guess_totp(person.access, service.next_totp_code(person.authenticator))
    assert refusal(guess) == (409, "TOTP_UNINITIALIZED")
    assert refusal(person.guess_recovery_code(person.access, person.recovery_codes[0])) == (
        409,
        "RECOVERY_CODES_UNINITIALIZED",
    )
    assert refusal(person.get(f"{RECOVERY}/next-guess", person.access)) == (409, "RECOVERY_CODES_UNINITIALIZED")


def test_removing_twice_is_a_conflict(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    sudo = person.sudo
    assert person.delete(TOTP, sudo).status_code == 204
    assert refusal(person.delete(TOTP, sudo)) == (409, "TOTP_ALREADY_INACTIVE")


def test_removing_takes_the_pending_secret_along(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    sudo = person.sudo
    pending = person.set_totp_up(sudo)
    assert person.delete(TOTP, sudo).status_code == 204
    late = person.post(f"{TOTP}/enable", person.access, totp=service.totp_code(pending))
    assert refusal(late) == (409, "TOTP_UNINITIALIZED")
