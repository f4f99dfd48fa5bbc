"""Passwords that are worth it: common, breached and short ones are refused where settings ask for that."""

import hashlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.core import logs
from doorward.core.errors import BadInput
from doorward.passwords import breached, common
from doorward.passwords.filter import Filter, FilterError, build
from doorward.passwords.rules import BREACHED, COMMON, OWN
from tests.support.cli import Cli
from tests.support.person import Person, refusal
from tests.support.service import EMAIL, PASSWORD, Service

Start = Callable[..., Service]

LISTED = ["Hunter22-Trains", "Blue.Giraffe.99", "p\u00e4ssw\u00f6rd-Xy7"]
UNLISTED = "Zw7kTq0vN-unlisted"


def change(person: Person, new: str) -> httpx.Response:
    return person.put("/user/password/old-password", person.access, oldPassword=person.password, newPassword=new)


# Common ones


@pytest.mark.parametrize(
    "password",
    [
        "Password1", "P@ssw0rd123!", "Summer2024!", "Qwerty123", "1Qaz2wsx", "Aaaaaaa1", "Abcdefg1", "Abcd1234",
        "Iloveyou1", "Welcome01", "Dragon12", "November2023", "MondayMonday1", "Pass-word-99", "Letmein2", "Zxcvbnm1",
        "Football10", "Abc123Abc123", "Trustno1", "\uff30assword1", "Monkey1234", "Asdfgh12", "Pr1ncess",
        "0987654321Aa",
    ],
)  # fmt: skip
def test_what_everybody_thinks_of_is_common(password: str) -> None:
    assert common.is_common(password, frozenset())


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD, "xK9#mQ2z", "Tr0ub4dor&3", "correct horse battery staple", "Vk3-Rz8-Lw1", "Jazzy-Otter-41-Quilt",
        "Mxe7Pq2b", "Another-Horse-2", "Aa1" + "x7" * 100,
    ],
)  # fmt: skip
def test_what_has_to_be_guessed_is_not_common(password: str) -> None:
    assert not common.is_common(password, frozenset())


@given(st.text(max_size=300))
def test_any_text_is_judged(password: str) -> None:
    assert common.is_common(password, common.words_of("https://auth.example.org")) in {True, False}


def test_common_ones_and_ones_of_ones_own_are_refused_with_the_reason(start: Start) -> None:
    service = start(refuse_common_passwords="true", issuer_name="Acme", common_password_words="Fizzbuzz")
    person = Person.at(service, "ann.harkonnen@example.org")
    for new, reason in {
        "Summer2024": COMMON, "Harkonnen-1": OWN, "Ann-Harkonnen-77": OWN, "Acme-2024": OWN, "@cme-Example1": OWN,
        "Fizzbuzz2024": OWN, "Auth-example-1": OWN,
    }.items():  # fmt: skip
        assert refusal(change(person, new)) == (400, reason), new
    assert change(person, "Nine-Lamps-Hum-4").status_code == 204


def test_the_contract_alone_is_the_default(service: Service) -> None:
    person = Person.at(service)
    for new in ("Password1", "Ann-Example-1", "Aaaaaaa1"):
        assert change(person, new).status_code == 204
        person.password = new


def test_a_reset_code_stays_good_when_the_new_password_is_refused(start: Start) -> None:
    service = start(refuse_common_passwords="true")
    service.add_user()
    service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
    code = service.mailed_code(EMAIL)

    def reset(otp: str, new: str) -> httpx.Response:
        return service.call("PUT", "/user/password/otp", json={"userEmail": EMAIL, "otp": otp, "newPassword": new})

    # Whoever has no code learns nothing of what the account's own words are.
    assert refusal(reset("abcdef", "Password1")) == (401, "OTP_INVALID_EXPIRED")
    assert refusal(reset(code, "Password1")) == (400, COMMON)
    assert reset(code, "Nine-Lamps-Hum-4").status_code == 204


