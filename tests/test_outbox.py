"""Mails on their way: sent once, retried, given up, and kept until then."""

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from doorward.core.tables import outbox
from doorward.mail.delivery import Delivery
from doorward.mail.worker import Worker
from tests.support.person import EMAIL_OTP, OTP_ADDRESS, Person, good, notices, refusal
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.smtp import Stage
from tests.support.threads import by_many

NEW_PASSWORD = "Another-Horse-2"
Start = Callable[..., Service]


def ask(service: Service, email: str = EMAIL, query: str = "", **headers: str) -> None:
    path = f"/user/password/reset/send{query}"
    assert service.call("POST", path, json={"email": email}, headers=headers).status_code == 204


def rows(service: Service) -> list[sa.Row[tuple[int, int, int, str]]]:
    """What waits: next attempt, attempts so far, and the last error."""
    columns = (outbox.c.id, outbox.c.next_attempt_at, outbox.c.attempts, outbox.c.last_error)
    with service.doorward.env.db.read() as tx:
        return list(tx.execute(sa.select(*columns).where(outbox.c.failed_at.is_(None)).order_by(outbox.c.id)).all())


def seconds_to_next_try(service: Service) -> float:
    (row,) = rows(service)
    return int(row.next_attempt_at - service.clock.now_ms()) / 1000


def recipients(service: Service) -> list[str]:
    return [to for mail in service.smtp.mails for to in mail.recipients]


def another_worker(service: Service) -> Worker:
    """As another process has it."""
    ours, env = service.doorward.worker, service.doorward.env
    return Worker(env.db, env.outbox, env.mails, ours._delivery, service.clock)


# Once


def test_a_mail_is_queued_with_its_code_and_sent_in_the_background(service: Service) -> None:
    service.add_user()
    ask(service)
    assert service.smtp.mails == []
    assert len(rows(service)) == 1
    service.deliver()
    assert recipients(service) == [EMAIL]
    assert rows(service) == []


def test_a_mail_that_comes_while_others_are_sent_waits_for_the_next_time(service: Service) -> None:
    worker = service.doorward.worker
    for address in (EMAIL, "bob@example.org"):
        service.add_user(address)
        ask(service, address)
        service.clock.advance(1)
    woke = service.clock.now_ms() - 1_500
    assert [worker.run_once(woke), worker.run_once(woke)] == [True, False]
    assert recipients(service) == [EMAIL]
    assert worker.run_once()


def test_however_many_workers_run_each_mail_is_sent_once(service: Service) -> None:
    addresses = [f"u{number}@example.org" for number in range(12)]
    for address in addresses:
        service.add_user(address, password=None)
        ask(service, address)
    workers = [another_worker(service) for _ in range(6)]

    def work(number: int) -> None:
        while rows(service):
            workers[number].run_once()

    by_many(work, len(workers))
    assert sorted(recipients(service)) == sorted(addresses)


def test_a_running_worker_sends_until_it_is_stopped(service: Service) -> None:
    service.add_user()
    ask(service)
    service.doorward.start_background()
    service.smtp.wait_for(1)
    service.doorward.worker.stop()


def test_a_mail_survives_a_restart(start: Start) -> None:
    first = start()
    first.add_user()
    ask(first)
    first.doorward.close()
    second = start()
    assert second.mailed_code(EMAIL)
    assert recipients(second) == [EMAIL]


def test_what_waits_is_encrypted(service: Service) -> None:
    service.add_user()
    ask(service)
    with service.doorward.env.db.read() as tx:
        (content,) = tx.execute(sa.select(outbox.c.content)).scalars()
    assert EMAIL.encode() not in content
    assert b"reset-code" not in content


def test_a_mail_to_nobody_waits_like_any_other_and_is_dropped(service: Service) -> None:
    service.add_user()
    ask(service)
    ask(service, "ben@example.org")
    with service.doorward.env.db.read() as tx:
        known, unknown = tx.execute(sa.select(outbox).order_by(outbox.c.id)).all()
    assert len(unknown.content) == len(known.content) - len("false") + len("true")
    assert known[2:-1] == unknown[2:-1]
    assert len(known.recipient) == len(unknown.recipient) == 32
    service.deliver()
    assert recipients(service) == [EMAIL]
    assert rows(service) == []


