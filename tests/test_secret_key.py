"""The secret key: rotated while the service runs, with two servers and on either database."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from doorward import reseal as resealing
from doorward.core.tables import totp
from doorward.core.vault import CannotOpen, Vault, WrongSecretKey, derived
from doorward.factors import otp
from doorward.factors.totp import context
from doorward.reseal import left, reseal
from doorward.settings import SettingsError, load
from tests.support.cli import SECRET_KEY, Cli, Done
from tests.support.person import TOTP, Person, good, refusal
from tests.support.service import EMAIL, PASSWORD, Service

OLD, NEW = SECRET_KEY, "the-next-secret-key-of-these-tests-of-32-signs"

Start = Callable[..., Service]


def waiting(service: Service) -> int:
    env = service.doorward.env
    with env.db.read() as tx:
        return left(tx, env.vault)


def log_in_with_totp(service: Service, person: Person) -> None:
    partial = service.login()
    body = {"totp": service.next_totp_code(person.authenticator)}
    assert good(service.call("POST", f"{TOTP}/authenticate", partial, json=body))["refreshToken"]


# The vault


def test_both_keys_open_and_the_new_one_seals() -> None:
    old, both, new = Vault(OLD), Vault(NEW, (OLD,)), Vault(NEW)
    for sealed in (old.seal(b"secret", "here"), both.seal(b"secret", "here")):
        assert both.open(sealed, "here") == b"secret"
        flipped = sealed[:9] + bytes([sealed[9] ^ 1]) + sealed[10:]
        for altered in (sealed[:-1], sealed[:5], b"", flipped, b"\1" + sealed[1:]):
            with pytest.raises(CannotOpen):
                both.open(altered, "here")
        with pytest.raises(CannotOpen):
            both.open(sealed, "elsewhere")
    assert new.open(both.seal(b"secret", "here"), "here") == b"secret"
    with pytest.raises(CannotOpen):
        old.open(both.seal(b"secret", "here"), "here")


def test_what_was_sealed_before_keys_had_ids_opens_still() -> None:
    sealed = Vault(OLD).seal(b"secret", "here")
    earlier = b"\1" + sealed[len(Vault(OLD).seal_prefix) :]
    assert Vault(NEW, (OLD,)).open(earlier, "here") == b"secret"
    with pytest.raises(CannotOpen):
        Vault(NEW).open(earlier, "here")


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert len({derived(key, purpose) for key in (OLD, NEW) for purpose in ("seal", "digest", "key-id")}) == 6


# The whole way


def test_everything_outlives_the_secret_key(start: Start) -> None:
    """TOTP, recovery codes, a mailed code, a mail on its way, tokens and counts of wrong guesses."""
    before = start()
    person = Person.at(before)
    person.enable_totp()
    refresh = person.refresh
    before.clock.advance(60)
    good(before.call("POST", "/user/password/reset/send", json={"email": EMAIL}))
    for _ in range(5):
        before.call("POST", "/auth/login", json={"username": "nobody@example.org", "password": PASSWORD})

    during = start(secret_key=NEW, previous_secret_keys=OLD)
    assert waiting(during) == 5  # the TOTP secret, two mails, the signing key, the digest key
    assert during.call("GET", "/auth/refreshtoken/validate", refresh).status_code == 200
    during.doorward.sweeper.sweep()
    assert waiting(during) == 0

    after = start(secret_key=NEW)
    code = after.mailed_code(EMAIL)
    assert after.call("GET", "/auth/refreshtoken/validate", refresh).status_code == 200
    nobody = {"username": "nobody@example.org", "password": PASSWORD}
    waits = after.from_address("198.51.100.7").post("/auth/login", json=nobody)
    assert refusal(waits) == (429, "TOO_MANY_FAILED_PASSWORD_CHECKS")
    log_in_with_totp(after, person)
    body = {"recoveryCode": person.recovery_codes[0]}
    answer = after.call("POST", "/user/2fa/recovery-code/authenticate", after.login(), json=body)
    assert good(answer)["sudoToken"]
    body = {"userEmail": EMAIL, "otp": code, "newPassword": "Another-Horse-2"}
    assert after.call("PUT", "/user/password/otp", json=body).status_code == 204


def test_servers_are_moved_to_a_new_key_one_after_another(start: Start) -> None:
    """As docs/rotate-keys.md says: first all learn the new key, then all use it, then the old one goes."""
    one, other = start(), start()
    person = Person.at(one)
    person.enable_totp()
    steps = [
        {"secret_key": OLD, "previous_secret_keys": NEW},
        {"secret_key": NEW, "previous_secret_keys": OLD},
        {"secret_key": NEW},
    ]
    for step in steps:
        one = start(**step)
        for service in (one, other, one):
            log_in_with_totp(service, person)
            service.doorward.env.tokens.keyring.rotate()
            service.doorward.sweeper.sweep()
            service.clock.advance(7 * 60)
        other = start(**step)
        # What a server with the former settings has sealed meanwhile.
        other.doorward.sweeper.sweep()
        log_in_with_totp(other, person)
    assert waiting(other) == 0


def test_a_code_is_right_that_races_with_the_new_seal(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start()
    person, newcomer = Person.at(before), Person.at(before, "other@example.org")
    person.enable_totp()
    newcomer.totp = newcomer.set_totp_up(newcomer.access)
    service = start(secret_key=NEW, previous_secret_keys=OLD)
    env, matching = service.doorward.env, otp.matching_step

    def sealed_anew_meanwhile(secret: bytes, code: str, now: int) -> int | None:
        """The one moment between the reading of a secret and the use of its code."""
        reseal(env.db, env.vault)
        return matching(secret, code, now)

    partial = service.login()
    with monkeypatch.context() as patched:
        patched.setattr(otp, "matching_step", sealed_anew_meanwhile)
        body = {"totp": service.totp_code(newcomer.authenticator)}
        assert service.call("POST", f"{TOTP}/enable", newcomer.access, json=body).status_code == 200
        assert waiting(service) == 0
        with env.db.write() as tx:
            of_person = sa.and_(totp.c.user_id == person.id, totp.c.secret.is_not(None))
            sealed = Vault(OLD).seal(
                env.vault.open(tx.execute(sa.select(totp.c.secret).where(of_person)).scalar_one(), context(person.id)),
                context(person.id),
            )
            tx.execute(sa.update(totp).where(of_person).values(secret=sealed))
        body = {"totp": service.next_totp_code(person.authenticator)}
        assert service.call("POST", f"{TOTP}/authenticate", partial, json=body).status_code == 200
        assert waiting(service) == 0
    assert refusal(service.call("POST", f"{TOTP}/authenticate", service.login(), json=body)) == (401, "TOTP_INCORRECT")


def test_a_former_key_that_is_forgotten_too_early_is_told_at_the_start(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person.at(start())
    person.enable_totp()
    for number in range(3):
        start().add_user(f"user{number}@example.org")
    service = start(secret_key=NEW, previous_secret_keys=OLD)
    monkeypatch.setattr(resealing, "BATCH", 1)
    env = service.doorward.env
    while waiting(service) > 1:
        reseal(env.db, env.vault, most=1)
        if waiting(service):
            with pytest.raises(WrongSecretKey):
                start(secret_key=NEW)
    reseal(env.db, env.vault)
    log_in_with_totp(start(secret_key=NEW), person)


def test_what_no_key_opens_is_counted_and_left_alone(start: Start) -> None:
    person = Person.at(start())
    person.enable_totp()
    service = start(secret_key=NEW, previous_secret_keys=OLD)
    env = service.doorward.env
    torn = b"\2torn" + bytes(60)
    with env.db.write() as tx:
        tx.execute(sa.update(totp).values(secret=torn))
    result = reseal(env.db, env.vault)
    assert (result.unopened, waiting(service)) == (1, 1)
    with env.db.read() as tx:
        assert tx.execute(sa.select(totp.c.secret)).scalar_one() == torn
    assert good(start(secret_key=NEW).call("GET", "/health/ready"))


# By command, and from where the keys come


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def test_the_commands_tell_what_is_left_and_seal_it(cli: Cli) -> None:
    cli.must("users", "create", EMAIL)
    cli.must("users", "invite", "ben@example.org")
    both = {"secret_key": NEW, "previous_secret_keys": OLD}

    def point() -> str:
        rows = cli.run("check", "--json", **both).rows
        (found,) = (row["found"] for row in rows if row["name"] == "previous secret keys")
        return str(found)

    assert "3 values are sealed by a former secret key" in point()
    assert "3 values are sealed anew" in cli.must("keys", "reseal", **both)
    assert "take them out of the settings" in point()
    cli.must("keys", "list", secret_key=NEW)
    assert "can't be opened" in cli.fails("keys", "list")


def test_secrets_come_from_systemd_credentials_too(tmp_path: Path) -> None:
    (tmp_path / "doorward.secret_key").write_text(f"{NEW}\n")
    (tmp_path / "doorward.previous_secret_keys").write_text(f"{OLD}\n{OLD}2\n")
    (tmp_path / "another.service").write_text("not ours")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    settings = load(environ)
    assert (settings.secret_key, settings.previous_secret_keys) == (NEW, (OLD, f"{OLD}2"))
    for also in ({"DOORWARD_SECRET_KEY": OLD}, {"DOORWARD_SECRET_KEY_FILE": "/nowhere"}):
        with pytest.raises(SettingsError, match="keep one of the two"):
            load(environ | also)
    (tmp_path / "doorward.secret_kee").write_text(NEW)
    with pytest.raises(SettingsError, match="did you mean `secret_key`"):
        load(environ)


def test_the_one_machines_key_is_rotated_as_the_page_says(cli: Cli) -> None:
    folder = cli.folder / "data"
    kept = folder / "secret.key.old"

    def as_the_server_starts(email: str, **settings: str) -> Done:
        return cli.run("users", "create", email, secret_key="", **settings)

    cli.must("migrate")
    assert as_the_server_starts(EMAIL).code == 0
    (folder / "secret.key").rename(kept)
    # Not the former key: no new one is made beside what neither opens.
    assert "can't be opened" in as_the_server_starts("ben@example.org", previous_secret_keys=NEW).err
    assert not (folder / "secret.key").exists()
    both = {"previous_secret_keys_file": str(kept)}
    assert as_the_server_starts("ben@example.org", **both).code == 0
    assert (folder / "secret.key").read_text() != kept.read_text()
    assert "2 values are sealed anew" in cli.must("keys", "reseal", secret_key="", **both)
    kept.unlink()
    cli.must("keys", "list", secret_key="")


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may not read everything, which root may."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_credentials_that_systemd_could_not_hand_over_are_missed(tmp_path: Path) -> None:
    """In a container without shared mounts systemd names a folder that isn't there: a key of our own would be made."""
    with pytest.raises(SettingsError, match="could not hand its files over"):
        load({"CREDENTIALS_DIRECTORY": str(tmp_path / "doorward.service")})
    # Likewise one that is there and can't be looked into, or that holds a file with nothing in it.
    (tmp_path / "doorward.secret_key").write_text("\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    for file in (environ, {"DOORWARD_SECRET_KEY_FILE": str(tmp_path / "doorward.secret_key")}):
        with pytest.raises(SettingsError, match="is empty"):
            load(file)
    tmp_path.chmod(0)
    with nobody(), pytest.raises(SettingsError, match="could not hand its files over"):
        load(environ)
    tmp_path.chmod(0o700)


def test_a_short_or_misplaced_secret_is_refused_and_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "doorward.toml"
    file.write_text("secret_key = 8888888888\n")
    for wrong in ({"DOORWARD_PREVIOUS_SECRET_KEYS": f"{OLD},8888888888"}, {"DOORWARD_CONFIG": str(file)}):
        with pytest.raises(SettingsError) as caught:
            load(wrong)
        assert "8888888888" not in str(caught.value)
