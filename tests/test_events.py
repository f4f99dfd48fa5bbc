"""Events are chained: what is removed or changed in the database shows, and what the service itself does does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.audit import record
from doorward.core.tables import event_chain, events
from doorward.events.chain import BATCH, Chain, ChainBroken
from doorward.events.looks import BEGINNING, Looks
from doorward.events.store import erase
from doorward.events.verify import Verdict, verify
from tests.support.cli import Cli
from tests.support.clock import FakeClock
from tests.support.databases import copied_postgresql
from tests.support.person import Person
from tests.support.postgres import PostgresServer
from tests.support.service import EMAIL, Service, running
from tests.support.smtp import SmtpCatcher
from tests.support.threads import HANDS, by_many

DAY = 24 * 3600
FROM = "203.0.113.9"


def chain_of(service: Service) -> Chain:
    return Chain(service.doorward.env.db, service.doorward.env.vault)


def happen(service: Service, times: int = 5, *, seal: bool = True) -> None:
    """Events of a user who is not there."""
    for _ in range(times):
        with service.doorward.env.db.write() as tx:
            record(tx, "login.refused", user_id=99, client_address=FROM)
    if seal:
        chain_of(service).seal_all()


def tamper(service: Service, statement: sa.Executable) -> None:
    with service.doorward.env.db.write() as tx:
        assert tx.execute(statement).rowcount > 0


def checked(service: Service) -> Verdict:
    return verify(chain_of(service))


def seqs(service: Service) -> list[int | None]:
    with service.doorward.env.db.read() as tx:
        return list(tx.execute(sa.select(events.c.seq).order_by(events.c.id)).scalars())


def test_what_nobody_touched_is_intact(service: Service) -> None:
    assert checked(service).broken is None
    service.add_user()
    service.login()
    assert checked(service).unsealed == 2
    while service.doorward.events.run_once():
        pass
    verdict = checked(service)
    assert (verdict.broken, verdict.checked, verdict.unsealed, verdict.late) == (None, 2, 0, 0)


def test_a_removed_event_shows(service: Service) -> None:
    happen(service)
    tamper(service, sa.delete(events).where(events.c.seq == 3))
    broken = checked(service).broken
    assert broken is not None
    assert (broken.seq, broken.reason) == (3, "an event is missing")


def test_a_cut_beginning_shows(service: Service) -> None:
    happen(service)
    tamper(service, sa.delete(events).where(events.c.seq == 1))
    assert checked(service).broken.seq == 1  # type: ignore[union-attr]


def test_a_cut_end_shows(service: Service) -> None:
    happen(service)
    tamper(service, sa.delete(events).where(events.c.seq == 5))
    assert checked(service).broken.seq == 5  # type: ignore[union-attr]


def test_a_gap_that_is_closed_shows(service: Service) -> None:
    happen(service)
    tamper(service, sa.delete(events).where(events.c.seq == 3))
    tamper(service, sa.update(events).where(events.c.seq == 4).values(seq=3))
    tamper(service, sa.update(events).where(events.c.seq == 5).values(seq=4))
    assert checked(service).broken.seq == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1},
        {"type": "login.succeeded"},
        {"user_id": None},
        {"user_id": 98},
        {"session_id": "x"},
        {"client_address": "203.0.113.10"},
        {"detail": ""},
        {"actor": "somebody"},
        {"reason": "a reason"},
        {"sealed_at": 1},
        {"digest": None},
        {"digest": bytes(32)},
        {"client_digest": bytes(32)},
        {"client_salt": bytes(16)},
        {"client_address": None, "client_digest": None},
    ],
    ids=str,
)
def test_a_changed_event_shows(service: Service, change: dict[str, Any]) -> None:
    happen(service)
    tamper(service, sa.update(events).where(events.c.seq == 2).values(**change))
    assert checked(service).broken.seq == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["head", "anchor"])
@pytest.mark.parametrize("change", [{"seq": 2}, {"digest": bytes(31) + b"1"}, {"mac": bytes(32)}], ids=str)
def test_a_changed_record_of_where_the_chain_ends_or_begins_shows(
    service: Service, name: str, change: dict[str, Any]
) -> None:
    happen(service)
    tamper(service, sa.update(event_chain).where(event_chain.c.name == name).values(**change))
    assert checked(service).broken is not None
    happen(service, seal=False)
    if name == "head":
        with pytest.raises(ChainBroken):
            chain_of(service).seal()
    else:
        service.clock.advance(400 * DAY)
        with pytest.raises(ChainBroken):
            service.doorward.sweeper.sweep()


def test_the_beginning_can_t_be_cut_with_the_record_of_an_event_s_own_digest(service: Service) -> None:
    happen(service)
    with service.doorward.env.db.read() as tx:
        second = tx.execute(sa.select(events.c.digest).where(events.c.seq == 2)).scalar_one()
    tamper(service, sa.delete(events).where(events.c.seq <= 2))
    tamper(service, sa.update(event_chain).where(event_chain.c.name == "anchor").values(seq=2, digest=second))
    assert checked(service).broken is not None
    with service.doorward.env.db.read() as tx:
        mac = tx.execute(sa.select(event_chain.c.mac).where(event_chain.c.name == "head")).scalar_one()
    tamper(service, sa.update(event_chain).where(event_chain.c.name == "anchor").values(mac=mac))
    assert checked(service).broken is not None


def test_without_its_records_a_chain_is_not_begun_anew(service: Service) -> None:
    happen(service)
    tamper(service, sa.delete(event_chain))
    assert checked(service).broken is not None
    happen(service, seal=False)
    with pytest.raises(ChainBroken):
        chain_of(service).seal()


def test_a_chain_made_anew_shows_by_its_age_and_by_what_was_noted_down(service: Service) -> None:
    happen(service)
    noted = checked(service).head
    service.clock.advance(3600)
    tamper(service, sa.delete(event_chain))
    tamper(service, sa.delete(events).where(events.c.seq == 3))
    tamper(service, sa.update(events).values(seq=None))
    chain_of(service).seal_all()
    verdict = checked(service)
    assert (verdict.broken, verdict.late) == (None, 4)
    assert verify(chain_of(service), noted).broken is not None


def test_an_event_of_another_course_of_the_same_chain_shows(service: Service) -> None:
    """As one of a back-up that was restored and went on by itself has it: sealed by the same key, at the same place."""
    happen(service, 1)
    with service.doorward.env.db.read() as tx:
        before = [row._asdict() for row in tx.execute(sa.select(event_chain))]
    happen(service, 3)
    with service.doorward.env.db.read() as tx:
        other = tx.execute(sa.select(events).where(events.c.seq == 3)).one()._asdict()
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.delete(events).where(events.c.seq > 1))
        tx.execute(sa.delete(event_chain))
        tx.execute(sa.insert(event_chain), before)
    service.clock.advance(1)
    happen(service, 3)
    assert checked(service).broken is None
    tamper(service, sa.update(events).where(events.c.seq == 3).values(other))
    assert checked(service).broken is not None


def test_the_end_of_the_chain_can_t_be_given_out_as_its_beginning(service: Service) -> None:
    happen(service)
    with service.doorward.env.db.read() as tx:
        head = tx.execute(sa.select(event_chain).where(event_chain.c.name == "head")).one()
    tamper(service, sa.delete(events))
    at_the_end = {"seq": head.seq, "digest": head.digest, "mac": head.mac}
    tamper(service, sa.update(event_chain).where(event_chain.c.name == "anchor").values(at_the_end))
    assert checked(service).broken is not None


def test_another_installation_s_key_makes_no_chain(service: Service, start: Callable[..., Service]) -> None:
    happen(service)
    vault = service.doorward.env.vault
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vault, "digest_key", b"x" * 32)
        assert checked(service).broken is not None
    assert checked(service).broken is None


def test_a_rotated_secret_key_leaves_the_chain_as_it_is(service: Service, start: Callable[..., Service]) -> None:
    happen(service)
    former = service.doorward.env.settings.secret_key
    rotated = start(secret_key="another-secret-key-of-32-signs-or-more", previous_secret_keys=former)
    happen(rotated)
    rotated.doorward.sweeper.sweep()
    alone = start(secret_key="another-secret-key-of-32-signs-or-more")
    happen(alone)
    verdict = checked(alone)
    assert (verdict.broken, verdict.checked) == (None, 15)


def test_what_was_swept_leaves_an_anchor_that_the_rest_follows(service: Service) -> None:
    happen(service, 3)
    service.clock.advance(10 * DAY)
    happen(service, 2)
    service.clock.advance(355 * DAY - 1)
    service.doorward.events.run_once()
    service.doorward.sweeper.sweep()  # the counts by the hour, which are kept for less long
    assert service.doorward.sweeper.sweep() == 0
    service.clock.advance(1)
    assert service.doorward.sweeper.sweep() == 3
    verdict = checked(service)
    assert (verdict.broken, verdict.begins_behind, verdict.checked) == (None, 3, 2)
    service.clock.advance(400 * DAY)
    assert service.doorward.sweeper.sweep() == 2
    happen(service, 1)
    verdict = checked(service)
    assert (verdict.broken, verdict.begins_behind, verdict.checked) == (None, 5, 1)


def test_the_sweeper_takes_nothing_away_that_was_tampered_with(service: Service) -> None:
    happen(service)
    tamper(service, sa.update(events).where(events.c.seq <= 3).values(at=1))
    with pytest.raises(ChainBroken):
        service.doorward.sweeper.sweep()
    assert checked(service).broken.seq == 1  # type: ignore[union-attr]


def hide(service: Service) -> dict[str, Any]:
    """An event that can't be seen, as while its transaction has not committed: the next one has a higher id."""
    happen(service, 1, seal=False)
    with service.doorward.env.db.write() as tx:
        row = tx.execute(sa.select(events).order_by(events.c.id.desc()).limit(1)).one()
        tx.execute(sa.delete(events).where(events.c.id == row.id))
    return dict(row._mapping)


