"""The command line, called in this process."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from doorward.cli.main import main
from tests.support.service import CHEAP

SECRET_KEY = "a-secret-key-for-tests-of-32-signs-or-more"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    """Runs commands on one installation."""

    def __init__(
        self,
        url: str,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self.folder = folder
        self.url = url
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self.environ = CHEAP | {
            "DOORWARD_DATABASE_URL": url,
            "DOORWARD_DATA_DIR": str(folder / "data"),
            "DOORWARD_SECRET_KEY": SECRET_KEY,
        }

    def run(self, *arguments: str, stdin: str | bytes = b"", **settings: str) -> Done:
        """Run a command; further settings by their names."""
        self._capfd.readouterr()
        given = {f"DOORWARD_{name.upper()}": value for name, value in settings.items()}
        with self._monkeypatch.context() as patched:
            for name, value in (self.environ | given).items():
                patched.setenv(name, value)
            raw = stdin.encode() if isinstance(stdin, str) else stdin
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
            try:
                code = main(list(arguments))
            except SystemExit as end:
                code = int(end.code or 0)
        printed = self._capfd.readouterr()
        return Done(code, printed.out, printed.err)

    def must(self, *arguments: str, stdin: str | bytes = b"", **settings: str) -> str:
        """What a command prints that has to succeed."""
        done = self.run(*arguments, stdin=stdin, **settings)
        assert done.code == 0, done.err
        return done.out

    def fails(self, *arguments: str, stdin: str | bytes = b"", code: int = 1, **settings: str) -> str:
        """The one line of a command that has to fail."""
        done = self.run(*arguments, stdin=stdin, **settings)
        assert done.code == code, (done.code, done.out, done.err)
        assert done.err.count("\n") == 1, done.err
        return done.err
