"""Email OTP: an address of one's own for codes, the codes, and the mails."""

import sqlalchemy as sa

from doorward import codes
from doorward.core.tables import mailed_codes
from tests.support.person import EMAIL_OTP, OTP_ADDRESS, Person, good, notices, refusal, wrong_code
from tests.support.service import EMAIL, PASSWORD, Service

INVALID = (401, "OTP_INVALID_EXPIRED")


def enrolled(service: Service) -> Person:
    """A person with email OTP, who may be mailed a code at once."""
    person = Person.at(service)
    person.enable_email_otp()
    service.clock.advance(60)
    return person


def challenged(person: Person, token: str | None = None) -> str:
    """The code of a new challenge."""
    good(person.post(f"{EMAIL_OTP}/challenge", token or person.access))
    return person.service.mailed_code(OTP_ADDRESS)


def answer(person: Person, code: str, token: str | None = None) -> tuple[int, str]:
    """How a code is answered: (200, "") when it is right."""
    given = person.post(f"{EMAIL_OTP}/authenticate", token or person.access, otp=code)
    return (200, "") if given.is_success else refusal(given)


def enable(person: Person, code: str) -> tuple[int, str]:
    given = person.post(f"{EMAIL_OTP}/enable", person.access, otp=code)
    return (200, "") if given.is_success else refusal(given)


# Setting up


def test_a_new_address_is_confirmed_by_the_code_mailed_to_it(service: Service) -> None:
    person = Person.at(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    assert len(good(person.post(f"{EMAIL_OTP}/enable", person.access, otp=code))["recoveryCodes"]) == 10
    overview = good(person.get("/user/2fa", person.access))
    assert overview["enabled"] is True
    assert overview["emailOtp"] == {"completedAt": "2026-01-01T00:00:00.000Z", "email": OTP_ADDRESS}
    assert "totp" not in overview


def test_calls_in_the_wrong_order_are_conflicts(service: Service) -> None:
    person = Person.at(service)
    access = person.access
    assert refusal(person.post(f"{EMAIL_OTP}/enable", access, otp="123456")) == (409, "EMAIL_OTP_UNINITIALIZED")
    assert refusal(person.post(f"{EMAIL_OTP}/challenge", access)) == (409, "EMAIL_OTP_UNINITIALIZED")
    assert refusal(person.get(f"{EMAIL_OTP}/next-email", access)) == (409, "EMAIL_OTP_UNINITIALIZED")
    assert refusal(person.post(f"{EMAIL_OTP}/authenticate", access, otp="123456")) == (409, "EMAIL_OTP_INACTIVE")


def test_a_pending_address_gets_no_challenge_and_authenticates_nobody(service: Service) -> None:
    person = Person.at(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    service.clock.advance(60)
    assert refusal(person.post(f"{EMAIL_OTP}/challenge", person.access)) == (409, "EMAIL_OTP_UNINITIALIZED")
    assert answer(person, code) == (409, "EMAIL_OTP_INACTIVE")
    login = service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert login.headers["x-token-use"] == "refresh"
    assert good(person.get(f"{EMAIL_OTP}/next-email", person.access)) == {"duration": 0}


def test_a_new_pending_address_leaves_the_active_one_working(service: Service) -> None:
    person = enrolled(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.sudo_by_recovery(), email="new@example.org"))
    pending = service.mailed_code("new@example.org")
    service.clock.advance(60)
    assert answer(person, challenged(person)) == (200, "")
    assert good(person.get("/user/2fa", person.access))["emailOtp"]["email"] == OTP_ADDRESS
    assert enable(person, pending) == (200, "")
    assert good(person.get("/user/2fa", person.access))["emailOtp"]["email"] == "new@example.org"
    service.clock.advance(60)
    service.smtp.clear()
    good(person.post(f"{EMAIL_OTP}/challenge", person.access))
    assert service.mailed_code("new@example.org")
    assert all(OTP_ADDRESS not in mail.recipients for mail in service.smtp.mails)


def test_a_code_that_went_to_the_former_address_ends_with_it(service: Service) -> None:
    person = enrolled(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.sudo_by_recovery(), email="new@example.org"))
    pending = service.mailed_code("new@example.org")
    service.clock.advance(60)
    former = challenged(person)
    assert enable(person, pending) == (200, "")
    assert answer(person, former) == INVALID