def show(service: Service, hidden: dict[str, Any]) -> None:
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.insert(events).values(**hidden))


def test_an_event_that_shows_after_those_behind_it_is_sealed_at_the_next_look(service: Service) -> None:
    chain = chain_of(service)
    for _ in range(5):
        late = hide(service)
        happen(service, 1, seal=False)
        assert (chain.seal(), chain.seal()) == (1, 0)
        service.clock.advance(59)
        assert chain.seal() == 0
        show(service, late)
        assert (chain.seal(), chain.seal()) == (1, 0)
        service.clock.advance(2)
    assert seqs(service) == [2, 1, 4, 3, 6, 5, 8, 7, 10, 9]
    assert checked(service).broken is None


def test_an_event_that_shows_ever_so_late_is_sealed_by_a_look_from_the_beginning(service: Service) -> None:
    chain = chain_of(service)
    late = [hide(service), hide(service)]
    happen(service, 1, seal=False)
    for sealed in (1, 0, 0, 0):
        assert chain.seal() == sealed
        service.clock.advance(61)
    show(service, late[1])
    happen(service, 1, seal=False)
    # It begins behind what is settled, else the test would be of nothing.
    assert (chain.seal(), seqs(service)[:1]) == (1, [None])
    service.clock.advance(478)
    show(service, late[0])
    assert (chain.seal(), chain.seal()) == (2, 0)
    assert seqs(service) == [3, 4, 1, 2]
    assert checked(service).broken is None


