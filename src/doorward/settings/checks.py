"""What no setting can tell by its type: whether it is well-formed, and goes with the others."""

import ipaddress
from urllib.parse import parse_qsl, urlsplit

from doorward.core.client import is_loopback
from doorward.core.vault import SHORTEST_SECRET_KEY
from doorward.settings.declared import Settings, SettingsError

URLS = (
    "public_url", "database_url", "smtp_url", "breached_passwords_url", "event_webhook_url", "event_syslog_url",
    "traces_url",
)  # fmt: skip
MOST_ARGON2_WORK_KIB = 4 * 1024 * 1024


def check(settings: Settings) -> None:
    """Raises SettingsError at the first that is not."""
    _check_urls(settings)
    _check_secret_keys(settings)
    if settings.argon2_time_cost * settings.argon2_memory_kib > MOST_ARGON2_WORK_KIB:
        raise SettingsError("`argon2_time_cost` times `argon2_memory_kib` must be at most 4 GiB: lower one of them")
    if settings.cookie_same_site == "None" and not settings.secure_cookies:
        raise SettingsError("`cookie_same_site`: None needs an https `public_url`")
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise SettingsError(f"`trusted_proxies`: {error}: write it like 10.0.0.1 or 10.0.0.0/8") from error


def _check_secret_keys(settings: Settings) -> None:
    keys = {"secret_key": (settings.secret_key,), "previous_secret_keys": settings.previous_secret_keys}
    for name, values in keys.items():
        if any(value and len(value) < SHORTEST_SECRET_KEY for value in values):
            raise SettingsError(
                f"`{name}`: needs at least {SHORTEST_SECRET_KEY} characters: `openssl rand -base64 32` makes one"
            )


def _check_urls(settings: Settings) -> None:
    for name in URLS:
        _require_url(name, getattr(settings, name))
    url = urlsplit(settings.public_url)
    if url.scheme not in {"http", "https"} or not url.netloc or url.query or url.fragment:
        raise SettingsError(f"`public_url`: {settings.public_url!r} is not like https://auth.example.org")
    if not settings.database.startswith(("sqlite:///", "postgresql://")):
        raise SettingsError("`database_url`: must start with sqlite:/// or postgresql://")
    _check_hosts(settings.database)
    if settings.smtp_url and urlsplit(settings.smtp_url).scheme not in {"smtp", "smtps"}:
        raise SettingsError("`smtp_url`: must start with smtp:// or smtps://")
    for uri in (*settings.security_contact, *filter(None, [settings.security_policy])):
        if not uri.startswith(("mailto:", "https://", "tel:")) or any(sign.isspace() for sign in uri):
            raise SettingsError(f"`security_contact`, `security_policy`: {uri!r} is no mailto: or https: URI")
    service = urlsplit(settings.breached_passwords_url)
    if settings.breached_passwords_url and (service.scheme not in {"http", "https"} or not service.hostname):
        raise SettingsError("`breached_passwords_url`: must start with https://")
    traces = urlsplit(settings.traces_url)
    if settings.traces_url and (traces.scheme not in {"http", "https"} or not traces.hostname):
        raise SettingsError("`traces_url`: is not like http://127.0.0.1:4318/v1/traces")
    _check_origins(settings)
    _check_receivers(settings)


def _check_receivers(settings: Settings) -> None:
    """Whom events are streamed to."""
    webhook = urlsplit(settings.event_webhook_url)
    is_safe = webhook.scheme == "https" or (webhook.scheme == "http" and is_loopback(webhook.hostname or ""))
    if settings.event_webhook_url and not (is_safe and webhook.hostname):
        raise SettingsError("`event_webhook_url`: must start with https://, or with http:// on this machine")
    if settings.event_webhook_url and webhook.username is not None:
        raise SettingsError("`event_webhook_url`: takes no user and password: the signature is what tells who posts")
    if settings.event_webhook_url and len(settings.event_webhook_secret) < SHORTEST_SECRET_KEY:
        raise SettingsError(
            f"`event_webhook_secret`: needs {SHORTEST_SECRET_KEY} characters or more: try `openssl rand -base64 32`"
        )
    syslog = urlsplit(settings.event_syslog_url)
    has_place = bool(syslog.path) if syslog.scheme == "unix" else bool(syslog.hostname)
    if settings.event_syslog_url and not (syslog.scheme in {"udp", "tcp", "unix"} and has_place):
        raise SettingsError("`event_syslog_url`: is not like udp://host:514, tcp://host:601 or unix:///dev/log")


def _check_hosts(url: str) -> None:
    """That no host is given as other tools take it: PostgreSQL's library would know one name only, and look it up."""
    hosts = [value for name, value in parse_qsl(urlsplit(url).query) if name == "host"]
    # A name and a port; two colons are an IPv6 address, and a folder holds a socket.
    if len(hosts) > 1 or any(host.count(":") == 1 and "/" not in host for host in ",".join(hosts).split(",")):
        raise SettingsError("`database_url`: several hosts are written postgresql://user@one:5432,two:5432/name")


def _check_origins(settings: Settings) -> None:
    for name in ("web_origins", "return_origins"):
        for origin in getattr(settings, name):
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
                raise SettingsError(f"`{name}`: {origin!r} is not like https://app.example.org (no path, no slash)")


def _require_url(name: str, url: str) -> None:
    """That it can be taken apart; it is not repeated, since it may hold a password."""
    try:
        # PostgreSQL takes several hosts, tried in turn.
        for host in urlsplit(url).netloc.rpartition("@")[2].split(","):
            urlsplit(f"//{host}").port  # noqa: B018 -- reading it is what checks it
    except ValueError as error:
        raise SettingsError(
            f"`{name}`: can't be read as a URL: the port is a number, and signs like @ : / # in a password are "
            "written as %40 %3A %2F %23"
        ) from error
