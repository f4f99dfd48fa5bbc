"""Passwords: their rules, how they are compared and stored, and what a change of them ends."""

import hashlib
from collections.abc import Callable

import bcrypt
import httpx
import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.core.tables import users
from doorward.hashing.foreign import b64
from doorward.hashing.schemes import Argon2Cost, hash_password
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.tokens import user_with_totp, user_without_2fa

NEW = "Another-Horse-2"
CHANGE = "/user/password/old-password"


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def change(service: Service, token: str, new: str, old: str = PASSWORD) -> httpx.Response:
    return service.call("PUT", CHANGE, token, json={"oldPassword": old, "newPassword": new})


def login(service: Service, password: str, name: str = EMAIL) -> httpx.Response:
    return service.call("POST", "/auth/login", json={"username": name, "password": password})


def stored(service: Service) -> str:
    with service.doorward.env.db.read() as tx:
        return str(tx.execute(sa.select(users.c.password_hash)).scalar_one())


def store(service: Service, password_hash: str | None) -> None:
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(users).values(password_hash=password_hash))


# Rules


def test_a_weak_password_names_the_first_rule_it_breaks(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    upper, lower, digit = (f"at least one {what}" for what in ("uppercase character", "lowercase character", "digit"))
    for password, rule in {
        "": upper, "aa1": upper, "aaaaaaa1": upper, "\u00c4aaaaaa1": upper, "A": lower, "AAAAAAA1": lower,
        "A\u00e4AAAAA1": lower, "Aa": digit, "Aaaaaaaa": digit, "Aaaaaaa\u0661": digit, "Aa1": "at least 8 characters",
        "Aa1\u00e9\u00e9\u00e9\u00e9": "at least 8 characters",
        "Aaaaaa1": "at least 8 characters", "Aa1" + "x" * 254: "at most 256 characters", "x" * 300: upper,
    }.items():  # fmt: skip
        assert message(change(service, token, password)) == (400, f"Password must contain {rule}"), password
        reset = {"userEmail": EMAIL, "otp": "000000", "newPassword": password}
        answer = service.call("PUT", "/user/password/otp", json=reset)
        assert message(answer) == (400, f"Password must contain {rule}"), password
    assert login(service, PASSWORD).status_code == 200


STRONG: list[str] = [
    "Aaaaaaa1", "Aa1" + "x" * 253, "Aa1" + "\U0001f511" * 253, " Aaaaaa1 ", "Aa1\t\n\r\x0b\x7f", "Aa1\0\0\0\0\0",
    "Aa1 \u00e9\u0301\u202e\ufeff", "Aa1'\"\\;--${}%s", "Aa1xx\ufffe\uffff\U0010ffff",
]  # fmt: skip


def test_a_strong_password_of_any_characters_is_kept_and_compared_exactly(service: Service) -> None:
    service.add_user()
    current = PASSWORD
    for password in STRONG:
        access = service.access(service.login(password=current))
        assert change(service, access, password, old=current).status_code == 204, password
        assert login(service, password).status_code == 200
        others = {password.strip(), password + " ", " " + password, password[:-1], password.swapcase()} - {password}
        for other in others:
            if len(other) <= 256:
                assert message(login(service, other)) == (401, "PASSWORD_INCORRECT"), other
        current = password
        service.clock.advance(3600)


def test_a_password_is_not_normalised(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    composed, decomposed = "Passw\u00f6rd-1", "Passwo\u0308rd-1"
    assert change(service, token, composed).status_code == 204
    assert login(service, decomposed).status_code == 401
    assert login(service, composed).status_code == 200


def test_no_character_of_a_long_password_is_cut_off(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    long = "Aa1" + "\u00e9" * 253
    assert change(service, token, long).status_code == 204
    for position in (71, 72, 127, 128, 255):
        service.clock.advance(3600)
        assert login(service, long[:position] + "x" + long[position + 1 :]).status_code == 401
    service.clock.advance(3600)
    assert login(service, long).status_code == 200
    assert message(login(service, long + "x")) == (400, "body/password must NOT have more than 256 characters")


# Stored hashes

IMPORTED = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "scrypt": "$scrypt$ln=4,r=8,p=1$"
    + b64(b"salt-salt-salt-s")
    + "$"
    + b64(hashlib.scrypt(PASSWORD.encode(), salt=b"salt-salt-salt-s", n=16, r=8, p=1, dklen=32)),
    "argon2 of another cost": hash_password(PASSWORD, Argon2Cost(2, 16)),
}


@pytest.mark.parametrize("scheme", ["bcrypt", "scrypt", "argon2 of another cost"])
def test_an_imported_hash_is_replaced_at_the_next_login(service: Service, scheme: str) -> None:
    service.add_user()
    store(service, IMPORTED[scheme])
    assert login(service, "wrong").status_code == 401
    assert stored(service) == IMPORTED[scheme]
    assert login(service, PASSWORD).status_code == 200
    replaced = stored(service)
    assert replaced.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert login(service, PASSWORD).status_code == 200
    assert stored(service) == replaced
    assert login(service, "wrong").status_code == 401


def test_an_imported_pbkdf2_hash_is_replaced_at_the_next_login(service: Service) -> None:
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt-salt-salt-s", 1000)
    service.add_user()
    store(service, f"$pbkdf2-sha256$1000${b64(b'salt-salt-salt-s').replace('+', '.')}${b64(key).replace('+', '.')}")
    assert login(service, PASSWORD).status_code == 200
    assert stored(service).startswith("$argon2id$")


def test_a_bcrypt_hash_is_not_replaced_by_one_of_what_it_never_read(service: Service) -> None:
    """After 72 bytes it takes anything: a mistyped end must not become the password."""
    long = f"{PASSWORD}{'x' * (72 - len(PASSWORD))}"
    hashed = bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode()
    service.add_user()
    store(service, hashed)
    assert login(service, f"{long}mistyped").status_code == 200
    assert stored(service) == hashed
    assert login(service, long).status_code == 200
    assert stored(service).startswith("$argon2id$")


def test_a_better_hash_of_the_same_password_ends_no_session_and_no_login_under_way(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    store(service, IMPORTED["bcrypt"])
    assert login(service, PASSWORD).status_code == 200
    assert service.call("GET", "/auth/accesstoken", user.tokens["refresh"]).status_code == 200
    assert service.call("GET", "/user/2fa", user.tokens["partial"]).status_code == 200


def test_a_damaged_hash_is_a_wrong_password(service: Service) -> None:
    service.add_user()
    for damaged in ("", "x", "$argon2id$", "$2b$04$short", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"):
        store(service, damaged)
        service.clock.advance(3600)
        assert message(login(service, PASSWORD)) == (401, "PASSWORD_INCORRECT")


# Changes


def test_a_change_ends_all_other_sessions_but_not_this_one(service: Service) -> None:
    here, there = user_without_2fa(service, EMAIL), service.login()
    elsewhere = service.access(there)
    assert change(service, here["access"], NEW).status_code == 204
    assert service.call("GET", "/auth/refreshtoken/validate", here["refresh"]).status_code == 200
    assert service.call("GET", "/auth/accesstoken/validate", here["access"]).status_code == 200
    assert message(service.call("GET", "/auth/refreshtoken/validate", there)) == (401, "TOKEN_REVOKED")
    assert message(service.call("GET", "/auth/accesstoken/validate", elsewhere)) == (401, "TOKEN_REVOKED")
    assert message(login(service, PASSWORD)) == (401, "PASSWORD_INCORRECT")
    assert login(service, NEW).status_code == 200
    service.deliver()
    assert [mail.recipients for mail in service.smtp.mails] == [(EMAIL,)]


def test_a_wrong_old_password_changes_nothing(service: Service) -> None:
    here, there = user_without_2fa(service, EMAIL), service.login()
    assert message(change(service, here["access"], NEW, old="wrong")) == (401, "PASSWORD_INCORRECT")
    assert service.call("GET", "/auth/refreshtoken/validate", there).status_code == 200
    assert login(service, PASSWORD).status_code == 200
    service.deliver()
    assert service.smtp.mails == []


def test_a_change_neither_touches_2fa_nor_is_got_without_it(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    assert message(change(service, user.tokens["access"], NEW)) == (401, "SUDO_TOKEN_REQUIRED")
    assert change(service, user.tokens["sudo"], NEW).status_code == 204
    assert login(service, NEW).headers["x-token-use"] == "partial"
    # A login begun with the old password can not be finished.
    assert message(service.call("GET", "/user/2fa", user.tokens["partial"])) == (401, "TOKEN_REVOKED")


def test_a_reset_ends_all_sessions_and_is_no_way_around_2fa(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    reset = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": NEW}
    assert service.call("PUT", "/user/password/otp", json=reset).status_code == 204
    for use, path in (("refresh", "/auth/accesstoken"), ("access", "/user/2fa"), ("partial", "/user/2fa")):
        assert message(service.call("GET", path, user.tokens[use])) == (401, "TOKEN_REVOKED")
    assert message(service.call("DELETE", "/user/2fa/totp", user.tokens["sudo"])) == (401, "TOKEN_REVOKED")
    again = login(service, NEW)
    assert again.headers["x-token-use"] == "partial"
    assert message(service.call("GET", "/auth/accesstoken", again.text)) == (401, "2FA_REQUIRED_PARTIAL_TOKEN")
    code = service.next_totp_code(user.authenticator)
    done = service.call("POST", "/user/2fa/totp/authenticate", again.text, json={"totp": code})
    assert done.status_code == 200


# Who can not log in


def test_a_disabled_user_can_neither_log_in_nor_use_a_token(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    accounts.disable(service.doorward.env, EMAIL)
    assert message(login(service, PASSWORD)) == (401, "PASSWORD_INCORRECT")
    for use, path in (("refresh", "/auth/accesstoken"), ("access", "/user/2fa"), ("partial", "/user/2fa")):
        assert message(service.call("GET", path, user.tokens[use])) == (401, "TOKEN_REVOKED")
    accounts.enable(service.doorward.env, EMAIL)
    assert login(service, PASSWORD).status_code == 200
    assert message(service.call("GET", "/auth/accesstoken", user.tokens["refresh"])) == (401, "TOKEN_REVOKED")


def test_a_user_without_a_password_is_refused_like_a_wrong_one_and_can_set_one_by_a_reset(service: Service) -> None:
    service.add_user(password=None)
    for password in ("", PASSWORD, "None"):
        assert message(login(service, password)) == (401, "PASSWORD_INCORRECT")
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    reset = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": NEW}
    assert service.call("PUT", "/user/password/otp", json=reset).status_code == 204
    assert login(service, NEW).status_code == 200


@pytest.mark.parametrize("ends", [accounts.disable, accounts.delete])
def test_a_user_who_is_gone_has_no_tokens(service: Service, ends: Callable[..., None]) -> None:
    tokens = user_without_2fa(service, EMAIL)
    ends(service.doorward.env, EMAIL)
    for use, path in (("refresh", "/auth/refreshtoken"), ("access", "/auth/accesstoken/validate")):
        assert message(service.call("GET", path, tokens[use])) == (401, "TOKEN_REVOKED")
    assert message(change(service, tokens["access"], NEW)) == (401, "TOKEN_REVOKED")