def test_a_transaction_that_commits_after_later_ones_were_sealed_loses_no_event(
    postgres: PostgresServer, postgresql_template: str, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher
) -> None:
    with (
        copied_postgresql(postgres, postgresql_template) as url,
        running(url, tmp_path, clock, smtp) as service,
    ):
        chain = chain_of(service)
        for pause, after in ((20, (1, 0)), (61, (0, 0))):
            with service.doorward.env.db.write() as tx:
                record(tx, "login.refused", user_id=98)
                happen(service, 1, seal=False)
                assert chain.seal() == 1
                for _ in range(3):
                    assert chain.seal() == 0
                    clock.advance(pause)
            assert (chain.seal(), chain.seal()) == after
        clock.advance(600)
        assert (chain.seal(), chain.seal()) == (1, 0)
        assert seqs(service) == [2, 1, 4, 3]
        assert checked(service).broken is None


def test_a_clock_that_is_turned_back_lets_a_look_begin_at_the_beginning() -> None:
    looks = Looks()
    looks.found_nothing(600_000, BEGINNING, 5)
    looks.found_nothing(660_000, BEGINNING, 7)
    assert looks.behind(660_000) == 5
    assert looks.behind(659_999) == BEGINNING
    looks.found_nothing(659_999, BEGINNING, 7)
    assert looks.behind(700_000) == BEGINNING
    looks.found_nothing(719_999, BEGINNING, 8)
    assert looks.behind(719_999) == 7


