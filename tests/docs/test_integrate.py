"""The examples of docs/integrate.md accept a real access token, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import playwright
import pytest

from tests.support.development import Development, development

PAGE = Path(__file__).parents[2] / "docs" / "integrate.md"
NODE = Path(playwright.__file__).parent / "driver" / "node"
GO = Path(sys.executable).with_name("go")
LANGUAGES = {"python": "py", "typescript": "mts", "go": "go"}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    with development(tmp_path_factory.mktemp("dev")) as running:
        yield running


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_verifies_an_access_token_and_refuses_everything_else(
    language: str, dev: Development, tmp_path: Path
) -> None:
    verify = Verifier(language, tmp_path, dev.url)
    credentials = {"username": "you@example.org", "password": dev.password}
    refresh = httpx.post(f"{dev.url}/auth/login", json=credentials).text
    access = httpx.get(f"{dev.url}/auth/accesstoken", headers={"Authorization": f"Bearer {refresh}"}).text
    assert verify(access) == "1"
    header, payload, signature = access.split(".")
    for bad in (refresh, f"{header}.{payload}.{signature[::-1]}", refresh.replace(refresh.split(".")[1], payload), "x"):
        assert verify(bad) is None


class Verifier:
    """One language's example, ready to run: gives what it printed, or None where it refused."""

    def __init__(self, language: str, folder: Path, issuer: str) -> None:
        found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        assert len(found) == 1
        source = folder / f"verify.{LANGUAGES[language]}"
        source.write_text(found[0])
        self._issuer = issuer
        commands: dict[str, list[str | Path]] = {
            "python": [sys.executable, source],
            "typescript": [NODE, source],
            "go": [folder / "verify"],
        }
        self._command = commands[language]
        if language == "go":
            _build_go(source, folder / "verify")

    def __call__(self, token: str) -> str | None:
        command = [*self._command, self._issuer, token]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None


def _build_go(source: Path, target: Path) -> None:
    # Kept beside the other tools: the standard library takes a while to compile, once.
    cache = Path(sysconfig.get_path("data")) / "go-cache"
    environ = os.environ | {"GOCACHE": str(cache), "GO111MODULE": "off", "CGO_ENABLED": "0", "GOTELEMETRY": "off"}
    go = GO if GO.exists() else shutil.which("go")
    subprocess.run([str(go), "build", "-o", target, source], check=True, env=environ, cwd=source.parent)
