"""Breaks the code on purpose, one mutation after another, and sees whether a test fails.

A mutation is applied to a copy of the sources, so that the tree in use stays as it is; the tests run on SQLite. Each
run is a fork of a process that has the libraries loaded, which takes longer than most of the tests.
"""

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "docs", "deploy", "README.md", "CHANGELOG.md", "pyproject.toml")
LIBRARIES = (
    "hypothesis",
    "playwright.sync_api",
    "httpx",
    "pyotp",
    "jwt",
    "aiosmtpd.controller",
    "sqlalchemy",
    "falcon",
)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
LONGEST_RUN_S = 180
PYTEST = ("-qx", "-k", "not postgresql", "-p", "no:cacheprovider")
CAUGHT = "caught"


@dataclass(frozen=True)
class Mutation:
    """`old` stands once in the file (below `src/doorward`) and becomes `new`; one of `tests` must fail of it."""

    behaviour: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def name(self) -> str:
        return f"{self.behaviour}: {self.file}: {' '.join(self.old.split())[:60]} -> {' '.join(self.new.split())[:40]}"


@dataclass(frozen=True)
class Run:
    """Tests under way in a copy of the sources; without a mutation, to see that they pass without one."""

    copy: Path
    tests: str
    mutation: Mutation | None

    def verdict(self, status: int) -> str:
        """What the end of the process means."""
        if os.WIFSIGNALED(status):
            return f"{CAUGHT} by the time limit" if os.WTERMSIG(status) == signal.SIGALRM else "ERROR: killed"
        code, found = os.waitstatus_to_exitcode(status), FAILED.search(self.log.read_text("utf-8"))
        if code == pytest.ExitCode.TESTS_FAILED:
            return f"{CAUGHT} by {found[1] if found else 'a test'}"
        return "SURVIVED" if code == pytest.ExitCode.OK else f"ERROR: pytest ended with {code}"

    @property
    def log(self) -> Path:
        return self.copy / "log"

    def start(self) -> int:
        """Give the id of the process that tests the mutation."""
        if self.mutation is not None:
            self._replace(self.mutation.file, self.mutation.old, self.mutation.new)
        return os.fork() or self._test()

    def undo(self) -> None:
        if self.mutation is not None:
            shutil.copy2(self.copy / "unbroken" / self.mutation.file, self.copy / "src/doorward" / self.mutation.file)

    def _replace(self, file: str, old: str, new: str) -> None:
        path = self.copy / "src/doorward" / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")

    def _test(self) -> NoReturn:
        signal.alarm(LONGEST_RUN_S)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(self.copy)
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        sys.path[:0] = [str(self.copy / "src"), str(self.copy)]
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": sys.path[0], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        with suppress(BaseException):
            code = int(pytest.main([*PYTEST, *self.tests.split()]))
        sys.stdout.flush()
        os._exit(code)


def main(mutations: Sequence[Mutation]) -> None:
    """Exit code 1: one survived, its text is not in the code exactly once, or its tests fail without it."""
    arguments = argparse.ArgumentParser(description="Break the code on purpose and see that a test fails.")
    arguments.add_argument("words", nargs="*", help="only mutations whose name holds one of these")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = arguments.parse_args()
    chosen = [each for each in mutations if not given.words or any(word in each.name for word in given.words)]
    wrong = [each for each in chosen if occurrences(each) != 1]
    for mutation in wrong:
        print(f"ERROR: its text is there {occurrences(mutation)} times: {mutation.name}")
    files = sorted({file for each in chosen for file in each.tests.split()})
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        copies = [copied(Path(folder, str(number))) for number in range(given.jobs)]
        failing = [file for file, verdict in ran(copies, [(file, None) for file in files]) if verdict != "SURVIVED"]
        verdicts = [verdict for _, verdict in ran(copies, [(each.tests, each) for each in chosen if each not in wrong])]
    caught = sum(verdict.startswith(CAUGHT) for verdict in verdicts)
    print(f"{caught} of {len(chosen)} mutations caught")
    sys.exit(0 if not failing and caught == len(chosen) > 0 else 1)


def occurrences(mutation: Mutation) -> int:
    return (ROOT / "src/doorward" / mutation.file).read_text("utf-8").count(mutation.old)


def copied(folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(folder / "src/doorward", folder / "unbroken")
    return folder


def ran(copies: Sequence[Path], wanted: Sequence[tuple[str, Mutation | None]]) -> Iterator[tuple[str, str]]:
    """Run the tests, each time with its mutation, as many at once as there are copies: the tests and the verdict."""
    free, waiting, running = list(copies), list(reversed(wanted)), dict[int, Run]()
    while waiting or running:
        while waiting and free:
            run = Run(free.pop(), *waiting.pop())
            running[run.start()] = run
        process, status = os.wait()
        run = running.pop(process)
        verdict = run.verdict(status)
        run.undo()
        free.append(run.copy)
        if run.mutation is not None:
            print(f"{verdict}: {run.mutation.name}", flush=True)
        elif verdict != "SURVIVED":
            print(f"ERROR: without any mutation {run.tests}: {verdict}", flush=True)
        yield run.tests, verdict
