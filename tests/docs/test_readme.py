"""The README's five minutes, run as they stand: only what a person would type in is filled in."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from tests.support.development import Development, development

README = Path(__file__).parents[2] / "README.md"


class Shell:
    """A shell that keeps its variables from block to block."""

    def __init__(self, folder: Path) -> None:
        self._variables = folder / "variables"
        self._variables.touch()

    def run(self, block: str) -> str:
        script = f"set -eu\n. {self._variables}\n{block}\nset > {self._variables}.new"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)  # noqa: S607
        kept = Path(f"{self._variables}.new").read_text().splitlines()
        names = ("URL", "EMAIL", "PASSWORD", "REFRESH", "ACCESS", "PARTIAL", "CODE", "OTP", "NEW")
        self._variables.write_text("\n".join(line for line in kept if line.partition("=")[0] in names))
        return done.stdout


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    with development(tmp_path_factory.mktemp("dev")) as running:
        yield running


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_five_minutes_of_the_readme(dev: Development, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    variables, login, setup, enable, second, reset, new_password = blocks()
    typed = variables.replace("http://localhost:8000", dev.url).replace("PUT-THE-PRINTED-ONE-HERE", dev.password)
    shell.run(typed)
    assert json.loads(shell.run(login)) == {"userId": 1}

    authenticator = pyotp.parse_uri(json.loads(shell.run(setup))["url"])
    assert isinstance(authenticator, pyotp.TOTP)
    now = int(time.time())
    assert len(json.loads(shell.run(enable.replace("123456", authenticator.at(now))))["recoveryCodes"]) == 10
    tokens = json.loads(shell.run(second.replace("123456", authenticator.at(now + 30))))
    assert set(tokens) == {"accessToken", "refreshToken", "sudoToken"}

    code = mailed_code(shell, reset)
    assert "X-Token-Use: partial".lower() in shell.run(new_password.replace("123456", code)).lower()


def test_it_says_what_is_where_in_about_ten_lines(dev: Development) -> None:
    lines = [line for line in dev.printed.splitlines() if line.strip()]
    assert len(lines) <= 12
    assert sum("curl" in line for line in lines) == 3
    assert "NOT FOR PRODUCTION" in dev.printed


def test_the_command_that_it_prints_lets_the_first_user_into_the_console(dev: Development) -> None:
    (grant,) = re.findall(r"^  Console +http://\S+/admin, after: (.*)$", dev.printed, re.MULTILINE)
    said = subprocess.run(["bash", "-c", grant], cwd=dev.folder, capture_output=True, text=True, check=True)  # noqa: S607
    assert "you@example.org is an administrator now" in said.stdout
    assert said.stderr == ""


def mailed_code(shell: Shell, block: str) -> str:
    """The reset code, as soon as the mail is there: the block is run once, its last line until then."""
    inbox = block.strip().splitlines()[-1]
    answers = [shell.run(block)]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for mail in json.loads(answers[-1]):
            if found := re.search(r"^\s*(\d{6})\s*$", mail["text"], re.MULTILINE):
                return found[1]
        answers.append(shell.run(inbox))
    raise AssertionError("the reset mail did not come")
