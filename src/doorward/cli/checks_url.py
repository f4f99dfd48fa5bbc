"""What `doorward check --url` looks at: real requests to the running server, the way that clients' go."""

import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from doorward.cli.checks_files import find_vault
from doorward.cli.point import Point
from doorward.core.clock import SystemClock
from doorward.core.vault import Vault
from doorward.http import seen
from doorward.http.seen import Sight
from doorward.mail.message import one_line
from doorward.settings import Settings

PATIENCE_S = 10
LARGEST_ANSWER = 64 * 1024
# Nobody's address (RFC 5737): a server that takes it for the client's believes what clients write.
FORGED_ADDRESS = "192.0.2.71"
FORGED = {
    "X-Forwarded-For": FORGED_ADDRESS,
    "Forwarded": f"for={FORGED_ADDRESS}",
    "X_Forwarded_For": FORGED_ADDRESS,
}
TOLD = ("Forwarded", "X-Forwarded-For")
MENDS = {
    "X-Forwarded-For": "let the outermost proxy set X-Forwarded-For anew, or trust fewer addresses",
    "Forwarded": "let the proxy remove the clients' Forwarded",
    "X_Forwarded_For": "let the proxy remove headers with an underscore (docs/operations.md)",
}


class NotSeen(Exception):
    """The request did not reach this Doorward; the message is one line, `mend` says what to do."""

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(found)
        self.mend = mend


def url_points(settings: Settings, url: str) -> Iterator[Point]:
    """Every point, by requests to the URL."""
    vault = find_vault(settings)
    if vault is None:
        mend = "run it as the user whom Doorward runs as, with Doorward's settings"
        yield Point("request", "failed", "the secret key can't be read, so the server would not answer", mend)
        return
    try:
        sight = look(url, vault)
        yield public_url(url, sight)
        yield host(url, sight)
        yield client(url, sight)
        believed = [name for name, value in FORGED.items() if look(url, vault, {name: value}).client == FORGED_ADDRESS]
        yield forged(url, sight, believed)
    except NotSeen as error:
        yield Point("request", "failed", f"{url}: {error}", error.mend)


def look(url: str, vault: Vault, headers: dict[str, str] | None = None) -> Sight:
    """Ask the server at the URL how it sees a request with these headers. Raises NotSeen."""
    status, body = _get(url, {"Authorization": seen.proof(vault, SystemClock().now_ms())} | (headers or {}))
    try:
        return msgspec.json.decode(body if status == http.HTTPStatus.OK else b"", type=Sight)
    except msgspec.DecodeError:
        raise NotSeen(
            f"{seen.PATH} answers {status}, as nothing of this installation would",
            "check where the proxy sends requests, and that the server has this secret key, clock and release",
        ) from None


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body. A redirect is not followed: no client of the API follows one."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=PATIENCE_S)
    try:
        connection.request("GET", f"{parts.path}{seen.PATH}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LARGEST_ANSWER)
    except ssl.SSLCertVerificationError as error:
        raise NotSeen(
            f"its certificate is not good: {error.verify_message}",
            "give the proxy one for this name; SSL_CERT_FILE names an authority of your own",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = one_line(str(error)) or type(error).__name__
        raise NotSeen(f"no answer ({reason})", "check the name, the proxy, and that Doorward runs") from None
    finally:
        connection.close()


def public_url(url: str, sight: Sight) -> Point:
    if url == sight.public_url:
        return Point("asked URL", "ok", f"{url} is the running server's public URL")
    found = f"asked at {url}, but the running server's public URL, the tokens' issuer, is {sight.public_url}"
    return Point("asked URL", "failed", found, f"set DOORWARD_PUBLIC_URL to {url}, or ask at the public URL")


def host(url: str, sight: Sight) -> Point:
    asked = urlsplit(url)
    scheme = sight.headers.get("X-Forwarded-Proto", "")
    told = f"{sight.host}, {scheme or 'no'} scheme told"
    if scheme and scheme != asked.scheme:
        return Point("host", "warning", f"asked {asked.scheme}, seen {told}", f"send X-Forwarded-Proto {asked.scheme}")
    if urlsplit(f"//{sight.host}").hostname != asked.hostname:
        return Point("host", "warning", f"asked {asked.netloc}, seen {told}", "let the proxy pass Host on as it is")
    return Point("host", "ok", told)


def client(url: str, sight: Sight) -> Point:
    """Whom a wrong password counts against."""
    told = [name for name in TOLD if name in sight.headers]
    if not told:
        if urlsplit(url).scheme == "http":
            return Point("client address", "ok", f"{sight.client}, which asked without a proxy")
        found = f"the proxy at {sight.peer} does not tell whom it asks for: all clients count as one"
        return Point("client address", "failed", found, "let it send X-Forwarded-For")
    heard = ", ".join(f"{name}: {sight.headers[name]}" for name in told)
    if not sight.peer_is_trusted:
        found = f"{sight.peer} sends `{heard}`, but is no trusted proxy: all its clients count as one"
        return Point("client address", "failed", found, f"add {sight.peer} to DOORWARD_TRUSTED_PROXIES")
    if sight.client == sight.peer and sight.headers[told[0]] != sight.peer:
        found = f"{sight.peer} sends `{heard}`, which can't be believed: all its clients count as one"
        return Point("client address", "failed", found, "let it send one header, with addresses in it")
    return Point("client address", "ok", f"{sight.client}, told by {sight.peer} as `{heard}`")


def forged(url: str, sight: Sight, believed: list[str]) -> Point:
    """`believed` are the headers of `FORGED` whose address the server took for the client's."""
    name = "forged address"
    own_word = _own_word(url, sight)
    stranger = [each for each in believed if each not in own_word]
    if stranger:
        found = f"a client who sends {' or '.join(stranger)} chooses its address, and guesses without a wait"
        return Point(name, "failed", found, "; ".join(MENDS[each] for each in stranger))
    if believed:
        found = f"this machine, {sight.client}, is a trusted proxy itself: what a stranger's header does is not known"
        return Point(name, "warning", found, "ask from a machine that is none")
    return Point(name, "ok", f"{', '.join(FORGED)} of a client's own are not believed")


def _own_word(url: str, sight: Sight) -> tuple[str, ...]:
    """The headers in which this machine, if it is a trusted proxy itself, may say whom it asks for."""
    if not sight.client_is_trusted:
        return ()
    if any(name in sight.headers for name in TOLD):
        return TOLD
    return tuple(FORGED) if urlsplit(url).scheme == "http" else ()
