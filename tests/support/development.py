"""`doorward dev` as a newcomer starts it: in an empty folder, with nothing set."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import free_port


@dataclass(frozen=True)
class Development:
    """A running service, and what it printed."""

    url: str
    printed: str
    folder: Path

    @property
    def password(self) -> str:
        found = re.search(r"First user +\S+, password (\S+)", self.printed)
        assert found is not None, self.printed
        return found[1]


@contextmanager
def development(folder: Path, **settings: str) -> Iterator[Development]:
    """With nothing set, or with these variables."""
    port = free_port()
    command = Path(sys.executable).with_name("doorward")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")} | settings
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [command, "dev", "--port", str(port)],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield Development(f"http://localhost:{port}", _until_it_listens(process), folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


def _until_it_listens(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "listens at" in line:
            return printed
    raise AssertionError(f"it did not start: {printed}")
