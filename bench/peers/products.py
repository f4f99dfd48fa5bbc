"""Those measured: how each is installed, started and spoken to."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.argon import library
from bench.seed import EXCHANGE, PASSWORD, email
from bench.servers import HOST, ROOT, Server, Site, running
from doorward import __version__
from tests.support.servers import free_port

INSTALLED = ROOT / ".peers"
SOURCES = Path(__file__).parent
SECRET = "only for measuring, never for a real service"
JSON = "application/json"
TIMEOUT_S = 30
KEPT_OF_ERROR = 2_000

Login = Callable[[int], str]
Check = Callable[[str, bytes], str]


@dataclass(frozen=True)
class Product:
    """One of those measured.

    `sign_up` and `login` give the request of the user of a number, `check` the request that asks whether the session
    of a login's answer (head and body) lives. `path` answers when the server is ready.
    """

    name: str
    check_name: str
    path: str
    login: Login
    check: Check
    sign_up: Login | None = None
    install: Callable[[], None] = lambda: None
    versions: Callable[[], str] = lambda: ""
    command: Callable[[Path, int], Sequence[str]] = lambda _folder, _port: ()
    environ: Callable[[Path], dict[str, str]] = lambda _folder: {}
    prepare: Sequence[str] = ()
    home: Path = ROOT

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Server]:
        """The server with its users signed up, its data in the folder."""
        folder.mkdir()
        if self.sign_up is None:
            site = Site(folder)
            site.seed()
            with site.serving() as server:
                yield server
            return
        port = free_port()
        environ = dict(os.environ) | self.environ(folder)
        if self.prepare:
            subprocess.run(self.prepare, cwd=self.home, env=environ, check=True)
        with running(self.command(folder, port), port, self.path, environ, folder / "log", self.home) as server:
            yield server


def request(method: str, path: str, body: str = "", kind: str = "", **headers: str) -> str:
    """A request as text; in the names of headers `_` stands for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


def ask(port: int, text: str) -> tuple[str, bytes]:
    """The head and the body of the answer to a request. Raises RuntimeError when it is no success."""
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body or None, dict(line.split(": ", 1) for line in lines))
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
        raise RuntimeError(f"{first}: {answer.status} {content[:KEPT_OF_ERROR].decode('utf-8', 'replace')}")
    return str(answer.headers), content


def _json_login(path: str, name: str) -> Login:
    return lambda number: request("POST", path, json.dumps({name: email(number), "password": PASSWORD}), JSON)


def _cookie(head: str) -> str:
    """The first cookie of an answer."""
    line = next(line for line in head.splitlines() if line.lower().startswith("set-cookie:"))
    return line.partition(":")[2].partition(";")[0].strip()


def _python(name: str) -> Path:
    return INSTALLED / name / "bin"


def _install_python(name: str) -> None:
    """An environment of its own, made anew when what it holds was pinned anew."""
    wanted = SOURCES / name / "requirements.txt"
    folder = INSTALLED / name
    held = folder / "requirements.txt"
    if held.exists() and held.read_text() == wanted.read_text():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = (str(_python(name) / "pip"), "--disable-pip-version-check", "install", "--quiet")
    subprocess.run([*pip, "--requirement", str(wanted)], check=True)
    shutil.copyfile(wanted, held)


def _install_node() -> None:
    """better-auth beside a Node.js that is there, or that Debian's package brings."""
    if shutil.which("npm") is None and os.geteuid() == 0 and (apt_get := shutil.which("apt-get")):
        subprocess.run([apt_get, "install", "--yes", "-qq", "nodejs", "npm"], check=False)
    if (npm := shutil.which("npm")) is None:
        raise SystemExit("bench: npm is missing: apt-get install nodejs npm")
    source, folder = SOURCES / "better_auth", INSTALLED / "better_auth"
    held = folder / "installed.json"
    if not held.exists() or held.read_bytes() != (source / "package-lock.json").read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(source / name, folder / name)
        for words in (("ci", "--ignore-scripts", "--no-audit", "--no-fund"), ("rebuild", "better-sqlite3")):
            subprocess.run([npm, *words], cwd=folder, check=True)
        shutil.copyfile(source / "package-lock.json", held)
    shutil.copyfile(source / "server.mjs", folder / "server.mjs")


