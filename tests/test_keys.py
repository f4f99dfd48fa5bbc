"""Signing keys: rotated by age, revoked at once, with any number of servers."""

import json
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from doorward.core.errors import Refused
from doorward.tokens.keyring import Keyring, NoSuchKey
from doorward.tokens.keys import SigningKey, b64url
from tests.support.cli import Cli
from tests.support.service import Service
from tests.support.threads import by_many
from tests.support.tokens import claims_of

DAY = 24 * 3600
RELOADED = 5  # seconds, as docs/rotate-keys.md promises
INVALID = (401, "TOKEN_INVALID")

Start = Callable[..., Service]


def keyring(service: Service) -> Keyring:
    return service.doorward.env.tokens.keyring


def kids(service: Service) -> list[str]:
    return [key["kid"] for key in service.call("GET", "/.well-known/jwks.json").json()["keys"]]


def kid(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def validated(service: Service, refresh: str) -> tuple[int, str]:
    answer = service.call("GET", "/auth/refreshtoken/validate", refresh)
    return answer.status_code, answer.json().get("message", "")


def signed_by(key: SigningKey, like: str, now_ms: int) -> str:
    """A token that a thief of the key makes, for the session of another token."""
    now = now_ms // 1000
    claims = claims_of(like) | {"iat": now, "exp": now + 3600}
    text = f"{key.header}.{b64url(json.dumps(claims).encode())}"
    return f"{text}.{b64url(key.pair.sign(text.encode()))}"


# By age


def test_a_key_is_rotated_when_it_is_as_old_as_the_setting_says(start: Start) -> None:
    service = start(signing_key_max_age="30")
    (old,) = kids(service)
    service.clock.advance(30 * DAY - 1)
    service.doorward.sweeper.sweep()
    assert kids(service) == [old]
    service.clock.advance(1)
    service.doorward.sweeper.sweep()
    service.clock.advance(RELOADED)
    old_too, new = kids(service)
    assert old_too == old
    # The new one's age counts from here; sweeping on makes no third.
    service.clock.advance(30 * DAY - RELOADED - 1)
    service.doorward.sweeper.sweep()
    assert kids(service) == [new]


def test_any_number_of_servers_make_one_new_key(start: Start) -> None:
    servers = [start(signing_key_max_age="30") for _ in range(3)]
    servers[0].clock.advance(30 * DAY)
    by_many(lambda number: servers[number % 3].doorward.sweeper.sweep(), 12)
    servers[0].clock.advance(RELOADED)
    assert {len(kids(each)) for each in servers} == {2}
    assert len({tuple(kids(each)) for each in servers}) == 1


def test_no_age_rotates_nothing(start: Start) -> None:
    service = start(signing_key_max_age="0")
    service.clock.advance(1000 * DAY)
    service.doorward.sweeper.sweep()
    assert len(kids(service)) == 1


def test_no_token_is_refused_while_two_servers_rotate_again_and_again(start: Start) -> None:
    one, other = start(signing_key_max_age="1"), start(signing_key_max_age="1")
    one.add_user()
    refresh = one.login()
    signers = {kid(refresh)}
    for step in range(40):
        asked, sweeps = (one, other) if step % 2 else (other, one)
        sweeps.doorward.sweeper.sweep()
        answer = asked.call("GET", "/auth/refreshtoken", refresh)
        assert answer.status_code == 200, (step, answer.text)
        assert validated(asked, refresh) == validated(sweeps, answer.text) == (200, "")
        refresh = answer.text
        signers.add(kid(refresh))
        one.clock.advance(DAY / 4)
    assert len(signers) > 5


# Revoked


def test_a_revoked_key_is_refused_by_every_server_within_the_documented_seconds(start: Start) -> None:
    one, other = start(), start()
    one.add_user()
    refresh = one.login()
    # Both remember that they have verified it.
    assert validated(one, refresh) == validated(other, refresh) == (200, "")
    stolen = keyring(one).signing()
    new = keyring(one).revoke(stolen.kid)
    assert validated(one, refresh) == INVALID
    one.clock.advance(RELOADED)
    forged = signed_by(stolen, refresh, one.clock.now_ms())
    for service in (one, other):
        assert kids(service) == [new.kid]
        assert validated(service, refresh) == validated(service, forged) == INVALID
        assert kid(service.login()) == new.kid


def test_what_other_keys_signed_stays_good_when_one_is_revoked(start: Start) -> None:
    one, other = start(), start()
    one.add_user()
    before, old = one.login(), keyring(one).signing()
    keyring(one).rotate()
    one.clock.advance(7 * 60)
    after = other.login()
    assert kid(after) != old.kid
    keyring(other).revoke(old.kid)
    one.clock.advance(RELOADED)
    for service in (one, other):
        assert validated(service, before) == INVALID
        assert validated(service, after) == (200, "")
        assert kids(service) == [kid(after)]


def test_the_waiting_key_signs_at_once_when_the_signing_one_is_revoked(service: Service) -> None:
    service.add_user()
    waiting = keyring(service).rotate()
    signing = keyring(service).revoke(kid(service.login()))
    assert signing.kid == waiting.kid == kid(service.login())
    assert kids(service) == [waiting.kid]


def test_a_revoked_waiting_key_gets_a_successor_and_the_signing_one_lives_until_it_takes_over(service: Service) -> None:
    service.add_user()
    old = keyring(service).signing()
    waiting = keyring(service).rotate()
    service.clock.advance(6 * 60)
    assert keyring(service).revoke(waiting.kid).kid == old.kid
    service.clock.advance(7 * 60 - 1)
    last = service.login()
    assert kid(last) == old.kid
    service.clock.advance(1)
    old_too, new = kids(service)
    assert (old_too, kid(service.login())) == (old.kid, new)
    assert new != waiting.kid
    service.clock.advance(14 * DAY - 2)
    assert validated(service, last) == (200, "")


def test_revoking_each_key_in_turn_leaves_one_that_signs(service: Service) -> None:
    service.add_user()
    keyring(service).rotate()
    keyring(service).rotate()
    for _ in range(6):
        keyring(service).revoke(kids(service)[0])
        assert validated(service, service.login()) == (200, "")
    with pytest.raises(NoSuchKey):
        keyring(service).revoke("another")


def test_a_token_that_is_verified_while_its_key_is_revoked_is_not_remembered(service: Service) -> None:
    service.add_user()
    tokens, refresh = service.doorward.env.tokens, service.login()
    stolen = keyring(service).signing()

    class Slow:
        """Verifies, and the key is revoked meanwhile."""

        def __getattr__(self, name: str) -> object:
            return getattr(stolen.pair, name)

        def verifies(self, message: bytes, signature: bytes) -> bool:
            keyring(service).revoke(stolen.kid)
            return stolen.pair.verifies(message, signature)

    slow = SigningKey(Slow(), stolen.kid, stolen.header, 0, 0, None)  # type: ignore[arg-type]
    keyring(service)._by_header[stolen.header] = slow
    assert tokens.read(refresh).sub
    with pytest.raises(Refused, match="TOKEN_INVALID"):
        tokens.read(refresh)


# By command


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def test_the_command_revokes_and_ends_sessions_when_asked(cli: Cli) -> None:
    (old,) = cli.run("keys", "list", "--json").rows
    said = cli.must("keys", "revoke", old["kid"], "--end-sessions")
    assert f"Key {old['kid']} is revoked" in said
    assert f"within {RELOADED} s" in said
    assert "0 sessions ended" in said
    (new,) = cli.run("keys", "list", "--json").rows
    assert new["kid"] != old["kid"]
    assert new["state"] == "signing"
    assert "there is no key 'nonsense'" in cli.fails("keys", "revoke", "nonsense")


@pytest.mark.parametrize(
    "kid", ["-WgiE8OE8HU31pMN6ZtfmkcauixpJDEXMkuAlzRH4P4", "-_giE8OE8HU31pMN6ZtfmkcauixpJDEXMkuAlzRH4P-"]
)
def test_a_key_whose_id_begins_with_a_dash_can_be_named(cli: Cli, kid: str) -> None:
    assert f"there is no key '{kid}'" in cli.fails("keys", "revoke", kid, "--end-sessions")


def test_the_end_of_every_session_reaches_each(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from doorward.accounts import flows  # noqa: PLC0415 -- its constant is made smaller

    monkeypatch.setattr(flows, "SESSIONS_AT_ONCE", 2)
    service.add_user()
    refreshes = [service.login() for _ in range(5)]
    assert flows.end_every_session(service.doorward.env) == 5
    assert {validated(service, each) for each in refreshes} == {(401, "TOKEN_REVOKED")}