def test_wrong_tries_of_codes_for_the_former_address_do_not_count_for_the_new_one(service: Service) -> None:
    person = enrolled(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.sudo_by_recovery(), email="new@example.org"))
    pending = service.mailed_code("new@example.org")
    guess_four_times(service, person, OTP_ADDRESS)
    assert enable(person, pending) == (200, "")
    code = guess_four_times(service, person, "new@example.org")
    assert answer(person, code) == (200, "")


def guess_four_times(service: Service, person: Person, address: str) -> str:
    """Wrong, each time; gives the right code."""
    service.clock.advance(60)
    good(person.post(f"{EMAIL_OTP}/challenge", person.access))
    code = service.mailed_code(address)
    assert [answer(person, wrong_code(code)) for _ in range(4)] == [INVALID] * 4
    return code


def test_a_code_that_is_mailed_to_the_former_address_as_another_becomes_active_is_no_good(service: Service) -> None:
    person = enrolled(service)
    env = service.doorward.env
    with env.db.write() as tx:
        # The challenge had read the address before it changed.
        codes.put(
            tx, env.vault, "email-otp", str(person.id), code="123456", address="old@example.org", user_id=person.id
        )
    assert answer(person, "123456") == INVALID


def test_the_address_is_masked_for_a_partial_token(service: Service) -> None:
    person = enrolled(service)
    shown = good(person.get("/user/2fa", person.partial))["emailOtp"]["email"]
    assert shown == "c•••@e•••.org"
    assert good(person.get("/user/2fa", person.access))["emailOtp"]["email"] == OTP_ADDRESS


def test_a_bad_address_sends_nothing_and_takes_no_mail(service: Service) -> None:
    person = Person.at(service)
    for bad in ("nobody", "a@b@c.org", "a b@example.org", "@example.org", "a@", f"{'a' * 250}@example.org"):
        bad_address = person.post(f"{EMAIL_OTP}/setup", person.access, email=bad)
        assert refusal(bad_address) == (400, "Invalid email address")
    missing = person.post(f"{EMAIL_OTP}/setup", person.access)
    assert refusal(missing) == (400, "body must have required property 'email'")
    forbidden = person.post(f"{EMAIL_OTP}/setup", person.access, email="a@mailinator.com")
    assert refusal(forbidden) == (403, "FORBIDDEN_MAIL_PROVIDER")
    assert notices(service, OTP_ADDRESS) == []
    assert person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS).status_code == 204


# The code