# Again


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_a_mail_that_is_refused_for_now_is_tried_again(service: Service, stage: Stage) -> None:
    service.add_user()
    service.smtp.refuse("451 4.3.0 Try again later", at=stage)
    ask(service)
    service.deliver()
    assert seconds_to_next_try(service) == 5
    service.clock.advance(4.999)
    service.smtp.accept()
    service.deliver()
    assert recipients(service) == []
    service.clock.advance(0.001)
    service.deliver()
    assert recipients(service) == [EMAIL]
    assert rows(service) == []


def test_the_pauses_double_from_five_seconds_to_a_quarter_of_an_hour(service: Service) -> None:
    person = Person.at(service)
    person.put("/user/password/old-password", person.access, oldPassword=PASSWORD, newPassword=NEW_PASSWORD)
    service.smtp.refuse("451 4.3.0 Try again later")
    for pause in (5, 10, 20, 40, 80, 160, 320, 640, 900, 900):
        service.deliver()
        assert seconds_to_next_try(service) == pause
        service.clock.advance(pause)
    service.smtp.accept()
    service.deliver()
    assert len(recipients(service)) == 1


def test_a_mail_is_given_up_after_two_days(service: Service) -> None:
    person = Person.at(service)
    person.put("/user/password/old-password", person.access, oldPassword=PASSWORD, newPassword=NEW_PASSWORD)
    service.smtp.refuse("451 4.3.0 Try again later")
    service.clock.advance(48 * 3600 - 1)
    service.deliver()
    assert len(rows(service)) == 1
    service.clock.advance(3600)
    service.deliver()
    assert rows(service) == []


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_a_mail_that_is_refused_for_good_is_given_up(service: Service, stage: Stage) -> None:
    service.add_user()
    service.add_user("bob@example.org")
    service.smtp.refuse("550 5.1.1 No such user", at=stage)
    ask(service)
    service.deliver()
    assert rows(service) == []
    service.smtp.accept()
    ask(service, "bob@example.org")
    service.deliver()
    assert recipients(service) == ["bob@example.org"]


def test_while_nobody_listens_mails_wait(service: Service) -> None:
    service.add_user()
    service.smtp.stop()
    ask(service)
    service.deliver()
    (row,) = rows(service)
    assert (row.attempts, row.last_error) == (1, "ConnectionRefusedError")
    service.smtp.start()
    service.clock.advance(5)
    service.deliver()
    assert recipients(service) == [EMAIL]


def test_while_nobody_listens_one_mail_is_tried_and_the_others_rest(service: Service) -> None:
    for address in ("u1@example.org", "u2@example.org", "u3@example.org"):
        service.add_user(address)
        ask(service, address)
    service.smtp.stop()
    service.doorward.worker.work()
    assert sum(row.attempts for row in rows(service)) == 1
    service.smtp.start()
    service.clock.advance(5)
    service.doorward.worker.work()
    assert rows(service) == []


@pytest.mark.parametrize("stage", ["MAIL", "DATA"])
def test_a_connection_that_breaks_is_tried_again(service: Service, stage: Stage) -> None:
    service.add_user()
    service.smtp.drop(at=stage)
    ask(service)
    service.deliver()
    assert seconds_to_next_try(service) == 5
    service.smtp.accept()
    service.clock.advance(5)
    service.deliver()
    assert recipients(service) == [EMAIL]


def test_a_server_that_falls_silent_is_left_after_the_timeout(start: Start) -> None:
    service = start(smtp_timeout="1")
    service.add_user()
    service.smtp.hang()
    ask(service)
    service.deliver()
    assert seconds_to_next_try(service) == 5
    service.smtp.accept()
    service.clock.advance(5)
    service.deliver()
    assert recipients(service) == [EMAIL]


@pytest.mark.parametrize("farewell", ["421 4.3.2 Going down", "500 5.5.1 What?"])
def test_an_unfriendly_farewell_after_the_mail_was_taken_sends_nothing_twice(service: Service, farewell: str) -> None:
    service.add_user()
    service.smtp.refuse(farewell, at="QUIT")
    ask(service)
    service.deliver()
    assert rows(service) == []
    service.clock.advance(3600)
    service.deliver()
    assert recipients(service) == [EMAIL]


