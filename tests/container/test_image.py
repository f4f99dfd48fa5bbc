"""What docs/operations.md says of the image, with its commands: built, run, used, stopped with a request in flight."""

import os
import platform
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers import HOST, SECRET_KEY, WAIT_S, free_port, wait_until

ROOT = Path(__file__).parents[2]
TRIAL = "doorward-trial"
"""What the image, the container, its volume and its secret are called here, so that nobody's own are touched."""
RENAMED = {
    "podman build": "podman build $BUILD_ARGS",
    "/opt/doorward": str(ROOT),
    "-t doorward": f"-t {TRIAL}",
    "--name doorward": f"--name {TRIAL}",
    "exec doorward": f"exec {TRIAL}",
    "-it doorward": f"-i {TRIAL}",
    "doorward-data": f"{TRIAL}-data",
    "doorward.secret_key": f"{TRIAL}.secret_key",
    ":8000:8000 doorward": f":$PORT:8000 {TRIAL}",
}
PASSWORD = "Correct-Horse-Battery-1"
LOGIN = f'{{"username": "ann@example.org", "password": "{PASSWORD}"}}'.encode()
JSON = "Content-Type: application/json"
LOOK = f"""podman run --rm -i --read-only --entrypoint bash {TRIAL} <<'END'
id -u
find / -xdev -type f -perm /6000 2>/dev/null
for tool in cc gcc as ld make pip pip3 curl wget git; do command -v $tool; done
python3 -c 'from doorward.hashing import native; print(native.is_usable())'
END"""


def documented(command: str) -> str:
    """The page's command that begins so, with our names."""
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## As a container\n")[2]
    lines = re.sub(r" \\\n *", " ", section).splitlines()
    found = next(line for line in lines if line.startswith(command))
    for theirs, ours in RENAMED.items():
        found = found.replace(theirs, ours)
    return found


def run(command: str, **variables: str) -> str:
    """What it prints. Fails with what it says on standard error."""
    bash = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(bash, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
    return done.stdout


def remove() -> None:
    """No container, volume and secret of ours are left, by a trial that was cut off neither."""
    run(f"podman rm --force --ignore {TRIAL}")
    run(f"podman volume rm --force {TRIAL}-data || true")
    run(f"podman secret rm {TRIAL}.secret_key || true")


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    run(documented("podman build"))


class Container:
    """The image as the page runs it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        run(documented("openssl rand"))
        run(documented("podman run"), PORT=str(self.port))
        wait_until(lambda: self.readiness() == httpx.codes.OK)

    def readiness(self) -> int:
        """The status that it answers, or 0 without an answer."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=WAIT_S).status_code
        except httpx.TransportError:
            return 0

    def exchange(self, refresh: str) -> httpx.Response:
        return httpx.get(f"{self.url}/auth/accesstoken", headers={"Authorization": f"Bearer {refresh}"}, timeout=WAIT_S)

    def half_a_login(self) -> socket.socket:
        """A connection on which a login lacks its last byte."""
        connection = socket.create_connection((HOST, self.port), timeout=WAIT_S)
        head = f"POST /auth/login HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: {len(LOGIN)}\r\n\r\n"
        connection.sendall(head.encode() + LOGIN[:-1])
        return connection


@pytest.fixture
def container() -> Iterator[Container]:
    remove()
    try:
        yield Container()
    finally:
        remove()


def test_the_image_holds_nothing_to_build_to_fetch_or_to_become_root_with() -> None:
    is_fast = platform.machine() == "x86_64" and "avx2" in Path("/proc/cpuinfo").read_text()
    assert run(LOOK).splitlines() == ["10001", str(is_fast)]


def test_it_runs_as_documented_and_is_stopped_without_a_request_lost(container: Container) -> None:
    assert "FAILED" not in run(documented("podman exec"))
    run(f"echo {PASSWORD} | {documented('podman exec -it')}")
    headers = dict([JSON.split(": ")])
    refresh = httpx.post(f"{container.url}/auth/login", content=LOGIN, headers=headers, timeout=WAIT_S).text
    assert container.exchange(refresh).status_code == httpx.codes.OK
    run(f"podman healthcheck run {TRIAL}")

    with container.half_a_login() as connection, ThreadPoolExecutor(1) as pool:
        stop = pool.submit(run, f"podman stop {TRIAL}")
        wait_until(lambda: container.readiness() == httpx.codes.SERVICE_UNAVAILABLE)
        connection.sendall(LOGIN[-1:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        stop.result(WAIT_S)
    assert run(f"podman inspect {TRIAL} --format '{{{{.State.ExitCode}}}}'") == "0\n"

    run(f"podman start {TRIAL}")
    wait_until(lambda: container.readiness() == httpx.codes.OK)
    assert container.exchange(refresh).status_code == httpx.codes.OK


def test_a_folder_that_it_may_not_write_ends_it_with_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    key = ["-e", f"DOORWARD_SECRET_KEY={SECRET_KEY}"]
    command = ["podman", "run", "--rm", "--read-only", *key, "-v", f"{tmp_path}:/var/lib/doorward", TRIAL]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ended.returncode == 1
    [line] = [each for each in ended.stderr.splitlines() if each.startswith("doorward: ")]
    assert "let the user whom Doorward runs as write" in line
