"""The threat model tells every connection that Doorward opens: where in the code, and by which setting."""

import re
from pathlib import Path

import pytest

from doorward.settings import FIELDS
from tests.support.names import Names

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "doorward"
PAGE = (ROOT / "docs" / "security" / "threat-model.md").read_text("utf-8")
# fmt: off
LIBRARIES = (
    "aiohttp", "asyncpg", "ftplib", "httpx", "imaplib", "multiprocessing.connection", "poplib", "pty", "pycurl",
    "requests", "socketserver", "subprocess", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
)
# fmt: on
"""That are for nothing else."""
OPENS = re.compile(
    r"(?:(?:socket\.(?:socket|create_connection|\*)|http\.client\.(?:HTTPS?Connection|\*)"
    r"|smtplib\.(?:SMTP|SMTP_SSL|LMTP|\*)|psycopg\.(?:(?:Async)?(?:Connection|connect)|\*)|.+\.OTLPSpanExporter"
    r"|os\.(?:system|popen|exec\w+|spawn\w+|posix_spawn\w*|\*)|asyncio\.(?:open_\w+|\*)|ssl\.get_server_certificate"
    rf"|logging\.handlers\.\w+|{'|'.join(map(re.escape, LIBRARIES))})(?:\..+)?"
    # As a whole: what is used of it can't be told.
    r"|socket|smtplib|psycopg|http\.client)"
)
ROW = re.compile(r"^\| `(?P<file>[\w/]+\.py)` \| (?P<by>[^|]+) \|", re.MULTILINE)
NOT_CONNECTED_TO = frozenset({"public_url"})


def opens_connections(code: str) -> bool:
    return any(OPENS.fullmatch(path) for path in Names(code).found)


def test_every_place_that_opens_a_connection_is_told_with_its_setting() -> None:
    found = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if opens_connections(path.read_text("utf-8"))
    }
    told = {row["file"]: row["by"] for row in ROW.finditer(PAGE)}
    assert found == set(told)
    named = set(re.findall(r"`(\w+_url)`", " ".join(told.values())))
    assert named == {name for name in FIELDS if name.endswith("_url")} - NOT_CONNECTED_TO


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.create_connection(('a', 1))",
        "from socket import socket\nsocket().connect(('a', 1))",
        "import urllib.request as web\nweb.urlopen('http://a')",
        "import requests\nrequests.get('http://a')",
        "import smtplib\nkind = smtplib.SMTP",
        "import psycopg\npsycopg.Connection.connect('postgresql://a')",
        "from socket import *\ncreate_connection(('a', 1))",
        "import socket\nmodule = socket\nmodule.socket()",
        "import os\nos.popen('curl http://a')",
        "import socketserver\nsocketserver.TCPServer(('a', 1), None)",
        "def late():\n    import subprocess\n    subprocess.run(['curl'])",
    ],
)
def test_a_connection_is_found_however_it_is_written(code: str) -> None:
    assert opens_connections(code)


def test_what_only_names_an_error_opens_none() -> None:
    assert not opens_connections(
        "import smtplib, socket\ntry:\n    pass\nexcept (smtplib.SMTPException, socket.gaierror):\n    pass"
    )