def test_a_refused_new_password_tells_nothing_of_the_old_one(start: Start) -> None:
    person = Person.at(start(refuse_common_passwords="true"))
    for old in (PASSWORD, "Wrong-Horse-1"):
        body = {"oldPassword": old, "newPassword": "Password1"}
        assert refusal(person.put("/user/password/old-password", person.access, **body)) == (400, COMMON)


# Longer ones


def test_nist_rules_ask_for_length_and_nothing_else(start: Start) -> None:
    service = start(password_composition="any", password_min_length="15")
    person = Person.at(start())
    person.service = service
    assert refusal(change(person, "only-14-signs!")) == (400, "Password must contain at least 15 characters")
    person.enable_totp()

    def change_with_factor(new: str) -> httpx.Response:
        body = {"oldPassword": PASSWORD, "newPassword": new}
        return person.put("/user/password/old-password", person.sudo, **body)

    assert refusal(change_with_factor("7-signs")) == (400, "Password must contain at least 8 characters")
    assert change_with_factor("8 signs!").status_code == 204
    with pytest.raises(BadInput, match="at least 15 characters"):
        service.add_user("ben@example.org", "8 signs!")
    assert service.add_user("ben@example.org", "lower case only")


def test_a_reset_asks_for_the_longer_one_only_without_a_second_factor(start: Start) -> None:
    service = start(password_min_length="15")
    person = Person.at(start())

    def reset() -> httpx.Response:
        service.clock.advance(60)
        service.call("POST", "/user/password/reset/send", json={"email": EMAIL})
        body = {"userEmail": EMAIL, "otp": service.mailed_code(EMAIL), "newPassword": "Eight-Ok-1"}
        return service.call("PUT", "/user/password/otp", json=body)

    assert refusal(reset()) == (400, "Password must contain at least 15 characters")
    person.enable_totp()
    assert reset().status_code == 204


# A filter


def make(folder: Path, lines: list[str]) -> Path:
    target = folder / "passwords.filter"
    build((f"{line}\n".encode() for line in lines), target)
    return target


def test_a_filter_refuses_what_is_on_its_list(start: Start, tmp_path: Path) -> None:
    service = start(password_filter=str(make(tmp_path, LISTED)))
    person = Person.at(service)
    for new in LISTED:
        assert refusal(change(person, new)) == (400, BREACHED)
    assert change(person, UNLISTED).status_code == 204


def test_a_filter_holds_every_entry_of_a_long_list_and_hardly_another(tmp_path: Path) -> None:
    hashed = [hashlib.sha1(f"hash {number}".encode()).hexdigest() for number in range(5_000)]  # noqa: S324
    lines = [f"word {number}" for number in range(20_000)] * 2 + [f"{each.upper()}:7" for each in hashed]
    target = make(tmp_path, [*lines, "", "\r"])
    found = Filter(target)
    assert found.entries == 25_000
    assert target.stat().st_size < 3.2 * 25_000
    assert all(found.holds(f"word {number}") for number in range(20_000))
    assert all(found.holds(f"hash {number}") for number in range(5_000))
    # 1.9 in a million are expected; the draw is the same each time.
    assert sum(found.holds(f"other {number}") for number in range(100_000)) <= 2
    assert [each.name for each in tmp_path.iterdir()] == ["passwords.filter"]


@given(st.sets(st.binary(min_size=1, max_size=12).filter(lambda raw: not set(raw) & set(b"\r\n")), min_size=1))
def test_a_filter_of_any_passwords_holds_them(tmp_path_factory: pytest.TempPathFactory, passwords: set[bytes]) -> None:
    target = tmp_path_factory.mktemp("filter") / "f"
    build(iter(passwords), target)
    opened = Filter(target)
    for password in passwords:
        try:
            assert opened.holds(password.decode())
        except UnicodeDecodeError:
            continue


