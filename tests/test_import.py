"""`doorward users import`: every format, every kind of bad line, and going on after an interruption."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.accounts import imports
from tests.support.cli import SECRET_KEY, Cli
from tests.support.service import EMAIL, PASSWORD, Service

PROGRAM = Path(sys.executable).with_name("doorward")
NOW = 1_800_000_000_000
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(database_url, tmp_path, monkeypatch, capfd)


def as_lines(*users: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(user).encode() + b"\n" for user in users)


def test_an_imported_user_keeps_password_factor_and_date(cli: Cli, start: Callable[..., Service]) -> None:
    file = cli.folder / "users.jsonl"
    user = {
        "email": EMAIL,
        "username": "ann",
        "passwordHash": BCRYPT,
        "totpSecret": "jbsw y3dp-ehpk 3pxp jbsw y3dp ehpk 3pxp====",
        "createdAt": "2021-05-04T12:00:00.5+02:00",
    }
    file.write_bytes(as_lines(user))
    assert cli.must("users", "import", str(file)) == "imported 1, skipped 0, bad 0\n"
    account = cli.run("users", "show", "ann", "--json").rows[0]
    assert account["createdAt"] == "2021-05-04T10:00:00.500Z"
    assert account["passwordScheme"] == "bcrypt"
    assert account["recoveryCodesLeft"] == 0
    assert [event["detail"] for event in account["events"]] == ["imported"]
    service = start(secret_key=SECRET_KEY)
    partial = service.login("ann")
    code = {"totp": pyotp.TOTP(SECRET).at(service.clock.now_ms() // 1000)}
    answer = service.call("POST", "/user/2fa/totp/authenticate", partial, json=code)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("password_hash", "scheme"),
    [
        (BCRYPT, "bcrypt"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$UlwUTIoIB6Rk3dMXJpvr5ZbL5JTc4c0FvR1AfNcAVQs", "argon2id"),
        ("pbkdf2_sha256$1000$salt$" + base64.b64encode(bytes(32)).decode(), "pbkdf2-sha256"),
        ("scrypt:32768:8:1$salt$" + "ab" * 64, "scrypt"),
        ("bcrypt_sha256$" + BCRYPT, "bcrypt-sha256"),
        (None, None),
    ],
    ids=["bcrypt", "Argon2", "Django's PBKDF2", "Werkzeug's scrypt", "Django's bcrypt", "none"],
)
def test_hashes_of_other_systems_are_taken(cli: Cli, password_hash: str | None, scheme: str | None) -> None:
    cli.must("users", "import", "-", stdin=as_lines({"email": EMAIL, "passwordHash": password_hash}))
    assert cli.run("users", "show", EMAIL, "--json").rows[0]["passwordScheme"] == scheme


def test_a_disabled_user_stays_disabled(cli: Cli) -> None:
    cli.must("users", "import", "-", stdin=as_lines({"email": EMAIL, "disabled": True}))
    assert cli.run("users", "show", EMAIL, "--json").rows[0]["disabled"] is True


BAD = [
    (b"not json", "not valid JSON"),
    (b'{"email": "x@example.org"', "not valid JSON"),
    (b'{"email": "x@example.org"} trailing', "not valid JSON"),
    (b'["x@example.org"]', "expected `object`, got `array`"),
    (b'"x@example.org"', "expected `object`, got `str`"),
    (b"null", "expected `object`, got `null`"),
    (b'{"username": "x"}', "missing required field `email`"),
    (b'{"email": 5}', "expected `str`, got `int` at `email`"),
    (b'{"email": null}', "expected `str`, got `null` at `email`"),
    (b'{"email": "x@example.org", "disabled": "yes"}', "expected `bool`, got `str` at `disabled`"),
    (b'{"email": "x@example.org", "passwordhash": "SEKRET"}', "did you mean `passwordHash`?"),
    (b'{"email": "x@example.org", "$2b$12$SEKRET": 1}', "has an unknown field"),
    (b'{"email": "no address SEKRET"}', "invalid email address"),
    (b'{"email": "x\\u0000@example.org"}', "invalid email address"),
    (b'{"email": "x\\ud800@example.org"}', "not valid JSON"),
    (b'{"email": "x@example.org", "username": "a\\u0000b"}', "invalid username"),
    (b'{"email": "x@example.org", "username": ""}', "invalid username"),
    (b'{"email": "\x00x@example.org"}', "not valid JSON"),
    (b'{"email": "\xff@example.org"}', "not valid UTF-8"),
    (b'{"email": "x@example.org", "passwordHash": "$2b$12$SEKRET"}', "passwordHash: this looks like bcrypt"),
    (b'{"email": "x@example.org", "passwordHash": "SEKRET"}', "passwordHash: unknown hash scheme"),
    (b'{"email": "x@example.org", "passwordHash": ""}', "passwordHash: unknown hash scheme"),
    (b'{"email": "x@example.org", "passwordHash": "$2b$12$\\u0000"}', "passwordHash: "),
    (b'{"email": "x@example.org", "totpSecret": "SEKRET!!"}', "totpSecret: not base32"),
    (b'{"email": "x@example.org", "totpSecret": "\xc3\xbc"}', "totpSecret: not base32"),
    (b'{"email": "x@example.org", "totpSecret": "JBSWY3DPEHPK3PX"}', "totpSecret: must have 80 to 512 bits"),
    (b'{"email": "x@example.org", "totpSecret": "%s"}' % (b"A" * 104), "totpSecret: must have 80 to 512 bits"),
    (b'{"email": "x@example.org", "totpSecret": ""}', "totpSecret: must have 80 to 512 bits"),
    (b'{"email": "x@example.org", "createdAt": "yesterday"}', "RFC3339"),
    (b'{"email": "x@example.org", "createdAt": "2021-05-04T12:00:00"}', "timezone"),
    (b'{"email": "x@example.org", "createdAt": "2921-05-04T12:00:00Z"}', "between 1970 and now"),
    (b'{"email": "x@example.org", "createdAt": "1921-05-04T12:00:00Z"}', "between 1970 and now"),
    (b'{"email": "x@example.org", "createdAt": 1620122400}', "createdAt"),
    (b'{"email": "%s@example.org"}' % (b"x" * 70_000), "longer than 64 KiB"),
]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_line_is_named_and_costs_no_other(cli: Cli, line: bytes, reason: str) -> None:
    around = as_lines({"email": "before@example.org"}), as_lines({"email": "after@example.org"})
    done = cli.run("users", "import", "-", stdin=around[0] + line + b"\n" + around[1])
    assert (done.code, done.out) == (1, "imported 2, skipped 0, bad 1\n")
    named = done.err.splitlines()[0]
    assert named.startswith("line 2: ")
    assert reason in named
    assert "SEKRET" not in done.err


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"email": "ANN@example.org"}, "the same address as on line 1"),
        ({"email": "b@example.org", "username": "Ann"}, "the username is another user's"),
        ({"email": "b@example.org", "username": "ann@example.org"}, "the username is another user's"),
        ({"email": "c@example.org"}, "the address is another user's username"),
    ],
)
@pytest.mark.parametrize("batch", [500, 1])
def test_a_name_twice_in_one_file(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, second: dict[str, str], reason: str, batch: int
) -> None:
    monkeypatch.setattr("doorward.cli.users_import.BATCH", batch)
    file = as_lines(
        {"email": EMAIL, "username": "ann"}, {"email": "d@example.org", "username": "c@example.org"}, second
    )
    done = cli.run("users", "import", "-", stdin=file)
    assert done.out == "imported 2, skipped 0, bad 1\n"
    wanted = reason if batch > 1 else reason.replace("line 1", "an earlier line")
    assert f"line 3: {wanted}" in done.err


def test_a_user_who_is_there_is_left_alone(cli: Cli, start: Callable[..., Service]) -> None:
    service = start(secret_key=SECRET_KEY)
    service.add_user(username="ann")
    line = as_lines({"email": EMAIL.upper(), "username": "another", "passwordHash": BCRYPT, "disabled": True})
    assert cli.must("users", "import", "-", stdin=line) == "imported 0, skipped 1, bad 0\n"
    assert service.login("ann")


def test_uneven_input_is_taken(cli: Cli) -> None:
    file = (
        b'\xef\xbb\xbf{"email": "a@example.org"}\r\n\r\n   \n\t{"email": "b@example.org"} \n{"email": "c@example.org"}'
    )
    assert cli.must("users", "import", "-", stdin=file) == "imported 3, skipped 0, bad 0\n"
    assert cli.must("users", "import", "-", stdin=b"") == "imported 0, skipped 0, bad 0\n"


def test_line_numbers_count_every_line(cli: Cli) -> None:
    overlong = b"x" * (3 * imports.LONGEST_LINE) + b"\n"
    done = cli.run("users", "import", "-", stdin=b"\n" + overlong + b"\nbad\n" + as_lines({"email": EMAIL}))
    assert [line.partition(":")[0] for line in done.err.splitlines()[:-1]] == ["line 2", "line 4"]
    assert done.out == "imported 1, skipped 0, bad 2\n"


def test_as_json_bad_lines_and_the_summary_are_objects(cli: Cli) -> None:
    done = cli.run("users", "import", "-", "--json", stdin=as_lines({"email": EMAIL}) + b"bad\n")
    assert done.code == 1
    assert done.rows == [{"line": 2, "reason": "not valid JSON"}, {"imported": 1, "skipped": 0, "bad": 1}]


def test_a_file_that_cannot_be_read_is_named(cli: Cli) -> None:
    assert "/nonexistent: No such file" in cli.fails("users", "import", "/nonexistent")
    assert "Is a directory" in cli.fails("users", "import", "/tmp")  # noqa: S108


def test_a_name_that_a_server_takes_meanwhile_costs_its_own_line(cli: Cli, start: Callable[..., Service]) -> None:
    """The batch is judged, then a rival commits the same name (PostgreSQL only: SQLite has one writer)."""
    service = start(secret_key=SECRET_KEY)
    env = service.doorward.env
    if env.db.is_sqlite:
        return
    batch = [imports.read(number, b'{"email": "u%d@example.org"}' % number, NOW) for number in range(3)]
    judged = imports._owners

    def rival(tx: Any, new: Any) -> Any:
        owners = judged(tx, new)
        if len(list(new)) > 1:
            service.add_user("u1@example.org")
        return owners

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(imports, "_owners", rival)
        results = imports.add(env, batch, 0)
    assert [result.outcome for result in results] == ["imported", "bad", "imported"]
    assert len(cli.run("users", "list", "--json").rows) == 3


def test_after_a_kill_a_second_run_goes_on(cli: Cli) -> None:
    count = 30_000
    file = cli.folder / "users.jsonl"
    file.write_bytes(
        as_lines(*({"email": f"u{number}@example.org", "username": f"u{number}"} for number in range(count)))
    )
    environ = os.environ | cli.environ
    with subprocess.Popen([PROGRAM, "users", "import", file], env=environ, stdout=subprocess.PIPE) as process:
        while not cli.run("users", "list", "--json", "--limit", "1").rows:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = cli.run("users", "import", str(file), "--json")
    (counts,) = done.rows
    assert counts["bad"] == 0
    assert counts["skipped"] % imports.BATCH == 0
    assert 0 < counts["skipped"] < count
    assert counts["imported"] + counts["skipped"] == count
    assert len(cli.run("users", "list", "--json").rows) == count


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps({"email": text}).encode()))
def test_no_line_is_a_crash(line: bytes) -> None:
    with contextlib.suppress(imports.BadLine):
        assert imports.read(1, line, NOW).keys


@given(st.binary(min_size=16, max_size=64), st.booleans(), st.booleans())
def test_every_spelling_of_a_secret_is_the_secret(secret: bytes, lower: bool, padded: bool) -> None:  # noqa: FBT001
    text = base64.b32encode(secret).decode()
    text = text if padded else text.rstrip("=")
    text = " ".join((text.lower() if lower else text)[at : at + 4] for at in range(0, len(text), 4))
    line = json.dumps({"email": EMAIL, "totpSecret": text}).encode()
    assert imports.read(1, line, NOW).totp_secret == secret
