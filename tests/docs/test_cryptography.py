"""`docs/security/cryptography.md` is the code's: every use of cryptography stands in its table, and nothing else does.

The code is searched by its syntax trees, so that it does not matter how a library was imported. What a library of
cryptography computes is a use, and so is each call of ours that seals or digests with the installation's keys. A new
use fails until somebody has written down what it is for.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.support.names import Names

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "doorward"
# fmt: off
LIBRARIES = frozenset({
    "Crypto", "Cryptodome", "OpenSSL", "_argon2_cffi_bindings", "_hashlib", "_random", "_ssl", "argon2", "authlib",
    "bcrypt", "crypt", "cryptography", "ecdsa", "hashlib", "hmac", "itsdangerous", "jose", "joserfc", "jwcrypto",
    "jwt", "nacl", "oqs", "passlib", "random", "rsa", "secrets", "ssl", "uuid",
})
# fmt: on
"""Of Python and of others, whether we depend on them or not; `random` and `uuid` are there to be noticed."""
ELSEWHERE = frozenset({"os.getrandom", "os.urandom", "http.client.HTTPSConnection", "smtplib.SMTP_SSL"})
"""In modules that are mostly for other things."""
BY_NAME = frozenset({"import_module", "__import__", "find_spec"})
OF_THE_VAULT = frozenset({"seal", "digest"})
IN_SQL = re.compile(r"\b(crypt|digest|gen_random_\w+|gen_salt|hmac|md5|pgp_\w+|random|randomblob|sha\d+)\s*\(")
NO_USE = re.compile(
    r"Error$|^Invalid|BYTES$|_ALG_|^(SSLContext|RSAPrivateKey|Encoding|DER|PrivateFormat|PKCS8|NoEncryption|cast|ffi)$"
)
"""Exceptions, constants, forms and types: they compute nothing."""
ROW = re.compile(r"^\| `(?P<file>[\w/]+\.py)` \| (?P<calls>`[^|]+) \| [^|]+ \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


class Uses(Names, ast.NodeVisitor):
    """What one module computes, as `library.name`: `hashlib.sha256`, `nacl.crypto_sign`, `vault.seal`."""

    def __init__(self, code: str) -> None:
        self.uses: set[str] = set()
        super().__init__(code)
        self.uses |= {f"{path.partition('.')[0]}.{path.rpartition('.')[2]}" for path in self.found if _computes(path)}

    def visit_Attribute(self, node: ast.Attribute) -> None:
        super().visit_Attribute(node)
        holder = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if holder.strip("_") == "vault" and node.attr in OF_THE_VAULT:
            self.uses.add(f"vault.{node.attr}")
        if holder == "func" and IN_SQL.match(f"{node.attr}("):
            self.uses.add(f"sql.{node.attr}")

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for given in node.args if name in BY_NAME else ():
            library = given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else ""
            if library.partition(".")[0] in LIBRARIES:
                self.uses.add(f"{library} by its name")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.uses |= {f"sql.{name}" for name in IN_SQL.findall(node.value)}


def _computes(path: str) -> bool:
    package = path.partition(".")[0]
    return (package in LIBRARIES or path in ELSEWHERE) and not NO_USE.search(path.rpartition(".")[2])


def test_the_table_has_every_use_in_the_code_and_no_other() -> None:
    found = {
        (str(path.relative_to(SOURCE)), use)
        for path in SOURCE.rglob("*.py")
        for use in Uses(path.read_text("utf-8")).uses
    }
    page = (ROOT / "docs" / "security" / "cryptography.md").read_text("utf-8")
    told = {(row["file"], call) for row in ROW.finditer(page) for call in re.findall(r"`([^`]+)`", row["calls"])}
    assert found - told == set(), "not in docs/security/cryptography.md: say what it is for, and what replaces it"
    assert told - found == set(), "no longer in the code"


def test_the_pages_of_the_service_compute_nothing_secret() -> None:
    scripts = list((SOURCE / "http" / "static").rglob("*.js"))
    assert scripts
    assert not [path for path in scripts if re.search(r"\bcrypto\b|Math\.random", path.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("import hashlib\nhashlib.md5(b'')", "hashlib.md5"),
        ("import hashlib as h\ndigest = h.sha1", "hashlib.sha1"),
        ("from hashlib import new as made\nmade('md5')", "hashlib.new"),
        ("def late():\n    from cryptography.hazmat.primitives import hashes\n    hashes.MD5()", "cryptography.MD5"),
        ("import cryptography.fernet\ncryptography.fernet.Fernet(key)", "cryptography.Fernet"),
        ("from hashlib import *\nmd5(b'')", "hashlib.*"),
        ("import hashlib\nlibrary = hashlib\nlibrary.md5(b'')", "hashlib.hashlib"),
        ("import hashlib\ngetattr(hashlib, 'md5')(b'')", "hashlib.hashlib"),
        ("from random import choice\ncode = choice('123')", "random.choice"),
        ("import uuid\nuuid.uuid4().hex", "uuid.uuid4"),
        ("import os\nos.urandom(8).hex()", "os.urandom"),
        ("from http.client import HTTPSConnection\nHTTPSConnection('a')", "http.HTTPSConnection"),
        ("import importlib\nimportlib.import_module('hashlib')", "hashlib by its name"),
        ("def keep(self):\n    return self.env.vault.seal(b'', '')", "vault.seal"),
        ("query = 'SELECT md5(password) FROM users'", "sql.md5"),
        ("import sqlalchemy as sa\nsa.select(sa.func.random())", "sql.random"),
    ],
)
def test_a_use_is_found_however_it_is_written(code: str, use: str) -> None:
    assert Uses(code).uses == {use}
