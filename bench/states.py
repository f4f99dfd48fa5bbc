"""`python -m bench.states FOLDER COUNT`: makes what each operation uses up, and writes the requests that use it.

COUNT is how many of each there are. Access tokens among them live for five minutes, so it is done just before they
are sent. A process of its own, as `bench.seed`, after which it runs.
"""

import itertools
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import sqlalchemy as sa

from bench.operations import OPERATIONS, Load
from bench.seed import LOGINS, PASSWORD, WARM, session_row, write
from doorward import codes
from doorward.app import build_env
from doorward.codes import Purpose
from doorward.core.db import Tx
from doorward.core.tables import email_otp, identifiers, recovery_codes, sessions, totp, users
from doorward.env import Env
from doorward.factors import otp
from doorward.factors.common import RECOVERY_CODES, recovery_code_hash
from doorward.sessions.flows import new_session_id
from doorward.settings import load
from doorward.tokens.tokens import Use

CODE = "271828"
SECRET = b"a secret of 20 bytes"
"""Of every authenticator app here, so that one code serves all requests."""

SHOWN = b"@CODE@"
"""In the place of the code that an authenticator app shows at the time, in files whose names end in `TEMPLATE`."""

TEMPLATE = "-template"
RECOVERY_CODE = "ABCDEFGH2345678"
"""The first 15 characters of every user's codes."""

FACTOR_ADDRESS = "factor@example.org"
"""Where everyone's mailed codes of the second factor go."""

NEW_PASSWORD = "Battery-Staple-2"

Body = dict[str, str]


def main(folder: Path, count: int) -> None:
    env = build_env(load())
    password_hash = env.hasher.hash(PASSWORD)
    with env.db.write() as tx:
        made = States(tx, env, password_hash, count).requests()
        for name, requests in made.items():
            write(folder / name, requests)
    env.hasher.close()
    env.db.close()
    shutil.copyfile(folder / LOGINS, folder / _file("POST", "/auth/login"))
    exchanges = (folder / WARM).read_text("ascii")
    for path in ("/auth/accesstoken", "/auth/refreshtoken", "/auth/refreshtoken/validate"):
        (folder / _file("GET", path)).write_text(exchanges.replace("/auth/accesstoken", path), "ascii")