def test_a_filter_costs_no_memory(tmp_path: Path) -> None:
    """Opening one and asking it 2,000 times, in a process of its own."""
    target = make(tmp_path, [f"word {number}" for number in range(200_000)])
    script = """
import resource, sys
from pathlib import Path
from doorward.passwords.filter import Filter
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
opened = Filter(Path(sys.argv[1]))
for number in range(2_000): opened.holds(f"ask {number}")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 2_048  # KiB


def test_nothing_of_it_is_loaded_when_it_is_off() -> None:
    script = "import sys, doorward.app; print([name for name in sys.modules if name.startswith('doorward.passwords.')])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "rules" in loaded
    for name in ("common", "filter", "breached"):
        assert f"passwords.{name}" not in loaded


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw[:9], lambda raw: b"X" + raw[1:], lambda raw: raw * 2]
)
def test_a_damaged_filter_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    target = make(tmp_path, LISTED)
    target.write_bytes(damage(target.read_bytes()))
    with pytest.raises(FilterError, match="is no whole password filter"):
        Filter(target)


def test_a_list_without_passwords_makes_no_filter(tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="0 passwords"):
        make(tmp_path, ["", ""])
    assert not list(tmp_path.iterdir())


def test_the_command_makes_a_filter_and_a_bad_one_keeps_the_service_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cli = Cli("", tmp_path, monkeypatch, capfd)
    source, target = tmp_path / "list.txt", tmp_path / "passwords.filter"
    source.write_text("\n".join(LISTED))
    assert "holds 3 passwords in 41 bytes" in cli.must("passwords", "build-filter", str(source), str(target))
    cli.must("migrate")
    said = cli.fails("users", "create", EMAIL, "--password-stdin", stdin=LISTED[0], password_filter=str(target))
    assert BREACHED in said
    cli.must("users", "create", EMAIL, "--password-stdin", stdin=UNLISTED, password_filter=str(target))
    assert "build-filter" in cli.fails("users", "list", code=2, password_filter=str(source))
    assert "can't be read" in cli.fails("users", "list", code=2, password_filter=str(tmp_path / "none"))


# A service


@contextmanager
def ranges(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A k-anonymity service on this machine; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as the base class has it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/range/"
        finally:
            server.shutdown()
            thread.join()


def tell(handler: BaseHTTPRequestHandler, status: int, text: str) -> None:
    handler.send_response(status)
    handler.end_headers()
    handler.wfile.write(text.encode())


def test_the_service_is_told_five_digits_and_believed(start: Start) -> None:
    digest = hashlib.sha1(LISTED[0].encode()).hexdigest().upper()  # noqa: S324
    padding = hashlib.sha1(UNLISTED.encode()).hexdigest().upper()  # noqa: S324
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Add-Padding"]))
        tell(handler, 200, f"{'0' * 35}:3\r\n{digest[5:]}:12\r\n{padding[5:]}:0\r\n")

    with ranges(answer) as url:
        person = Person.at(start(breached_passwords_url=url))
        assert refusal(change(person, LISTED[0])) == (400, BREACHED)
        assert change(person, UNLISTED).status_code == 204
    # The first is the user's own, as it was added.
    assert asked[1:] == [(f"/range/{digest[:5]}", "true"), (f"/range/{padding[:5]}", "true")]


@pytest.mark.parametrize("kind", ["refuses", "redirects", "nonsense", "endless", "silent", "absent"])
def test_a_service_that_gives_no_answer_keeps_nobody_from_a_new_password(
    start: Start, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breached, "PATIENCE_S", 0.2)
    enough = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if kind == "silent":
            enough.wait(10)
        elif kind == "endless":
            handler.send_response(200)
            handler.end_headers()
            with suppress(OSError):
                while not enough.is_set():
                    handler.wfile.write(b"0" * 65_536)
        else:
            status = {"refuses": 503, "redirects": 302, "nonsense": 200}[kind]
            tell(handler, status, f"{hashlib.sha1(UNLISTED.encode()).hexdigest()[5:]}:many")  # noqa: S324

    with ranges(answer) as url:
        person = Person.at(start())
        service = start(breached_passwords_url="http://127.0.0.1:9/" if kind == "absent" else url)
        log = io.BytesIO()
        monkeypatch.setattr(logs.logger, "_stream", log)
        person.service = service
        assert change(person, UNLISTED).status_code == 204
        enough.set()
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [each["level"] for each in logged if each["event"] == "breached passwords: no answer"] == ["warning"]
    assert UNLISTED not in str(logged)
