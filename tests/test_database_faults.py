"""Whatever befalls PostgreSQL, requests get 503 and are done again when it is over."""

import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from doorward.core.clock import SystemClock
from doorward.core.db import Database
from doorward.core.errors import DatabaseUnavailable
from doorward.core.limits import Limits
from doorward.core.migrate import PATIENT, migrate
from doorward.core.statements import Statement
from doorward.core.tables import users
from doorward.mail.delivery import Smtp
from doorward.mail.worker import Worker
from doorward.users.store import find, find_by_name
from tests.support.clock import FakeClock
from tests.support.logs import logged
from tests.support.person import Person, good
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.service import EMAIL, PASSWORD, Service, running
from tests.support.smtp import SmtpCatcher
from tests.support.visitor import Visitor

IMPATIENT = {
    "database_pool": "2",
    "database_pool_wait": "1",
    "database_connect_timeout": "2",
    "database_statement_timeout": "1",
    "database_lock_timeout": "1",
}
NAME, TEMPLATE = "faulty", "template"
# By SQLSTATE: what passes, and what a statement alone is to blame for.
PASSING = (
    *("08006", "0A000", "25006", "25P03", "26000", "40001", "40P01", "42P05", "53100", "53200", "53300"),
    *("55P03", "57014", "57P01", "57P03", "58030", "XX000", "XX002"),
)
LASTING = ("23505", "42P01", "22001", "25P02")


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A PostgreSQL that these tests stop, freeze and fill."""
    with postgres_server() as server:
        migrate(server.create_database(TEMPLATE))
        yield server


@pytest.fixture
def faulty(own: PostgresServer, tmp_path: Path, clock: FakeClock, smtp: SmtpCatcher) -> Iterator[Service]:
    url = own.create_database(NAME, TEMPLATE)
    try:
        with running(url, tmp_path, clock, smtp, **IMPATIENT) as service:
            yield service
    finally:
        own.drop_database(NAME)


@contextmanager
def administrator(own: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own.url("postgres"), autocommit=True) as connection:
        yield connection


def end_connections(connection: psycopg.Connection) -> None:
    """As a restart of PostgreSQL does, and wait until it is done."""
    connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [NAME])


def everything(person: Person, refresh: str, access: str) -> list[httpx.Response]:
    """A request of each kind: with the hot read alone, with more reads, with writes."""
    service = person.service
    return [
        service.call("GET", "/auth/accesstoken", refresh),
        service.call("GET", "/user/2fa", access),
        service.call("GET", "/auth/refreshtoken", refresh),
        service.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD}),
        service.call("POST", "/user/password/reset/send", json={"email": "nobody@example.org"}),
    ]


def is_unavailable(answer: httpx.Response) -> bool:
    told = answer.json()["message"] == "DATABASE_UNAVAILABLE" and int(answer.headers["retry-after"]) > 0
    return answer.status_code == 503 and told


def test_all_calls_get_503_without_a_database_and_go_on_with_it(own: PostgresServer, faulty: Service) -> None:
    person = Person.at(faulty)
    refresh, access = person.refresh, person.access
    assert all(each.is_success for each in everything(person, refresh, access))
    browser = Visitor.at(faulty, "/account", Accept="text/html")
    browser.sign_in()
    own.stop()
    assert all(is_unavailable(each) for each in everything(person, refresh, access))
    for path, status in {"/account": 503, "/admin/users": 503, "/account/no-such-page": 404}.items():
        answer = browser.client.get(path)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (status, "text/html"), path
    assert faulty.call("GET", "/health/ready").json() == {"status": "unavailable", "schema": "unreachable"}
    assert faulty.call("GET", "/health/live").status_code == 200
    parts = (faulty.doorward.worker, faulty.doorward.events, faulty.doorward.sweeper)
    with logged() as log:
        assert [part.turn() for part in parts * 2] == [0.5, 1.0, 300.0] * 2
        assert log.events == [("warning", f"{name}: database unavailable") for name in ("outbox", "events", "sweep")]
    own.start()
    with logged() as log:
        assert [part.turn() for part in parts] == [0.5, 0.0, 300.0]
        assert log.events == [("info", f"{name}: database available again") for name in ("outbox", "events", "sweep")]
    faulty.clock.advance(60)
    assert faulty.call("GET", "/health/ready").status_code == 200
    assert all(each.is_success for each in everything(person, refresh, access))


def test_connections_that_died_in_the_pool_cost_no_request(own: PostgresServer, faulty: Service) -> None:
    person = Person.at(faulty)
    refresh, access = person.refresh, person.access
    for _ in range(3):
        with administrator(own) as connection:
            end_connections(connection)
        faulty.clock.advance(60)
        assert all(each.is_success for each in everything(person, refresh, access))


def test_what_is_prepared_outlives_a_transaction_that_is_undone(own: PostgresServer, faulty: Service) -> None:
    ann, database = faulty.add_user(), faulty.doorward.env.db
    with administrator(own) as connection:
        end_connections(connection)
    for _ in range(3):
        with database.read() as tx:
            found = find(tx, ann)
            names = (
                tx.execute(sa.text("SELECT name FROM pg_prepared_statements WHERE name LIKE 'hot%'")).scalars().all()
            )
        assert found is not None
        assert len(names) == 1


def test_what_is_prepared_no_more_costs_one_call_and_not_the_next(own: PostgresServer, faulty: Service) -> None:
    faulty.add_user()
    faulty.login()
    with faulty.doorward.env.db.read() as tx:
        tx.execute(sa.text("DEALLOCATE ALL"))
    statuses = [
        faulty.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD}).status_code for _ in range(2)
    ]
    assert statuses == [503, 200]


def test_a_text_with_nul_is_refused_and_not_cut_off(own: PostgresServer) -> None:
    named = Statement(sa.select(users.c.id).where(users.c.email == sa.bindparam("email")))
    with closing(Database(own.url(TEMPLATE), SystemClock(), Limits(pool=2))) as db:
        with pytest.raises(psycopg.DataError), db.read() as tx:
            tx.first(named, {"email": f"{EMAIL}\0x"})
        with pytest.raises(psycopg.DataError):
            db.reads().first(named, {"email": f"{EMAIL}\0x"})


def test_what_is_prepared_and_void_by_a_migration_costs_one_call_and_not_the_next(
    own: PostgresServer, faulty: Service
) -> None:
    faulty.add_user()
    login = {"username": EMAIL, "password": PASSWORD}
    assert faulty.call("POST", "/auth/login", json=login).status_code == 200
    with psycopg.connect(own.url(NAME), autocommit=True) as connection:
        connection.execute("ALTER TABLE users ALTER COLUMN email TYPE varchar(300)")
    assert [faulty.call("POST", "/auth/login", json=login).status_code for _ in range(3)] == [503, 200, 200]


def test_a_read_only_database_serves_what_only_reads(own: PostgresServer, faulty: Service) -> None:
    person = Person.at(faulty)
    refresh, access = person.refresh, person.access
    with administrator(own) as connection:
        connection.execute(f"ALTER DATABASE {NAME} SET default_transaction_read_only = on")
        end_connections(connection)
        answers = everything(person, refresh, access)
        assert [each.is_success for each in answers[:2]] == [True, True]
        assert all(is_unavailable(each) for each in answers[2:])
        assert faulty.call("GET", "/health/ready").status_code == 200
        connection.execute(f"ALTER DATABASE {NAME} RESET default_transaction_read_only")
    # The servers look anew for where they can write.
    faulty.clock.advance(60)
    assert all(each.is_success for each in everything(person, refresh, access))


def test_a_lock_is_waited_for_no_longer_than_its_limit(own: PostgresServer, faulty: Service) -> None:
    Person.at(faulty)
    with psycopg.connect(own.url(NAME)) as connection:
        connection.execute("LOCK TABLE sessions, throttles")
        answer = faulty.call("POST", "/auth/login", json={"username": EMAIL, "password": PASSWORD})
        assert is_unavailable(answer)
        connection.rollback()
    assert faulty.login()


def test_a_server_that_answers_nothing_is_given_up(own: PostgresServer, faulty: Service) -> None:
    person = Person.at(faulty)
    refresh, access = person.refresh, person.access
    assert faulty.call("GET", "/health/ready").status_code == 200
    with own.frozen():
        assert faulty.call("GET", "/health/ready").status_code == 503
        # With a connection that it has, and with one that it would make.
        for path in ("/auth/accesstoken", "/auth/accesstoken", "/auth/refreshtoken"):
            assert is_unavailable(faulty.call("GET", path, refresh))
    assert faulty.call("GET", "/health/ready").status_code == 200
    assert all(each.is_success for each in everything(person, refresh, access))


def test_nobody_waits_for_a_connection_forever(own: PostgresServer, faulty: Service) -> None:
    person = Person.at(faulty)
    db = faulty.doorward.env.db
    with db.read(), db.read():
        assert is_unavailable(faulty.call("GET", "/auth/refreshtoken", person.refresh))
    assert faulty.call("GET", "/auth/refreshtoken", person.refresh).status_code == 200


def test_what_passes_is_unavailable_and_what_does_not_is_a_fault(own: PostgresServer) -> None:
    with closing(Database(own.url(TEMPLATE), SystemClock(), Limits(pool=2))) as db:
        for state in PASSING:
            with pytest.raises(DatabaseUnavailable), db.write() as tx:
                tx.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{state}'; END $$"))
        for state in LASTING:
            with pytest.raises(sa.exc.DBAPIError) as caught, db.write() as tx:
                tx.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{state}'; END $$"))
            assert caught.value.orig is not None


@contextmanager
def ended_at_the_rollback(server: PostgresServer) -> Iterator[int]:
    """The port of what stands before the server, and answers a ROLLBACK with the server's last words and its own."""
    told = b"".join(_fatal(code) for code in ("57P01", "08P01"))

    def stand_between(client: socket.socket, behind: socket.socket) -> None:
        with client, behind:
            while True:
                for ready in select.select([client, behind], [], [])[0]:
                    data = ready.recv(65_536)
                    if not data or b"ROLLBACK" in data:
                        client.sendall(told)
                        return
                    (behind if ready is client else client).sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:

        def take_one() -> None:
            client, _ = listening.accept()
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(str(server.socket_folder / ".s.PGSQL.5432"))
            stand_between(client, behind)

        pool.submit(take_one)
        yield listening.getsockname()[1]


