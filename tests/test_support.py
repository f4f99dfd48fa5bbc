"""What the other tests stand on does what they think it does."""

import shutil
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.message import EmailMessage
from email.policy import SMTPUTF8
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import LiteralString
from urllib.parse import unquote

import psutil
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import new_page
from tests.support.clock import START_MS, FakeClock
from tests.support.databases import (
    copied_postgresql,
    copied_sqlite,
    make_postgresql_template,
    make_sqlite_template,
)
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpCatcher

# Clock


def test_the_clock_moves_only_when_told(clock: FakeClock) -> None:
    assert clock.now_ms() == clock.now_ms() == START_MS == 1_767_225_600_000
    clock.advance(1.5)
    assert clock.now_ms() == START_MS + 1_500


# Mail


def mail(subject: str, to: str = "ada@example.org") -> EmailMessage:
    message = EmailMessage(policy=SMTPUTF8)
    message["From"] = "doorward@example.org"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Żółw\n")
    return message


def send(smtp: SmtpCatcher, message: EmailMessage, timeout: float = 10) -> None:
    with smtplib.SMTP("127.0.0.1", smtp.port, local_hostname="client.test", timeout=timeout) as client:
        client.send_message(message)


def test_mails_are_kept_in_order(smtp: SmtpCatcher) -> None:
    for subject in ("one", "two"):
        send(smtp, mail(subject))
    assert [message["Subject"] for message in smtp.wait_for(2)] == ["one", "two"]
    assert smtp.mails[0].sender == "doorward@example.org"
    assert smtp.mails[0].recipients == ("ada@example.org",)
    assert smtp.messages[0].get_content() == "Żółw\n"


def test_an_address_may_hold_any_letter(smtp: SmtpCatcher) -> None:
    send(smtp, mail("Zażółć", to="żółw@example.org"))
    (message,) = smtp.wait_for(1)
    assert message["To"] == "żółw@example.org"
    assert message["Subject"] == "Zażółć"
    assert smtp.mails[0].recipients == ("żółw@example.org",)


@pytest.mark.parametrize("subject", ["Your code " * 30 + "end", "Zażółć gęślą jaźń " * 20 + "end"])
def test_a_folded_header_is_read_whole(smtp: SmtpCatcher, subject: str) -> None:
    send(smtp, mail(subject, to="żółw@example.org"))
    (message,) = smtp.wait_for(1)
    assert message["Subject"] == subject


def test_waiting_ends_when_the_mail_arrives(smtp: SmtpCatcher) -> None:
    later = threading.Timer(0.1, send, (smtp, mail("late")))
    later.start()
    assert len(smtp.wait_for(1)) == 1
    later.join()


def test_waiting_in_vain_says_what_came(smtp: SmtpCatcher) -> None:
    send(smtp, mail("hello"))
    with pytest.raises(TimeoutError, match=r"for 2 mails, got 1: \['hello'\]"):
        smtp.wait_for(2, timeout=0.01)


@pytest.mark.parametrize("reply", ["451 4.3.0 Try again later", "550 5.1.1 No such user"])
def test_mails_are_refused_until_accepted_again(smtp: SmtpCatcher, reply: str) -> None:
    smtp.refuse(reply)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(smtp, mail("refused"))
    assert refused.value.smtp_code == int(reply[:3])
    smtp.accept()
    send(smtp, mail("accepted"))
    assert [message["Subject"] for message in smtp.messages] == ["accepted"]


def test_a_recipient_is_refused(smtp: SmtpCatcher) -> None:
    smtp.refuse("550 5.1.1 No such user", at="RCPT")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp, mail("refused"))
    assert smtp.messages == []


def test_the_server_hangs(smtp: SmtpCatcher) -> None:
    smtp.hang(at="MAIL")
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send(smtp, mail("never"), timeout=0.2)
    assert smtp.messages == []


def test_accepting_again_frees_a_client_left_hanging(smtp: SmtpCatcher) -> None:
    smtp.hang()
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send, smtp, mail("never"))
        smtp.wait_for_hanging()
        smtp.accept()
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            sending.result()
    send(smtp, mail("taken"))
    assert [message["Subject"] for message in smtp.messages] == ["taken"]