def put_in_code(folder: Path, operation: Load) -> None:
    """Write the operation's requests anew, with the code that authenticator apps show now."""
    template = folder / f"{operation.file}{TEMPLATE}"
    shown = otp.hotp(SECRET, int(time.time()) // otp.STEP_S)
    (folder / operation.file).write_bytes(template.read_bytes().replace(SHOWN, shown.encode()))


def request(method: str, path: str, token: str | None = None, body: Body | None = None) -> str:
    """A request as text."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "X-Forwarded-For: 10.0.0.1"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    content = "" if body is None else msgspec.json.encode(body).decode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", content])


class States:
    """Groups of users, each in the state that some operations begin from."""

    def __init__(self, tx: Tx, env: Env, password_hash: str, count: int) -> None:
        self._tx = tx
        self._env = env
        self._password_hash = password_hash
        self._count = count
        # Other rounds have made theirs before.
        self._round = tx.execute(sa.select(sa.func.max(users.c.id))).scalar() or 0

    def requests(self) -> dict[str, list[str]]:
        """The requests of each operation, by the name of its file."""
        groups = (self._plain(), self._protected(), self._ending(), self._beginning(), self._changing())
        return {_file(*operation): requests for group in groups for operation, requests in group.items()}

    def _plain(self) -> dict[tuple[str, str], list[str]]:
        """Users without a second factor."""
        ids = self._users("plain")
        access, mails = self._tokens(ids, "access"), self._emails("plain")
        return {
            **_each("POST", "/auth/logout", self._tokens(ids, "refresh")),
            **_each("GET", "/auth/accesstoken/validate", access),
            **_each("POST", "/user/2fa/totp/setup", access),
            **_each("POST", "/user/2fa/email-otp/setup", access, ({"email": mail} for mail in mails)),
            **_each("POST", "/user/email/initiate", access, ({"email": f"new-{mail}"} for mail in mails)),
            **_each("POST", "/user/password/reset/send", None, ({"email": mail} for mail in mails)),
        }

    def _protected(self) -> dict[tuple[str, str], list[str]]:
        """Users with all second factors."""
        ids = self._users("protected")
        self._add_factors(ids)
        access, mails = self._tokens(ids, "access"), self._emails("protected")
        self._put_codes("email-otp", map(str, ids), [FACTOR_ADDRESS] * len(ids), ids)
        self._put_codes("reset", mails, mails, ids)
        steps = {
            "/user/2fa/email-otp/authenticate": {"otp": CODE},
            "/user/2fa/totp/authenticate": {"totp": SHOWN.decode()},
            "/user/2fa/recovery-code/authenticate": {"recoveryCode": f"{RECOVERY_CODE}2"},
        }
        seen = ("", "/email-otp/next-email", "/totp/next-guess", "/recovery-code/next-guess")
        checks = ({"email": mail, "otp": CODE} for mail in mails)
        requests = _each("POST", "/user/password/reset/validate", None, checks)
        for path in seen:
            requests |= _each("GET", f"/user/2fa{path}", access)
        for path, body in steps.items():
            requests |= _each("POST", path, self._partial_tokens(ids), itertools.repeat(body))
        return requests

    def _ending(self) -> dict[tuple[str, str], list[str]]:
        """Users with all second factors, who take one off."""
        one, other = self._users("ends-email"), self._users("ends-totp")
        self._add_factors([*one, *other])
        sudo = self._tokens(one, "sudo")
        return {
            **_each("DELETE", "/user/2fa/email-otp", sudo),
            **_each("POST", "/user/2fa/recovery-code/reset", sudo),
            **_each("DELETE", "/user/2fa/totp", self._tokens(other, "sudo")),
            # Not of those who log in by a mailed code: a new one would void theirs.
            **_each("POST", "/user/2fa/email-otp/challenge", self._tokens(other, "access")),
        }

    def _beginning(self) -> dict[tuple[str, str], list[str]]:
        """Users whose first second factor, or new address, waits for its code."""
        apps, mailed, moving = self._users("app"), self._users("mailed"), self._users("moving")
        sealed = [{"user_id": each, "pending_secret": self._sealed(each)} for each in apps]
        self._tx.execute(sa.insert(totp), sealed)
        pending = [{"user_id": each, "pending_email": "pending@example.org"} for each in mailed]
        self._tx.execute(sa.insert(email_otp), pending)
        self._put_codes("email-otp-setup", map(str, mailed), self._emails("mailed"), mailed)
        new = [f"new-{mail}" for mail in self._emails("moving")]
        self._put_codes("transfer", map(str, moving), new, moving)
        typed: Iterator[Body] = itertools.repeat({"otp": CODE})
        shown: Iterator[Body] = itertools.repeat({"totp": SHOWN.decode()})
        addresses = ({"email": mail} for mail in self._emails("mailed"))
        return {
            **_each("POST", "/user/2fa/totp/enable", self._tokens(apps, "access"), shown),
            **_each("POST", "/user/2fa/email-otp/enable", self._tokens(mailed, "access"), typed),
            **_each("PUT", "/user/email", self._tokens(moving, "access"), typed),
            **_each("POST", "/v1/auth/forgot-password", None, addresses),
        }

    def _changing(self) -> dict[tuple[str, str], list[str]]:
        """Users who change their password."""
        knowing, forgetful = self._users("knowing"), self._users("forgetful")
        mails = self._emails("forgetful")
        self._put_codes("reset", mails, mails, forgetful)
        change = itertools.repeat({"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD})
        resets = ({"userEmail": mail, "otp": CODE, "newPassword": NEW_PASSWORD} for mail in mails)
        return {
            **_each("PUT", "/user/password/old-password", self._tokens(knowing, "access"), change),
            **_each("PUT", "/user/password/otp", None, resets),
        }

    def _emails(self, group: str) -> list[str]:
        return [f"{group}{number}@{self._round}.example.org" for number in range(self._count)]

    def _users(self, group: str) -> list[int]:
        mails = self._emails(group)
        added = sa.insert(users).returning(users.c.id, sort_by_parameter_order=True)
        rows = [
            {"username": mail, "email": mail, "password_hash": self._password_hash, "created_at": self._tx.now}
            for mail in mails
        ]
        ids: list[int] = list(self._tx.execute(added, rows).scalars())
        named = [{"key": mail, "user_id": user_id} for mail, user_id in zip(mails, ids, strict=True)]
        self._tx.execute(sa.insert(identifiers), named)
        return ids

    def _tokens(self, ids: list[int], use: Use) -> list[str]:
        """A token of a session of its own for each user."""
        begun = [session_row(self._tx, self._env, user_id) for user_id in ids]
        self._tx.execute(sa.insert(sessions), [row for row, _ in begun])
        claims = [refresh for _, refresh in begun]
        if use != "refresh":
            claims = [
                self._env.tokens.claims(
                    use, user_id=each.user_id, session_id=each.sid, amr=each.amr, auth_time=self._tx.now
                )
                for each in claims
            ]
        return [self._env.tokens.sign(each) for each in claims]

    def _partial_tokens(self, ids: list[int]) -> list[str]:
        return [
            self._env.tokens.issue(
                "partial",
                user_id=user_id,
                session_id=new_session_id(),
                amr=["pwd"],
                auth_time=self._tx.now,
                version=0,
            )
            for user_id in ids
        ]

    def _add_factors(self, ids: list[int]) -> None:
        now = self._tx.now
        apps = [{"user_id": each, "secret": self._sealed(each), "completed_at": now} for each in ids]
        self._tx.execute(sa.insert(totp), apps)
        mailed = [{"user_id": each, "email": FACTOR_ADDRESS, "completed_at": now} for each in ids]
        self._tx.execute(sa.insert(email_otp), mailed)
        spare = [
            {
                "user_id": each,
                "code_hash": recovery_code_hash(self._env, each, f"{RECOVERY_CODE}{number}"),
                "created_at": now,
            }
            for each in ids
            for number in range(RECOVERY_CODES)
        ]
        self._tx.execute(sa.insert(recovery_codes), spare)

    def _put_codes(self, purpose: Purpose, subjects: Iterable[str], addresses: list[str], ids: list[int]) -> None:
        for subject, address, user_id in zip(subjects, addresses, ids, strict=True):
            codes.put(self._tx, self._env.vault, purpose, subject, code=CODE, address=address, user_id=user_id)

    def _sealed(self, user_id: int) -> bytes:
        return self._env.vault.seal(SECRET, f"totp:{user_id}")


def _each(
    method: str, path: str, tokens: list[str] | None, bodies: Iterable[Body] = itertools.repeat({})
) -> dict[tuple[str, str], list[str]]:
    """The operation and its requests: a token each, a body each, or both."""
    content: Iterable[Body | None] = bodies if method not in {"GET", "DELETE"} else itertools.repeat(None)
    if tokens is None:
        return {(method, path): [request(method, path, None, body) for body in content]}
    return {(method, path): [request(method, path, *each) for each in zip(tokens, content, strict=False)]}


def _file(method: str, path: str) -> str:
    operation = next(each for each in OPERATIONS if (each.method, each.path) == (method, path))
    return f"{operation.file}{TEMPLATE}" if operation.timed else operation.file


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
