"""Every statement that a request, the mail worker or the sweeper runs finds its rows by an index."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import sqlalchemy as sa

from doorward.accounts import flows as accounts
from doorward.accounts import search
from doorward.administration import administrators, keys, standing
from doorward.core.clock import DAY, SystemClock
from doorward.core.db import Database
from doorward.core.statements import Statement
from doorward.core.tables import events, metadata
from doorward.mail.notices import MailChoice
from tests.support.databases import copied_postgresql
from tests.support.person import Person, good
from tests.support.postgres import PostgresServer
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.statements import each_statement
from tests.support.visitor import Visitor

NEW_ADDRESS, NEW_PASSWORD = "new@example.org", "Another-Horse-2"
# One row a key of the installation or of an administrator.
SMALL = {"signing_keys", "admin_keys", "administrators"}
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@contextmanager
def recorded() -> Iterator[dict[str, Any]]:
    """The statements that are run meanwhile, each with values that it was run with."""
    statements: dict[str, Any] = {}
    with each_statement(statements.__setitem__):
        yield statements


def scanned(database: Database, statement: str, values: Any) -> list[str]:
    """The steps of the plan that read a whole table although an index is preferred wherever there is one."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row[3] for row in rows if row[3].startswith("SCAN") and "CONSTANT ROW" not in row[3]]
        else:
            connection.exec_driver_sql("SET enable_seqscan = off")
            steps = [
                row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values) if "Seq Scan" in row[0]
            ]
            connection.rollback()
    return [step for step in steps if any(table in step for table in set(metadata.tables) - SMALL)]


