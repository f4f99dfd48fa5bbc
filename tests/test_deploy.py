"""deploy/ and docs/: what they name exists, and what they promise of Doorward is so."""

import json
import re
import socket
from pathlib import Path

import pytest

from doorward.cli.main import COMMANDS
from doorward.cli.parser import WRONG_USAGE
from doorward.core.errors import CATALOGUE, REASONS
from doorward.http.bodies import LARGEST_BODY
from doorward.settings import FIELDS
from tests.support.databases import copied_sqlite
from tests.support.servers import Server, environment
from tests.support.smtp import SmtpCatcher

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
OPERATED = [*PAGES, *FILES]
QUADLET = {
    "--name": "ContainerName",
    "--read-only": "ReadOnly",
    "--tmpfs": "Tmpfs",
    "--cap-drop": "DropCapability",
    "--security-opt": "NoNewPrivileges",
    "--secret": "Secret",
    "-e": "Environment",
    "-v": "Volume",
    "-p": "PublishPort",
}
"""What an option of `podman run` is called in a unit; others are handed on as they are."""
AWAY = '{"statusCode":503,"error":"Service Unavailable","message":"SERVICE_UNAVAILABLE"}'


def directives(name: str) -> str:
    """A file of deploy/ without its comments."""
    return re.sub(r"^\s*#.*$", "", (DEPLOY / name).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("path", OPERATED, ids=lambda path: path.name)
def test_settings_and_commands_that_are_named_exist(path: Path) -> None:
    said = path.read_text()
    for name in re.findall(r"\bDOORWARD_([A-Z0-9_]+)\b", said):
        assert name == "CONFIG" or {name.lower(), name.lower().removesuffix("_file")} & set(FIELDS), name
    for name in re.findall(r"\bdoorward\.([a-z0-9_]+):/", said):
        assert name in FIELDS, name
    for command in re.findall(r"(?:^|`|bin/)doorward (?:--config \S+ )?([a-z]+)", said, re.MULTILINE):
        assert command in COMMANDS, command
    for name in re.findall(r"^([a-z0-9_]+) = ", said, re.MULTILINE) if path.name == "operations.md" else ():
        assert name in FIELDS, name


def test_the_page_for_operators_links_to_every_file_there() -> None:
    linked = set(re.findall(r"\]\(\.\./deploy/([^)]+)\)", (ROOT / "docs" / "operations.md").read_text()))
    copied = set(re.findall(r"/opt/doorward/deploy/(\S+)", (ROOT / "docs" / "operations.md").read_text()))
    assert copied == {str(path.relative_to(DEPLOY)) for path in FILES}
    assert linked <= copied


def test_the_unit_leaves_a_wrong_setting_ended_and_hands_the_key_over() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", directives("doorward.service"), re.MULTILINE))
    assert unit["RestartPreventExitStatus"] == str(WRONG_USAGE)
    assert unit["LoadCredential"].startswith("doorward.secret_key:")
    assert "@resources" not in directives("doorward.service")
    assert "doorward --config /etc/doorward/doorward.toml serve" in unit["ExecStart"]


def test_the_unit_lets_the_service_talk_to_its_own_machine_alone_and_hides_the_repository() -> None:
    lines = directives("doorward.service").splitlines()
    assert [line for line in lines if line.startswith("IPAddress")] == ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    assert "InaccessiblePaths=-/opt/doorward/.git" in lines
    assert "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" in lines
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert "--host" not in start  # it listens at 127.0.0.1
    # An image is built of what is named alone.
    assert not re.search(r"^!.*\.git", (ROOT / ".dockerignore").read_text(), re.MULTILINE)


def test_the_image_is_built_of_files_that_are_there_and_its_context_holds_no_others() -> None:
    said = directives("Containerfile")
    copied = {name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", said, re.MULTILINE) for name in names.split()}
    assert {"src", "requirements.lock"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    first, *rest = [each for each in (ROOT / ".dockerignore").read_text().splitlines() if not each.startswith("#")]
    assert first == "*"
    assert {each[1:] for each in rest if each.startswith("!")} == copied


def test_the_image_has_no_tools_runs_as_nobody_and_installs_by_hash() -> None:
    build, run = directives("Containerfile").split("FROM ${BASE}\n")
    assert "FROM ${BASE} AS build" in build
    assert not re.search(r"\bpip\b|gcc|venv|-dev\b|COPY (?!--from=build)", run)
    user, group = re.findall(r"^USER (\d+):(\d+)$", run, re.MULTILINE)[0]
    assert int(user) > 0 < int(group)
    assert f"--uid {user}" in run
    assert f"--gid {group}" in run
    assert run.index("USER") < run.index("ENTRYPOINT")
    for line in re.sub(r"\\\n\s*", "", build).split("&&"):
        if "pip" in line and (" install " in line or " wheel " in line) and "apt-get" not in line:
            assert "--require-hashes" in line or "--no-index" in line, line
    assert "VOLUME /var/lib/doorward" in run
    assert "DOORWARD_DATA_DIR=/var/lib/doorward" in run
    assert "/health/live" in run
    assert not re.search(r"DOORWARD_SECRET|PASSWORD|ADD ", run)
    assert "find / -xdev -type f -perm /6000 -exec chmod a-s {} +" in run[: run.index("USER")]


def test_what_the_image_compiles_says_which_processor_it_needs() -> None:
    """The loader refuses it to an older one; without that a login there would end the server."""
    build = directives("Containerfile")
    assert re.findall(r"^ARG ARCH=(.*)$", build, re.MULTILINE) == ["x86-64-v3"]
    assert 'CFLAGS="-O3 -march=$ARCH" LDFLAGS="-Wl,-z,$ARCH"' in build
    assert build.count("$ARCH") == 3


def test_systemd_keeps_the_container_as_it_keeps_the_service_and_as_the_page_runs_it() -> None:
    service, container = directives("doorward.service"), directives("doorward.container")
    for rule in ("Restart=on-failure", "RestartSec=5s", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0"):
        assert f"\n{rule}\n" in service
        assert f"\n{rule}\n" in container
    assert "\nNotify=true\n" in container
    page = re.sub(r" \\\n *", " ", (ROOT / "docs" / "operations.md").read_text())
    [options] = re.findall(r"^podman run -d (.*) doorward$", page, re.MULTILINE)
    for name, value in re.findall(r"(--?[a-z-]+)(?: ([^- ]\S*))?", options):
        line = f"{QUADLET[name]}={value or 'true'}" if name in QUADLET else f"PodmanArgs={name}={value}"
        assert f"\n{line.replace('=no-new-privileges', '=true')}\n" in container


def test_nginx_sets_the_clients_address_anew_and_leaves_bodies_to_doorward() -> None:
    said = directives("nginx.conf")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in said
    assert 'proxy_set_header Forwarded "";' in said
    assert "underscores_in_headers off;" in said
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", said)
    assert int(megabytes) * 1024 * 1024 > LARGEST_BODY
    assert AWAY in said
    assert said.count("{") == said.count("}") + AWAY.count("{") - AWAY.count("}")


def test_haproxy_sets_the_clients_address_anew_and_lets_no_double_through() -> None:
    said = directives("haproxy.cfg")
    order = [said.index(each) for each in ("del-header _ -m sub", "del-header Forwarded", "set-header X-Forwarded-For")]
    assert order == sorted(order)
    assert "uri /health/ready" in said
    assert "option http-buffer-request" in said


def test_what_a_proxy_says_while_no_server_runs_is_of_the_apis_form() -> None:
    head, _, body = (DEPLOY / "haproxy-503.http").read_bytes().partition(b"\r\n\r\n")
    assert body.decode() == AWAY
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    told = json.loads(AWAY)
    assert CATALOGUE[told["message"]][0] == told["statusCode"] == 503
    assert told["error"] == REASONS[503]


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told_when_it_listens(
    sqlite_template: Path,
    tmp_path: Path,
    smtp: SmtpCatcher,
    is_abstract: bool,  # noqa: FBT001
) -> None:
    address = f"\0{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor, copied_sqlite(sqlite_template) as database:
        supervisor.settimeout(30)
        supervisor.bind(address)
        told_at = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        server = Server(environment(database, tmp_path / "data", smtp) | told_at, tmp_path / "log")
        server.launch()
        try:
            assert supervisor.recv(100) == b"READY=1"
            with socket.create_connection(("127.0.0.1", server.port), timeout=5):
                pass
        finally:
            server.stop()
