"""Recovery codes: how they look, each used once, and the waits between guesses."""

import hashlib
import re

import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.tables import recovery_codes, throttles
from tests.support.person import EMAIL_OTP, RECOVERY, TOTP, Person, good, refusal
from tests.support.service import EMAIL, Service

WRONG = (401, "RECOVERY_CODE_INCORRECT")
WAIT = (429, "TOO_MANY_RECOVERY_CODE_CHECKS")


def enrolled(service: Service) -> Person:
    person = Person.at(service)
    person.enable_totp()
    return person


def test_the_first_method_gives_ten_codes_of_16_characters_without_look_alikes(service: Service) -> None:
    codes = enrolled(service).recovery_codes
    assert len(set(codes)) == len(codes) == 10
    for code in codes:
        # No 0 O, 1 I L, and no U beside V: at least 64 bits need 16 of 16 characters, and these are 30.
        assert re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{16}", code)
    assert len(set("".join(codes))) > 16


def test_the_second_method_gives_an_empty_list_and_leaves_the_first_codes_valid(service: Service) -> None:
    person = enrolled(service)
    codes = person.recovery_codes
    assert person.enable_email_otp(person.sudo) == []
    assert person.guess_recovery_code(person.access, codes[0]).status_code == 200


def test_enabling_a_new_secret_gives_an_empty_list(service: Service) -> None:
    person = enrolled(service)
    codes = person.recovery_codes
    assert person.enable_totp(person.sudo) == []
    assert person.guess_recovery_code(person.access, codes[0]).status_code == 200


def test_codes_are_stored_as_keyed_digests(service: Service) -> None:
    person = enrolled(service)
    with service.doorward.env.db.read() as tx:
        hashes = [row.code_hash for row in tx.execute(sa.select(recovery_codes.c.code_hash))]
    assert len(hashes) == 10
    assert {len(each) for each in hashes} == {32}
    assert not any(code.encode() in each for code in person.recovery_codes for each in hashes)
    for text in (code for typed in person.recovery_codes for code in (typed, f"{person.id}{typed}")):
        assert hashlib.sha256(text.encode()).digest() not in hashes


def test_codes_are_shown_once(service: Service) -> None:
    person = enrolled(service)
    overview = person.get("/user/2fa", person.access)
    assert good(overview)["recoveryCodes"] == {"completedAt": "2026-01-01T00:00:00.000Z"}
    assert not any(code in overview.text for code in person.recovery_codes)
    service.deliver()
    assert not any(code in str(mail) for code in person.recovery_codes for mail in service.smtp.messages)


def test_each_code_is_good_once_for_a_session_and_for_a_login(service: Service) -> None:
    person = enrolled(service)
    access = person.access
    for code in person.recovery_codes[:2]:
        assert set(good(person.guess_recovery_code(access, code))) == {"sudoToken"}
        assert refusal(person.guess_recovery_code(access, code)) == WRONG
    done = good(person.guess_recovery_code(person.partial, person.recovery_codes[2]))
    assert set(done) == {"accessToken", "refreshToken", "sudoToken"}
    assert refusal(person.guess_recovery_code(person.partial, person.recovery_codes[2])) == WRONG


def test_all_ten_used_leave_the_user_with_none(service: Service) -> None:
    person = enrolled(service)
    access = person.access
    for code in person.recovery_codes:
        good(person.guess_recovery_code(access, code))
    assert refusal(person.guess_recovery_code(access, person.recovery_codes[0])) == WRONG
    assert good(person.get(f"{RECOVERY}/next-guess", access)) == {"duration": 0}


def test_separators_and_case_do_not_matter(service: Service) -> None:
    person = enrolled(service)
    access = person.access
    one, two, three, four, five = person.recovery_codes[:5]
    typed = [
        one.lower(),
        "-".join(two[at : at + 4] for at in range(0, 16, 4)),
        f"  {three[:8]} {three[8:].lower()} ",
        "\N{EN DASH}".join((four[:8], four[8:])),
        "\N{NO-BREAK SPACE}".join(five),
    ]
    for each in typed:
        assert person.guess_recovery_code(access, each).status_code == 200, each


def test_the_length_is_counted_after_separators_are_taken_out(service: Service) -> None:
    person = enrolled(service)
    access = person.access
    for code in ("", "A" * 15, "A" * 17, "----------------", "AAAA-AAAA-AAAA-AAA", " " * 16, "A" * 5000):
        assert person.guess_recovery_code(access, code).status_code == 400, code
    assert person.guess_recovery_code(access, person.recovery_codes[0]).status_code == 200


def test_other_characters_are_a_wrong_code(service: Service) -> None:
    person = enrolled(service)
    for code in ("ÄÖÜ" * 5 + "Ä", "\0" * 16, "0" * 16, "ß" * 16):
        assert refusal(person.guess_recovery_code(person.access, code)) == WRONG, code


def test_a_code_of_another_user_is_wrong(service: Service) -> None:
    ann, bob = enrolled(service), Person.at(service, "bob@example.org")
    bob.enable_totp()
    assert refusal(bob.guess_recovery_code(bob.access, ann.recovery_codes[0])) == WRONG
    assert ann.guess_recovery_code(ann.access, ann.recovery_codes[0]).status_code == 200


def test_without_codes_there_is_nothing_to_guess(service: Service) -> None:
    person = Person.at(service)
    assert refusal(person.guess_recovery_code(person.access)) == (409, "RECOVERY_CODES_UNINITIALIZED")
    assert refusal(person.get(f"{RECOVERY}/next-guess", person.access)) == (409, "RECOVERY_CODES_UNINITIALIZED")