def live(service: Service) -> None:
    """What a user does in a life, and what others try at them."""
    person = Person.at(service)
    assert service.call("POST", "/auth/login", json={"username": EMAIL, "password": "wrong"}).status_code == 401
    person.enable_totp()
    person.enable_email_otp(person.sudo)
    for path in ("/user/2fa", "/user/2fa/totp/next-guess", "/user/2fa/email-otp/next-email"):
        good(person.get(path, person.access))
    person.guess_totp(person.access)
    person.guess_recovery_code(person.access)
    service.clock.advance(3600)
    person.sudo_by_recovery()
    person.recovery_codes = good(person.post("/user/2fa/recovery-code/reset", person.sudo))["recoveryCodes"]
    assert person.get("/auth/refreshtoken", person.refresh).is_success
    passwords = {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    good(person.put("/user/password/old-password", person.sudo, **passwords))
    forget(service, person)
    good(person.post("/user/email/initiate", person.sudo, email=NEW_ADDRESS))
    good(person.put("/user/email", person.access, otp=service.mailed_code(NEW_ADDRESS)))
    good(person.delete("/user/2fa/email-otp", person.sudo))
    good(person.delete("/user/2fa/totp", person.sudo))
    good(person.post("/auth/logout", person.refresh))


def forget(service: Service, person: Person) -> None:
    """Reset a forgotten password, and log in again."""
    good(service.call("POST", "/user/password/reset/send", json={"email": EMAIL}))
    code = service.mailed_code(EMAIL)
    good(service.call("POST", "/user/password/reset/validate", json={"email": EMAIL, "otp": code}))
    good(service.call("PUT", "/user/password/otp", json={"userEmail": EMAIL, "otp": code, "newPassword": PASSWORD}))
    person.refresh = person.authenticated(person.partial)["refreshToken"]


def administer(service: Service) -> None:
    """What an administrator and the service by itself do."""
    env = service.doorward.env
    for act in (accounts.disable, accounts.enable, accounts.reset_2fa, accounts.end_sessions):
        act(env, NEW_ADDRESS)
    by_api(service, keys.create(env, "all", keys.SCOPES, DAY))
    accounts.delete(env, "set@example.org")
    service.doorward.sweeper.sweep()
    service.deliver()


def by_api(service: Service, key: str) -> None:
    """What an administrator looks for among a million, by every filter, and does."""
    ann = service.call("GET", "/admin/api/users?prefix=new", key).json()["items"][0]["id"]
    times = "since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z"
    for path in (
        "users", "users?limit=1&cursor=0", "users?prefix=n&cursor=bg", f"users/{ann}", f"users/{ann}/sessions",
        "events", "events?cursor=9", f"events?userId={ann}", "events?type=login.refused", f"events?{times}",
        f"events?userId={ann}&type=login.refused&{times}&cursor=9", "mails", "mails?state=failed&cursor=1", "keys",
    ):  # fmt: skip
        assert service.call("GET", f"/admin/api/{path}", key).is_success
    act = {"reason": "to see its plan"}
    for path, status, body in (
        (f"users/{ann}/set-address", 200, {"email": "set@example.org"}),
        (f"users/{ann}/sessions/x/end", 404, {}),
        ("mails/1/send-again", 404, {}),
        ("keys/rotate", 201, {}),
    ):
        assert service.call("POST", f"/admin/api/{path}", key, json=act | body).status_code == status


def console(service: Service) -> None:
    """Every page of the console, and what it does, as its administrator comes to it."""
    env = service.doorward.env
    root = Person.at(service, "root@example.org")
    root.enable_totp()
    bob = Person.at(service, "bob@example.org")
    bob.enable_totp()
    service.call("POST", "/auth/login", json={"username": bob.email, "password": "wrong"})
    administrators.grant(env, root.id)
    administrators.everyone(env)
    visitor = Visitor.at(service, "/admin")
    visitor.sign_in(root.email)
    visitor.send("/account/second-factor", code=service.next_totp_code(root.authenticator))
    user = f"/admin/users/{bob.id}"
    for path in (
        "/admin", "/admin?period=month", "/admin/users", "/admin/users?q=bo&after=Ym8", f"/admin/users?q={bob.id}",
        user, f"{user}?before=99", "/admin/mails", "/admin/mails?state=waiting&after=1", f"{user}/disable",
    ):  # fmt: skip
        assert visitor.go(path).status_code == 200, path
    visitor.send(f"{user}/disable", reason="to see its plan")
    for act in (accounts.invite(env, "carl@example.org", MailChoice(None, None)), root.id):
        standing.of(env, act)
    service.doorward.errors.note()
    service.doorward.events.run_once()
    service.deliver()
    administrators.revoke(env, root.id)


def test_every_statement_finds_its_rows_by_an_index(service: Service) -> None:
    database = service.doorward.env.db
    with recorded() as statements:
        live(service)
        administer(service)
        console(service)
    explained = {sql: values for sql, values in statements.items() if sql.lstrip().startswith(VERBS)}
    assert len(explained) > 40
    assert {sql: steps for sql, values in explained.items() if (steps := scanned(database, sql, values))} == {}


def test_a_scan_would_be_seen(service: Service) -> None:
    assert scanned(service.doorward.env.db, "SELECT id FROM sessions WHERE amr = 'pwd'", ())


def test_postgresql_plans_the_search_for_a_user_once(postgres: PostgresServer, postgresql_template: str) -> None:
    counted = (
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE strpos(statement, 'FROM ' || :table) > 0"
    )
    with copied_postgresql(postgres, postgresql_template) as url, closing(Database(url, SystemClock())) as database:
        reads = database.reads()
        for prefix in ("a", "b", "c"):
            search.by_prefix(reads, prefix, 5)
        assert reads.first(Statement(sa.text(counted)), {"table": "identifiers"}) == (3, 0)


def test_unsealed_events_are_found_by_their_index_whatever_the_statistics_say(service: Service) -> None:
    database = service.doorward.env.db
    unsealed = {"at": 1, "type": "login.succeeded"}
    with database.write() as tx:
        tx.execute(sa.insert(events), [unsealed] * 1_000)
        if not database.is_sqlite:
            # As after an upgrade, or an outage: most are when PostgreSQL looks. On SQLite nobody gathers statistics.
            tx.connection.exec_driver_sql("ANALYZE events")
    with recorded() as statements:
        while service.doorward.events.run_once():
            pass
        for _ in range(3):
            service.clock.advance(61)
            service.doorward.events.run_once()
    looking = {sql: values for sql, values in statements.items() if "seq IS NULL" in sql}
    assert len(looking) == 2
    set_before = [sql for sql in statements if sql.startswith("SET LOCAL")]
    for sql, values in looking.items():
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        with database.read() as tx:
            for each in set_before:
                tx.connection.exec_driver_sql(each)
            plan = " ".join(str(row) for row in tx.connection.exec_driver_sql(f"{explain} {sql}", values))
        assert "ix_events_seq_id" in plan, plan
        assert "id>" in plan.replace(" ", ""), plan
    behind = [values["behind"] if isinstance(values, dict) else values[0] for values in looking.values()]
    assert sorted(behind) == [0, 1_000]
