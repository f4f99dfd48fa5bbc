"""Mails and health at the console, and what holds for each of its pages."""

import re
from typing import get_args

import pytest

from doorward import audit
from doorward.accounts import flows as accounts
from doorward.audit import Wanted
from doorward.core import tallies
from doorward.core.clock import DAY, HOUR, iso
from doorward.core.errors import DatabaseUnavailable
from doorward.core.tallies import What
from doorward.http.console import plots
from tests.support.console import BOB, REASON, Console, guess, mail_refused
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.threads import at_once
from tests.support.visitor import SAME_ORIGIN

LARGEST_PAGE = 50_000


def test_a_mail_that_was_given_up_is_sent_again_with_a_reason(console: Console) -> None:
    mail_refused(console.service, BOB)
    console.go("/mails?state=waiting")
    assert BOB not in console.text
    console.go("/mails")
    assert BOB in console.text
    (at,) = re.findall(r'href="/admin(/mails/\d+/send-again)"', console.visitor.page.text)
    assert console.act(at, "").status_code == 422
    console.visitor.send(f"/admin{at}", reason=REASON)
    assert "The mail is tried again now." in console.text
    assert console.service.mailed_code(BOB)
    with console.service.doorward.env.db.read() as tx:
        (sent,) = audit.page(tx, Wanted(type="mail.sent_again"), 5)
    assert (sent.actor, sent.reason) == (f"user {console.person.id}", REASON)
    assert console.visitor.client.get(f"/admin{at}").headers["Location"] == "/admin/mails"
    form = {"form_token": "x", "reason": REASON}
    assert console.visitor.client.post(f"/admin{at}", data=form, headers=SAME_ORIGIN).status_code == 403


def seal(service: Service) -> None:
    while service.doorward.events.run_once():
        pass


def total(console: Console, name: str) -> str:
    found = re.search(rf'id="{name}-title">.*?class="total">([^<]*)<', console.visitor.page.text)
    assert found is not None
    return found[1]


def test_what_happens_is_counted_once_by_however_many_seal_it(console: Console) -> None:
    service = console.service
    service.add_user(BOB)
    guess(service, BOB, "198.51.100.7")
    mail_refused(service, "carl@example.org")
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.deliver()
    at_once(*[service.doorward.events.run_once] * 4)
    seal(service)
    console.go("")
    assert [total(console, name) for name in ("logins", "refusals", "waits", "mails", "errors")] == [
        "2", "5", "1", "3", "0",
    ]  # fmt: skip
    assert "1 mail was given up." in console.text
    service.clock.advance(86_400)
    console.go("")
    assert total(console, "logins") == "0"
    assert "None in this time." in console.text
    for period in ("week", "month", "x"):
        console.go(f"?period={period}")
        assert total(console, "refusals") == ("0" if period == "x" else "5")


def test_the_first_page_says_what_is_late_and_no_more_once_it_is_done(console: Console) -> None:
    service = console.service
    service.deliver()
    seal(service)
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    service.clock.advance(59)
    console.go("")
    assert "All is well" in console.text
    service.clock.advance(1)
    console.go("")
    assert "Events wait to be sealed since" in console.text
    assert "Mails wait" not in console.text
    service.clock.advance(240)
    console.go("")
    assert "Mails wait to be sent since" in console.text
    service.deliver()
    seal(service)
    console.go("")
    assert "All is well" in console.text


def test_errors_are_counted_when_the_database_is_back(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    service = console.service

    def gone(*_: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(service.doorward.env.db, "read", gone)
        patched.setattr(service.doorward.env.db, "write", gone)
        login = {"username": EMAIL, "password": PASSWORD}
        assert service.call("POST", "/auth/login", json=login).status_code == 503
        with pytest.raises(DatabaseUnavailable):
            service.doorward.errors.write()
    service.doorward.errors.write()
    service.doorward.errors.write()
    console.go("")
    assert total(console, "errors") == "1"
    assert "There were errors since" in console.text
    assert "All is well" not in console.text


def test_the_plots_say_in_words_and_numbers_what_they_draw(console: Console) -> None:
    service = console.service
    now = tallies.hour_of(service.clock.now_ms())
    with service.doorward.env.db.write() as tx:
        tallies.add(tx, {(now - 3 * HOUR, "logins"): 1_234, (now - 90 * DAY, "logins"): 7})
    console.go("")
    page = console.visitor.page.text
    assert total(console, "logins") == "1\u202f234"
    assert page.count('<svg class="bars" role="img" aria-labelledby=') == 5
    assert f"The most: 1 234 ({iso(now - 3 * HOUR)[11:16]})." in console.text
    assert page.count("<tr>") == 25


def test_a_plot_is_drawn_to_scale() -> None:
    plot = plots.drawn([[0, 5, 10], [0, 5, 0]], "x")
    assert plot.top == 10
    assert 'class="kind1" d="M1.12 100v-50h0.76v50zM2.12 100v-100h0.76v100z"' in plot.drawing
    assert 'class="kind2" d="M1.12 50v-50h0.76v50z"' in plot.drawing
    assert [plots.ceiling(most) for most in (0, 1, 3, 9, 11, 63, 1_001)] == [2, 2, 4, 10, 20, 80, 2_000]
    assert "v-2h" in plots.drawn([[1, 1_000]], "x").drawing


def test_no_page_is_heavy_cached_framed_or_of_another_host(console: Console) -> None:
    bob = console.service.add_user(BOB)
    for act in (accounts.disable, accounts.enable) * 15:
        act(console.service.doorward.env, BOB)
    now = tallies.hour_of(console.service.clock.now_ms())
    whats: tuple[What, ...] = get_args(What)
    with console.service.doorward.env.db.write() as tx:
        tallies.add(tx, {(now - ago * HOUR, what): 10_000 + ago for ago in range(24 * 30) for what in whats})
    for path in ("", "?period=month", "/users", f"/users/{bob}", f"/users/{bob}/delete", "/users/invite", "/mails"):
        answer = console.go(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
        assert not re.findall(r"<script>|<style|style=|onclick|https?://(?!www.w3.org)", answer.text)
        weight = len(answer.content)
        for url in re.findall(r'(?:src|href)="(/account/[a-z./]*\?[^"]*v=[^"]+)"', answer.text):
            weight += len(console.visitor.client.get(url).content)
        assert weight < LARGEST_PAGE, (path, weight)