def _node_versions() -> str:
    command = [shutil.which("node") or "node", "--version"]
    node = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    wanted = json.loads((SOURCES / "better_auth" / "package.json").read_text())["dependencies"]
    return ", ".join([f"Node.js {node.removeprefix('v')}", *(f"{name} {version}" for name, version in wanted.items())])


def _python_versions(name: str) -> str:
    return ", ".join((SOURCES / name / "requirements.txt").read_text().replace("==", " ").splitlines())


def _environ(folder: Path) -> dict[str, str]:
    return {"PEER_DATABASE": str(folder / "peer.db"), "PEER_SECRET": SECRET, "PYTHONDONTWRITEBYTECODE": "1"}


DOORWARD = Product(
    name="Doorward",
    check_name="GET /auth/accesstoken (the exchange)",
    path="/health/ready",
    login=_json_login("/auth/login", "username"),
    check=lambda _head, body: EXCHANGE.format(token=body.decode()),
    versions=lambda: f"{__version__}, Argon2id by {library()}",
)
BETTER_AUTH = Product(
    name="better-auth",
    check_name="GET /api/auth/get-session",
    path="/api/auth/ok",
    login=_json_login("/api/auth/sign-in/email", "email"),
    check=lambda head, _body: request("GET", "/api/auth/get-session", cookie=_cookie(head)),
    sign_up=lambda number: request(
        "POST",
        "/api/auth/sign-up/email",
        json.dumps({"email": email(number), "password": PASSWORD, "name": "Someone"}),
        JSON,
    ),
    install=_install_node,
    versions=_node_versions,
    command=lambda folder, port: ("node", "server.mjs", str(port), str(folder / "peer.db")),
    environ=lambda _folder: {"NODE_ENV": "production", "BETTER_AUTH_SECRET": SECRET},
    home=INSTALLED / "better_auth",
)
ALLAUTH = Product(
    name="django-allauth headless",
    check_name="GET /_allauth/app/v1/auth/session",
    path="/_allauth/app/v1/config",
    login=_json_login("/_allauth/app/v1/auth/login", "email"),
    check=lambda _head, body: request(
        "GET", "/_allauth/app/v1/auth/session", X_Session_Token=json.loads(body)["meta"]["session_token"]
    ),
    sign_up=_json_login("/_allauth/app/v1/auth/signup", "email"),
    install=lambda: _install_python("allauth"),
    versions=lambda: _python_versions("allauth"),
    command=lambda _folder, port: (
        str(_python("allauth") / "gunicorn"),
        *("--workers=1", "--threads=4", "--keep-alive=30", "--no-control-socket", "--log-level=warning"),
        *(f"--bind={HOST}:{port}", "django.core.wsgi:get_wsgi_application()"),
    ),
    environ=lambda folder: _environ(folder) | {"DJANGO_SETTINGS_MODULE": "peer_settings"},
    prepare=(str(_python("allauth") / "python"), "-m", "django", "migrate", "--verbosity=0"),
    home=SOURCES / "allauth",
)
FASTAPI_USERS = Product(
    name="fastapi-users",
    check_name="GET /users/me",
    path="/openapi.json",
    login=lambda number: request(
        "POST",
        "/auth/login",
        urlencode({"username": email(number), "password": PASSWORD}),
        "application/x-www-form-urlencoded",
    ),
    check=lambda _head, body: request("GET", "/users/me", Authorization=f"Bearer {json.loads(body)['access_token']}"),
    sign_up=_json_login("/auth/register", "email"),
    install=lambda: _install_python("fastapi_users"),
    versions=lambda: _python_versions("fastapi_users"),
    command=lambda _folder, port: (
        str(_python("fastapi_users") / "uvicorn"),
        *("peer:app", f"--host={HOST}", f"--port={port}", "--no-access-log", "--log-level=warning"),
    ),
    environ=_environ,
    home=SOURCES / "fastapi_users",
)
PRODUCTS = (DOORWARD, BETTER_AUTH, ALLAUTH, FASTAPI_USERS)