def test_an_unfriendly_farewell_does_not_bring_a_refused_mail_back(service: Service) -> None:
    service.add_user("ann@example.org")
    service.smtp.refuse("554 5.7.1 Never", at="MAIL")
    ask(service)
    service.deliver()
    assert rows(service) == []


def test_an_address_that_no_mail_can_go_to_is_given_up(service: Service) -> None:
    service.add_user('"a b"@example.org')
    service.add_user()
    ask(service, '"a b"@example.org')
    ask(service)
    service.deliver()
    assert recipients(service) == [EMAIL]
    assert rows(service) == []


def test_a_mail_that_no_key_opens_is_given_up(service: Service) -> None:
    service.add_user()
    ask(service)
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.update(outbox).values(content=b"\x01broken"))
    service.deliver()
    assert rows(service) == []


def test_one_bad_mail_does_not_hold_up_the_others(service: Service) -> None:
    for name in ("a", "b", "c"):
        service.add_user(f"{name}@example.org")
        ask(service, f"{name}@example.org")
    with service.doorward.env.db.write() as tx:
        first = sa.select(sa.func.min(outbox.c.id)).scalar_subquery()
        tx.execute(sa.update(outbox).where(outbox.c.id == first).values(content=b"broken"))
    service.deliver()
    assert recipients(service) == ["b@example.org", "c@example.org"]


# Expiry


def test_an_expired_code_is_not_mailed(service: Service) -> None:
    service.add_user()
    ask(service)
    service.clock.advance(600)
    service.deliver()
    assert recipients(service) == []
    assert rows(service) == []


def test_a_code_that_is_good_for_a_moment_still_is_mailed(service: Service) -> None:
    service.add_user()
    ask(service)
    service.clock.advance(599.999)
    service.deliver()
    assert recipients(service) == [EMAIL]


def test_an_hour_without_a_mail_server(service: Service) -> None:
    person = Person.at(service)
    service.smtp.stop()
    for _ in range(12):
        ask(service)
        assert person.access
        service.deliver()
        service.clock.advance(300)
    good(person.put("/user/password/old-password", person.access, oldPassword=PASSWORD, newPassword=NEW_PASSWORD))
    service.deliver()
    service.smtp.start()
    service.clock.advance(900)
    service.deliver()
    # The notice, and none of the codes: even the last one has expired.
    assert notices(service, EMAIL) == ["Your auth.example.org password has been changed"]
    assert rows(service) == []


# Workers that died


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Deadly:
    """A way to deliver that kills its worker, after the mail was sent or before."""

    delivery: Delivery
    sends: bool

    def send(self, message: EmailMessage) -> None:
        if self.sends:
            self.delivery.send(message)
        raise Killed


def die_over_a_mail(service: Service, *, sent: bool) -> None:
    ours, env = service.doorward.worker, service.doorward.env
    worker = Worker(env.db, env.outbox, env.mails, Deadly(ours._delivery, sent), service.clock)
    with pytest.raises(Killed):
        worker.run_once()


def test_a_claim_of_a_dead_worker_is_taken_over_after_five_minutes(service: Service) -> None:
    service.add_user()
    ask(service)
    die_over_a_mail(service, sent=False)
    service.clock.advance(299.999)
    service.deliver()
    assert recipients(service) == []
    service.clock.advance(0.001)
    service.deliver()
    assert recipients(service) == [EMAIL]
    assert rows(service) == []


def test_a_mail_is_sent_at_most_twice_however_often_workers_die(service: Service) -> None:
    service.add_user()
    person = Person.at(service, "bob@example.org")
    good(person.put("/user/password/old-password", person.access, oldPassword=PASSWORD, newPassword=NEW_PASSWORD))
    for _ in range(2):
        die_over_a_mail(service, sent=True)
        service.clock.advance(300)
    service.deliver()
    service.clock.advance(300)
    service.deliver()
    assert recipients(service) == ["bob@example.org"] * 2
    ids = {str(mail.message["Message-ID"]) for mail in service.smtp.mails}
    assert len(ids) == 1
    assert rows(service) == []


# Which mail