def test_the_connection_is_dropped(smtp: SmtpCatcher) -> None:
    smtp.drop()
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        send(smtp, mail("lost"))
    assert smtp.messages == []


def test_the_server_comes_back_on_its_port(smtp: SmtpCatcher) -> None:
    port = smtp.port
    with socket.create_connection(("127.0.0.1", port)):
        smtp.stop()
    with pytest.raises(ConnectionRefusedError):
        send(smtp, mail("nobody there"))
    smtp.start()
    assert smtp.port == port
    send(smtp, mail("back"))
    smtp.wait_for(1)


# Databases


def one(url: str, statement: LiteralString) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def run(url: str, statement: LiteralString) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def make_postgresql_table(url: str) -> None:
    run(url, "CREATE TABLE facts (n INTEGER)")


def make_sqlite_table(url: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE facts (n INTEGER)")


def test_a_postgresql_copy_is_its_own_and_goes_with_the_test(postgres: PostgresServer) -> None:
    template = make_postgresql_template(postgres, make_postgresql_table, "support_template")
    with copied_postgresql(postgres, template) as first, copied_postgresql(postgres, template) as second:
        run(first, "INSERT INTO facts VALUES (1)")
        assert one(first, "SELECT count(*) FROM facts") == 1
        assert one(second, "SELECT count(*) FROM facts") == 0
        left_open = psycopg.connect(first)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(first)
    left_open.close()
    postgres.drop_database(template)


def test_a_sqlite_copy_is_its_own_and_goes_with_the_test(tmp_path: Path) -> None:
    template = make_sqlite_template(tmp_path, make_sqlite_table)
    for _ in range(2):
        with copied_sqlite(template) as url:
            path = Path(url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(path)) as connection, connection:
                assert connection.execute("SELECT count(*) FROM facts").fetchone() == (0,)
                assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
                connection.execute("INSERT INTO facts VALUES (1)")
        assert not path.exists()


def test_postgresql_sorts_and_stores_as_in_production(postgres: PostgresServer) -> None:
    assert one(postgres.url("postgres"), "SHOW server_encoding") == "UTF8"
    assert one(postgres.url("postgres"), "SELECT lower('ŻÓŁW')") == "żółw"


def test_a_durable_postgresql_keeps_what_it_committed_when_it_is_killed(
    durable_postgres: PostgresServer,
) -> None:
    url = durable_postgres.create_database("kept")
    assert one(url, "SHOW fsync") == "on"
    make_postgresql_table(url)
    run(url, "INSERT INTO facts VALUES (1)")
    durable_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    durable_postgres.start()
    assert one(url, "SELECT count(*) FROM facts") == 1


ENDLESS = """
import sys
from pathlib import Path
from tests.support.postgres import PostgresServer
server = PostgresServer().start()
print(server.url("postgres"), server._process.pid, flush=True)
sys.stdin.read()
"""


def test_postgresql_ends_with_tests_that_were_killed() -> None:
    tests = subprocess.Popen([sys.executable, "-c", ENDLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    url, pid = tests.stdout.readline().split()
    server = psutil.Process(int(pid))
    assert one(url, "SELECT 1") == 1
    tests.kill()
    tests.communicate()
    server.wait(10)
    shutil.rmtree(unquote(url.partition("host=")[2]))


# Pages

PAGE = b"""<!doctype html><title>Hello</title>
<form><label>Name <input name=name></label><button>Greet</button></form><output></output>
<script>
document.forms[0].onsubmit = event => {
  event.preventDefault();
  document.querySelector("output").textContent = "Hello, " + event.target.elements.name.value;
};
</script>"""


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hello() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_is_used_as_a_person_would(page: Page, hello: str) -> None:
    page.goto(hello)
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("button", name="Greet").click()
    expect(page.get_by_role("status")).to_have_text("Hello, Ada")


def break_and_leave(browser: Browser, url: str) -> None:
    with new_page(browser) as page:
        page.goto(url)
        with page.expect_event("pageerror"):
            page.evaluate("setTimeout(() => { throw new Error('broken') })")


def test_an_error_in_a_script_of_the_page_fails_the_test(browser: Browser, hello: str) -> None:
    with pytest.raises(AssertionError, match="broken"):
        break_and_leave(browser, hello)