def test_many_seal_one_chain(service: Service, start: Callable[..., Service]) -> None:
    happen(service, BATCH + 50, seal=False)
    servers = [service, start(), start()]

    def work(number: int) -> None:
        happen(servers[number % 3], 10, seal=False)
        chain_of(servers[number % 3]).seal_all()

    by_many(work, 6)
    chain_of(service).seal_all()
    verdict = checked(service)
    assert (verdict.broken, verdict.checked, verdict.unsealed) == (None, BATCH + 110, 0)


def test_a_transaction_that_commits_late_is_chained_when_it_does(start: Callable[..., Service]) -> None:
    service = start()
    database = service.doorward.env.db
    if database.is_sqlite:
        # One writes at a time there: what has the lower id was committed before.
        happen(service, 2)
        assert seqs(service) == [1, 2]
        return
    with database.write() as tx:
        record(tx, "login.refused", user_id=99, client_address=FROM)
        happen(service, 2)
    chain_of(service).seal_all()
    assert seqs(service) == [3, 1, 2]
    assert checked(service).broken is None


def test_a_deleted_user_s_addresses_can_be_erased_and_the_chain_holds(service: Service) -> None:
    service.add_user()
    service.login()
    chain_of(service).seal_all()
    env = service.doorward.env
    with env.db.read() as tx:
        user_id = accounts.get(tx, EMAIL).id
    assert erase(env.db, user_id) is None
    accounts.delete(env, EMAIL)
    assert erase(env.db, user_id) == 1
    chain_of(service).seal_all()
    with env.db.read() as tx:
        kept = sa.or_(events.c.client_address.is_not(None), events.c.client_salt.is_not(None))
        assert tx.execute(sa.select(events.c.id).where(kept)).all() == []
    verdict = checked(service)
    assert (verdict.broken, verdict.erased, verdict.checked) == (None, 1, 3)


def test_an_address_that_was_taken_off_a_user_who_is_there_shows(service: Service) -> None:
    service.add_user()
    service.login()
    chain_of(service).seal_all()
    tamper(service, sa.update(events).where(events.c.seq == 2).values(client_address=None, client_salt=None))
    assert checked(service).broken.seq == 2  # type: ignore[union-attr]