BRANDS = """
[default]
name = "Acme"
sender = "no-reply@acme.example"
home_url = "https://acme.example"

[brands."shop"]
name = "Shop"
sender = "hello@shop.example"
home_url = "https://shop.example"
language = "nl"

[brands."empty"]
templates = "texts"
templates_only = true
"""
TEXTS = """
[mails.test]
subject = "x"
heading = "x"
body = ["x"]
not_you = ""
"""


@pytest.fixture
def branded(start: Start, tmp_path: Path) -> Service:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.toml").write_text(TEXTS)
    brands = tmp_path / "brands.toml"
    brands.write_text(BRANDS)
    return start(brands_file=str(brands))


@pytest.mark.parametrize(
    ("query", "sender", "subject"),
    [
        ("", "no-reply@acme.example", "Reset your Acme password"),
        ("?origin=shop", "hello@shop.example", "Kies een nieuw wachtwoord voor Shop"),
        ("?origin=shop&language=en", "hello@shop.example", "Reset your Shop password"),
        ("?origin=shop&language=xx", "hello@shop.example", "Kies een nieuw wachtwoord voor Shop"),
        ("?origin=nowhere", "no-reply@acme.example", "Reset your Acme password"),
        ("?origin=&language=xx", "no-reply@acme.example", "Reset your Acme password"),
        ("?language=EN", "no-reply@acme.example", "Reset your Acme password"),
    ],
)
def test_origin_picks_the_brand_and_language_the_language(
    branded: Service, query: str, sender: str, subject: str
) -> None:
    branded.add_user()
    ask(branded, query=query)
    branded.deliver()
    (mail,) = branded.smtp.mails
    assert sender in str(mail.message["From"])
    assert mail.message["Subject"] == subject


@pytest.mark.parametrize(
    ("query", "accepted", "subject"),
    [
        ("", "fr-BE,fr;q=0.9,en;q=0.5", "Réinitialisez votre mot de passe Acme"),
        ("?language=de", "fr", "Neues Passwort für Acme wählen"),
        ("?language=xx", "pl", "Ustaw nowe hasło do Acme"),
        ("?origin=shop", "ja, *", "Kies een nieuw wachtwoord voor Shop"),
    ],
)
def test_a_browser_tells_which_languages_its_reader_knows(
    branded: Service, query: str, accepted: str, subject: str
) -> None:
    branded.add_user()
    ask(branded, query=query, **{"Accept-Language": accepted})
    branded.deliver()
    assert [mail.message["Subject"] for mail in branded.smtp.mails] == [subject]


def test_every_call_that_mails_a_code_takes_origin_and_language(branded: Service) -> None:
    person = Person.at(branded)
    query = "?origin=shop&language=en"
    good(person.post(f"{EMAIL_OTP}/setup{query}", person.access, email=OTP_ADDRESS))
    code = branded.mailed_code(OTP_ADDRESS)
    codes = good(person.post(f"{EMAIL_OTP}/enable", person.access, otp=code))["recoveryCodes"]
    branded.clock.advance(60)
    good(person.post(f"{EMAIL_OTP}/challenge{query}", person.access))
    sudo = good(person.guess_recovery_code(person.access, codes[0]))["sudoToken"]
    good(person.post(f"/user/email/initiate{query}", sudo, email="moved@example.org"))
    ask(branded, query=query)
    branded.clock.advance(60)
    good(person.post(f"/v1/auth/forgot-password{query}", None, email=EMAIL))
    branded.deliver()
    from_shop = [mail for mail in branded.smtp.mails if "hello@shop.example" in str(mail.message["From"])]
    assert len(from_shop) == 5


def test_where_no_template_exists_the_call_fails_before_anything_is_written(branded: Service) -> None:
    person = Person.at(branded)
    missing = (500, "UNABLE_TO_FIND_MAIL_TEMPLATE")
    calls = [
        ("/user/password/reset/send", None, EMAIL),
        ("/user/password/reset/send", None, "nobody@example.org"),
        ("/v1/auth/forgot-password", None, EMAIL),
        (f"{EMAIL_OTP}/setup", person.access, OTP_ADDRESS),
        ("/user/email/initiate", person.access, "moved@example.org"),
    ]
    for path, token, address in calls:
        assert refusal(person.post(f"{path}?origin=empty", token, email=address)) == missing, path
    assert rows(branded) == []
    for path, token, address in calls[1:2] + calls[3:]:
        assert person.post(path, token, email=address).status_code == 204