def _fatal(code: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0Mended\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def test_a_connection_that_ends_with_more_than_one_error_is_unavailable(own: PostgresServer) -> None:
    with ended_at_the_rollback(own) as port:
        database = Database(f"postgresql://postgres@127.0.0.1:{port}/postgres", SystemClock())
        with closing(database), pytest.raises(DatabaseUnavailable), database.read() as tx:
            tx.execute(sa.select(1))


def test_too_many_connections_are_unavailable(own: PostgresServer) -> None:
    with administrator(own) as connection:
        connection.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    url = own.url(TEMPLATE).replace("postgres@", "crowded@")
    with closing(Database(url, SystemClock())) as db:
        with pytest.raises(DatabaseUnavailable), db.read():
            pass
        with pytest.raises(DatabaseUnavailable):
            find_by_name(db.reads(), EMAIL)


@dataclass
class LastDelivery:
    """Sends a mail, and then PostgreSQL stops."""

    smtp: Smtp
    own: PostgresServer

    def send(self, message: EmailMessage) -> None:
        self.smtp.send(message)
        self.own.stop()


def test_a_mail_that_went_out_as_the_database_went_away_is_not_sent_again(own: PostgresServer, faulty: Service) -> None:
    faulty.add_user()
    good(faulty.call("POST", "/user/password/reset/send", json={"email": EMAIL}))
    env = faulty.doorward.env
    worker = Worker(env.db, env.outbox, env.mails, LastDelivery(Smtp(faulty.smtp.url, 10), own), env.clock)
    with pytest.raises(DatabaseUnavailable):
        worker.run_once()
    own.start()
    worker.run_once()
    faulty.clock.advance(600)
    faulty.deliver()
    assert len(faulty.smtp.mails) == 1


def test_a_migration_may_take_its_time_but_waits_for_no_lock(own: PostgresServer) -> None:
    url = own.create_database("slow", TEMPLATE)
    with closing(Database(url, SystemClock(), PATIENT)) as database, database.write() as tx:
        shown = [tx.connection.exec_driver_sql(f"SHOW {name}_timeout").scalar() for name in ("statement", "lock")]
    assert shown == ["0", "1s"]


def write_with_an_unnoticed_failure(database: Database, how: str) -> None:
    with database.write() as tx:
        tx.execute(sa.text("INSERT INTO kept VALUES (2)"))
        with suppress(sa.exc.IntegrityError):
            tx.execute(sa.text(f"INSERT {how} INTO kept VALUES (1)"))


def kept(database: Database) -> list[int]:
    with database.read() as tx:
        return list(tx.execute(sa.text("SELECT id FROM kept ORDER BY id")).scalars())


def assert_all_was_undone_and_the_next_one_works(database: Database) -> None:
    assert kept(database) == [1]
    with database.write() as tx:
        tx.execute(sa.text("INSERT INTO kept VALUES (3)"))
    assert kept(database) == [1, 3]


def begin_kept(database: Database) -> None:
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE kept (id int PRIMARY KEY)"))
        tx.execute(sa.text("INSERT INTO kept VALUES (1)"))


def test_what_a_failed_statement_has_undone_is_not_taken_for_done(own: PostgresServer) -> None:
    with closing(Database(own.create_database("undone"), SystemClock())) as database:
        begin_kept(database)
        with pytest.raises(sa.exc.InternalError, match="nothing was committed"):
            write_with_an_unnoticed_failure(database, "")
        assert_all_was_undone_and_the_next_one_works(database)


def test_what_sqlite_has_undone_is_not_taken_for_done(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'kept.db'}", SystemClock())) as database:
        begin_kept(database)
        # As at a full disk: not the statement alone is undone, but all of the transaction.
        with pytest.raises(DatabaseUnavailable):
            write_with_an_unnoticed_failure(database, "OR ROLLBACK")
        assert_all_was_undone_and_the_next_one_works(database)