def test_a_code_has_six_digits_and_is_kept_as_a_keyed_digest(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    assert len(code) == 6
    assert code.isdigit()
    with service.doorward.env.db.read() as tx:
        (row,) = tx.execute(sa.select(mailed_codes)).all()
    assert row.code_hash != code.encode()
    assert len(row.code_hash) == 32
    assert code not in repr(row)


def test_a_code_is_good_once(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    assert answer(person, code) == (200, "")
    assert answer(person, code) == INVALID


def test_a_code_is_good_for_ten_minutes_to_the_second(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    service.clock.advance(599.999)
    assert answer(person, code) == (200, "")
    code = challenged(person)
    service.clock.advance(600)
    assert answer(person, code) == INVALID


def test_a_setup_code_is_good_for_ten_minutes_to_the_second(service: Service) -> None:
    person = Person.at(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    service.clock.advance(600)
    assert enable(person, code) == INVALID
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    service.clock.advance(599.999)
    assert enable(person, code) == (200, "")


def test_only_the_newest_code_counts(service: Service) -> None:
    person = enrolled(service)
    older = challenged(person)
    service.clock.advance(60)
    newer = challenged(person)
    assert older != newer
    assert answer(person, older) == INVALID
    assert answer(person, newer) == (200, "")


def test_only_the_newest_setup_code_counts(service: Service) -> None:
    person = Person.at(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email="first@example.org"))
    older = service.mailed_code("first@example.org")
    service.clock.advance(60)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email="second@example.org"))
    newer = service.mailed_code("second@example.org")
    assert enable(person, older) == INVALID
    assert enable(person, newer) == (200, "")
    assert good(person.get("/user/2fa", person.access))["emailOtp"]["email"] == "second@example.org"


def test_a_code_is_bound_to_its_purpose(service: Service) -> None:
    person = enrolled(service)
    challenge = challenged(person)
    service.clock.advance(60)
    good(person.post(f"{EMAIL_OTP}/setup", person.sudo_by_recovery(), email="new@example.org"))
    setup = service.mailed_code("new@example.org")
    good(person.post("/user/email/initiate", person.sudo_by_recovery(1), email="moved@example.org"))
    transfer = service.mailed_code("moved@example.org")
    good(person.post("/user/password/reset/send", None, email=EMAIL))
    reset = service.mailed_code(EMAIL)
    assert len({challenge, setup, transfer, reset}) == 4
    for code in (setup, transfer, reset):
        assert answer(person, code) == INVALID
    for code in (challenge, transfer, reset):
        assert enable(person, code) == INVALID
    for code in (challenge, setup, reset):
        assert refusal(person.put("/user/email", person.access, otp=code)) == INVALID
    for code in (challenge, setup, transfer):
        assert refusal(person.post("/user/password/reset/validate", None, email=EMAIL, otp=code)) == INVALID
    assert answer(person, challenge) == (200, "")


def test_a_code_is_bound_to_its_user(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    ann.enable_email_otp()
    bob.enable_email_otp(address="bobs@example.org")
    service.clock.advance(60)
    code = challenged(ann)
    good(bob.post(f"{EMAIL_OTP}/challenge", bob.access))
    assert answer(bob, code) == INVALID
    assert answer(ann, code) == (200, "")


def test_other_characters_than_digits_are_a_wrong_code_and_another_length_a_bad_body(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    arabic = code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for wrong in (arabic, "abcdef", " " * 6, "\0" * 6):
        assert answer(person, wrong) == INVALID
    for bad in (code[:5], code + "0", "", f" {code}"):
        assert answer(person, bad)[0] == 400
    assert answer(person, code) == (200, "")


def test_five_wrong_tries_void_the_code(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    for _ in range(4):
        assert answer(person, wrong_code(code)) == INVALID
    assert answer(person, code) == (200, "")
    code = challenged_later(person)
    for _ in range(5):
        assert answer(person, wrong_code(code)) == INVALID
    assert answer(person, code) == INVALID


def challenged_later(person: Person) -> str:
    person.service.clock.advance(60)
    return challenged(person)


def test_five_wrong_tries_void_a_setup_code(service: Service) -> None:
    person = Person.at(service)
    good(person.post(f"{EMAIL_OTP}/setup", person.access, email=OTP_ADDRESS))
    code = service.mailed_code(OTP_ADDRESS)
    for _ in range(5):
        assert enable(person, wrong_code(code)) == INVALID
    assert enable(person, code) == INVALID


def test_a_new_code_does_not_reset_the_count_of_wrong_guesses(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    for _ in range(4):
        assert answer(person, wrong_code(code)) == INVALID
    code = challenged_later(person)
    assert answer(person, wrong_code(code)) == INVALID
    assert answer(person, code) == INVALID
    code = challenged_later(person)
    assert answer(person, code) == (200, "")
    code = challenged_later(person)
    for _ in range(4):
        assert answer(person, wrong_code(code)) == INVALID
    assert answer(person, code) == (200, "")


# The mails


def test_one_mail_a_minute_for_setup_and_challenge_together(service: Service) -> None:
    person = Person.at(service)
    person.enable_email_otp()
    access = person.access
    refused = person.post(f"{EMAIL_OTP}/challenge", access)
    assert refusal(refused) == (429, "TOO_MANY_OTP_EMAILS")
    assert refused.json()["retryAfter"] == 60
    service.clock.advance(59.999)
    assert person.post(f"{EMAIL_OTP}/challenge", access).json()["retryAfter"] == 1
    service.clock.advance(0.001)
    assert person.post(f"{EMAIL_OTP}/challenge", access).status_code == 204
    sudo = person.sudo_by_recovery()
    refused = person.post(f"{EMAIL_OTP}/setup", sudo, email="new@example.org")
    assert refusal(refused) == (429, "TOO_MANY_OTP_EMAILS")
    assert notices(service, "new@example.org") == []


def test_a_login_of_its_own_gets_no_mail_of_its_own(service: Service) -> None:
    person = enrolled(service)
    good(person.post(f"{EMAIL_OTP}/challenge", person.partial))
    assert refusal(person.post(f"{EMAIL_OTP}/challenge", person.partial)) == (429, "TOO_MANY_OTP_EMAILS")


def test_the_wait_for_a_mail_is_a_users_own(service: Service) -> None:
    ann, bob = Person.at(service), Person.at(service, "bob@example.org")
    good(ann.post(f"{EMAIL_OTP}/setup", ann.access, email=OTP_ADDRESS))
    assert bob.post(f"{EMAIL_OTP}/setup", bob.access, email=OTP_ADDRESS).status_code == 204


def test_next_email_agrees_to_the_second_with_retry_after(service: Service) -> None:
    person = enrolled(service)
    access = person.access
    assert good(person.get(f"{EMAIL_OTP}/next-email", access)) == {"duration": 0}
    good(person.post(f"{EMAIL_OTP}/challenge", access))
    for advanced, left in ((0, 60), (0.001, 60), (0.999, 59), (58.001, 1), (0.998, 1)):
        service.clock.advance(advanced)
        assert good(person.get(f"{EMAIL_OTP}/next-email", access)) == {"duration": left}
        refused = person.post(f"{EMAIL_OTP}/challenge", access)
        assert refused.json()["retryAfter"] == left
        assert refused.headers["retry-after"] == str(left)
    service.clock.advance(0.001)
    assert good(person.get(f"{EMAIL_OTP}/next-email", person.partial)) == {"duration": 0}
    good(person.post(f"{EMAIL_OTP}/challenge", access))


# Logging in, and the end


def test_a_mailed_code_completes_a_login(service: Service) -> None:
    person = enrolled(service)
    partial = person.partial
    tokens = good(person.post(f"{EMAIL_OTP}/authenticate", partial, otp=challenged(person, partial)))
    assert set(tokens) == {"accessToken", "refreshToken", "sudoToken"}
    assert service.access(tokens["refreshToken"])


def test_within_a_session_a_mailed_code_gives_a_sudo_token_only(service: Service) -> None:
    person = enrolled(service)
    given = person.post(f"{EMAIL_OTP}/authenticate", person.access, otp=challenged(person))
    assert set(good(given)) == {"sudoToken"}


def test_a_removed_address_gets_no_codes_and_those_sent_are_void(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    assert person.delete(EMAIL_OTP, person.sudo_by_recovery()).status_code == 204
    assert answer(person, code) == (409, "EMAIL_OTP_INACTIVE")
    assert refusal(person.post(f"{EMAIL_OTP}/challenge", person.access)) == (409, "EMAIL_OTP_UNINITIALIZED")
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}


def test_removing_twice_is_a_conflict(service: Service) -> None:
    person = enrolled(service)
    sudo = person.sudo_by_recovery()
    assert person.delete(EMAIL_OTP, sudo).status_code == 204
    assert refusal(person.delete(EMAIL_OTP, sudo)) == (409, "EMAIL_OTP_ALREADY_INACTIVE")


def test_a_code_of_before_the_removal_is_void_after_enabling_again(service: Service) -> None:
    person = enrolled(service)
    code = challenged(person)
    assert person.delete(EMAIL_OTP, person.sudo_by_recovery()).status_code == 204
    service.clock.advance(60)
    person.enable_email_otp()
    assert answer(person, code) == INVALID