# Waits


def exhaust(person: Person, guesses: int = 5) -> None:
    access = person.access
    for _ in range(guesses):
        assert refusal(person.guess_recovery_code(access)) == WRONG


def test_five_wrong_guesses_are_free_and_then_the_wait_doubles_from_30_seconds_to_an_hour(service: Service) -> None:
    person = enrolled(service)
    exhaust(person)
    for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        access = person.access
        assert good(person.get(f"{RECOVERY}/next-guess", access)) == {"duration": wait}
        refused = person.guess_recovery_code(access)
        assert refusal(refused) == WAIT
        assert refused.json()["retryAfter"] == wait
        service.clock.advance(wait)
        assert refusal(person.guess_recovery_code(person.access)) == WRONG


def test_while_waiting_the_right_code_is_refused_and_not_used_up(service: Service) -> None:
    person = enrolled(service)
    exhaust(person)
    access, code = person.access, person.recovery_codes[0]
    service.clock.advance(29.999)
    for token in (access, person.partial):
        refused = person.guess_recovery_code(token, code)
        assert refusal(refused) == WAIT
        assert refused.json()["retryAfter"] == 1
    assert good(person.get(f"{RECOVERY}/next-guess", access)) == {"duration": 1}
    service.clock.advance(0.001)
    assert person.guess_recovery_code(access, code).status_code == 200


def test_a_right_answer_resets_the_count(service: Service) -> None:
    person = enrolled(service)
    for code in person.recovery_codes[:2]:
        exhaust(person, 4)
        good(person.guess_recovery_code(person.access, code))
    exhaust(person)
    assert refusal(person.guess_recovery_code(person.access)) == WAIT


def test_waits_of_recovery_codes_and_of_totp_are_apart(service: Service) -> None:
    person = enrolled(service)
    exhaust(person)
    assert person.authenticated(person.access)


def test_a_hundred_wrong_guesses_lock_until_another_method_is_used(service: Service) -> None:
    person = enrolled(service)
    exhaust(person, 1)
    with service.doorward.env.db.write() as tx:
        key = f"recovery-code:{person.id}"
        tx.execute(sa.update(throttles).where(throttles.c.key == key).values(failures=99, next_at=0))
    exhaust(person, 1)
    service.clock.advance(7 * 24 * 3600)
    refused = person.guess_recovery_code(person.access, person.recovery_codes[0])
    assert refusal(refused) == WAIT
    assert refused.json()["retryAfter"] == 3600
    assert person.authenticated(person.access)
    assert person.guess_recovery_code(person.access, person.recovery_codes[0]).status_code == 200


# New ones, and the end


def test_a_reset_replaces_all_codes(service: Service) -> None:
    person = enrolled(service)
    former = person.recovery_codes
    service.clock.advance(60)
    new = good(person.post(f"{RECOVERY}/reset", person.sudo))["recoveryCodes"]
    assert len(new) == 10
    assert not set(new) & set(former)
    assert refusal(person.guess_recovery_code(person.access, former[0])) == WRONG
    assert person.guess_recovery_code(person.access, new[0]).status_code == 200
    assert good(person.get("/user/2fa", person.access))["recoveryCodes"]["completedAt"] == "2026-01-01T00:01:30.000Z"


def test_a_reset_ends_the_wait(service: Service) -> None:
    person = enrolled(service)
    exhaust(person)
    new = good(person.post(f"{RECOVERY}/reset", person.sudo))["recoveryCodes"]
    assert person.guess_recovery_code(person.access, new[0]).status_code == 200


def test_a_reset_takes_no_body_at_all(service: Service) -> None:
    person = enrolled(service)
    assert service.call("POST", f"{RECOVERY}/reset", person.sudo).status_code == 200


def test_codes_stay_with_the_method_that_is_left_and_end_with_the_last(service: Service) -> None:
    person = enrolled(service)
    person.enable_email_otp(person.sudo)
    assert person.delete(TOTP, person.sudo).status_code == 204
    person.totp = None
    assert person.guess_recovery_code(person.access, person.recovery_codes[0]).status_code == 200
    sudo = person.sudo_by_recovery(1)
    assert person.delete(EMAIL_OTP, sudo).status_code == 204
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    gone = person.guess_recovery_code(person.access, person.recovery_codes[2])
    assert refusal(gone) == (409, "RECOVERY_CODES_UNINITIALIZED")
    assert refusal(person.post(f"{RECOVERY}/reset", sudo)) == (409, "2FA_IS_DISABLED")


def test_after_the_end_the_next_first_method_gives_ten_new_codes(service: Service) -> None:
    person = enrolled(service)
    former = person.recovery_codes
    assert person.delete(TOTP, person.sudo).status_code == 204
    new = person.enable_totp()
    assert len(new) == 10
    assert not set(new) & set(former)
    assert refusal(person.guess_recovery_code(person.access, former[0])) == WRONG


def test_an_administrators_reset_deletes_the_codes(service: Service) -> None:
    person = enrolled(service)
    accounts.reset_2fa(service.doorward.env, EMAIL)
    assert good(person.get("/user/2fa", person.access)) == {"enabled": False}
    gone = person.guess_recovery_code(person.access, person.recovery_codes[0])
    assert refusal(gone) == (409, "RECOVERY_CODES_UNINITIALIZED")