def test_nor_can_it_be_taken_off_an_event_without_a_user(service: Service) -> None:
    service.call("POST", "/auth/login", json={"username": "nobody@example.org", "password": "Wrong-Horse-1"})
    chain_of(service).seal_all()
    tamper(service, sa.update(events).values(client_address=None, client_salt=None))
    assert checked(service).broken.seq == 1  # type: ignore[union-attr]


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def test_the_command_tells_the_first_place_that_broke(cli: Cli, service: Service) -> None:
    happen(service)
    said = cli.must("events", "verify")
    assert said.startswith("5 events are as they were sealed; 0 are not sealed yet\n")
    noted = said.splitlines()[-1].rpartition(" ")[2]
    assert cli.must("events", "verify", "--holds", noted[:34]) == said
    assert "another digest" in cli.fails("events", "verify", "--holds", f"5:{'0' * 64}")
    assert "not in the chain" in cli.fails("events", "verify", "--holds", f"6:{'0' * 64}")
    tamper(service, sa.delete(events).where(events.c.seq == 4))
    assert cli.fails("events", "verify") == "doorward: the chain of events breaks at place 4: an event is missing\n"
    done = cli.run("events", "verify", "--json")
    assert (done.code, done.rows[0]["intact"], done.rows[0]["brokenAt"]) == (1, False, 4)


@pytest.mark.parametrize("noted", ["5", "x:00", "0:" + "0" * 64, "5:" + "0" * 30, "5:" + "g" * 64])
def test_what_was_noted_down_must_say_enough(cli: Cli, noted: str) -> None:
    assert "is not like" in cli.fails("events", "verify", "--holds", noted, code=2)


def test_a_deleted_user_s_events_are_found_by_the_id(cli: Cli, service: Service) -> None:
    service.add_user()
    happen(service, 1)
    assert [row["type"] for row in cli.run("events", "list", "--json", "--user", "99").rows] == ["login.refused"]


def test_erasing_needs_a_deleted_user(cli: Cli, service: Service) -> None:
    service.add_user()
    happen(service, 2)
    assert "is not deleted" in cli.fails("events", "erase", "1")
    assert cli.must("events", "erase", "99") == "Erased the client address of 2 events of the deleted user 99\n"
    assert "2 have no client address" in cli.must("events", "verify")


def details(service: Service, event: str) -> list[str | None]:
    with service.doorward.env.db.read() as tx:
        return list(
            tx.execute(sa.select(events.c.detail).where(events.c.type == event).order_by(events.c.id)).scalars()
        )


@pytest.mark.parametrize("name", [EMAIL, "nobody@example.org"])
def test_a_guess_that_begins_a_wait_says_so_and_what_is_refused_meanwhile_is_no_event(
    service: Service, name: str
) -> None:
    service.add_user()
    guess = {"username": name, "password": "Wrong-Horse-1"}
    for _ in range(5):
        assert service.call("POST", "/auth/login", json=guess).status_code == 401
    for _ in range(3):
        assert service.call("POST", "/auth/login", json=guess).status_code == 429
    assert details(service, "login.refused") == [None] * 4 + ["wait"]
    service.clock.advance(1)
    assert service.call("POST", "/auth/login", json=guess).status_code == 401
    assert details(service, "login.refused") == [None] * 4 + ["wait"] * 2


def test_so_does_a_wrong_code(service: Service) -> None:
    person = Person.at(service)
    person.enable_totp()
    for _ in range(7):
        person.guess_totp(person.access)
    assert details(service, "second_factor.refused") == ["totp"] * 4 + ["totp/wait"]
    for _ in range(7):
        person.guess_recovery_code(person.access)
    assert details(service, "second_factor.refused")[5:] == ["recovery-code"] * 4 + ["recovery-code/wait"]


def test_so_does_a_wrong_old_password(service: Service) -> None:
    person = Person.at(service)
    passwords = {"oldPassword": "Wrong-Horse-1", "newPassword": "Another-Horse-2"}
    for _ in range(7):
        person.put("/user/password/old-password", person.access, **passwords)
    assert details(service, "password.refused") == [None] * 4 + ["wait"]


def test_servers_that_begin_the_chain_at_once_find_nothing_broken(service: Service) -> None:
    for _ in range(12):
        with service.doorward.env.db.write() as tx:
            tx.execute(sa.delete(event_chain))
        assert by_many(lambda _: chain_of(service).forget(1)) == [0] * HANDS
