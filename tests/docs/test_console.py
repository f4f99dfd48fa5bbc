"""The commands of docs/console.md do what the page says, and its table of acts is the console's."""

import re
from pathlib import Path

import pytest

from doorward.http.console import PAGES, acts, mails
from doorward.http.console.page import ActPage
from tests.support.cli import Cli
from tests.support.service import EMAIL

PAGE = (Path(__file__).parents[2] / "docs/console.md").read_text("utf-8")


def test_the_commands_work_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(f"sqlite:///{tmp_path / 'doorward.db'}", tmp_path, monkeypatch, capfd)
    cli.must("users", "create", EMAIL)
    commands = re.findall(r'^doorward (.+?)(?: --reason "(.+)")?$', PAGE, re.MULTILINE)
    assert len(commands) == 4
    for words, reason in commands:
        cli.must(*words.split(), *(("--reason", reason) if reason else ()))
    told = [row["reason"] for row in cli.run("events", "list", "--json").rows]
    assert told == ["ticket 4711", "left the company", "runs the help desk", None]


def test_it_says_which_acts_ask_for_a_fresh_second_factor() -> None:
    asks = {page for page in PAGES.values() if page.needs == "step-up"}
    others = {acts.InviteAgain, mails.SendAgain}
    assert asks == {page for page in PAGES.values() if issubclass(page, ActPage)} - others
    table = PAGE[PAGE.index("| act | asks") : PAGE.index("A second factor is fresh")]
    (without,) = re.findall(r"\| (.*) \| no \|", table)
    assert without == "invite again, send a mail again"
