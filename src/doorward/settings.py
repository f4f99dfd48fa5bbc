"""Settings: one frozen object, read once from a TOML file and `DOORWARD_*` variables, then passed down."""

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from doorward.core.client import is_loopback
from doorward.core.limits import Limits, Prepared

PREFIX = "DOORWARD_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
CREDENTIAL_PREFIX = "doorward."
HIDDEN = "(hidden)"
SHORTEST_SECRET_KEY = 32
URLS = (
    "public_url", "database_url", "smtp_url", "breached_passwords_url", "event_webhook_url", "event_syslog_url",
)  # fmt: skip
MOST_ARGON2_WORK_KIB = 4 * 1024 * 1024


class SettingsError(Exception):
    """A setting is unknown, malformed or missing; the message is one line that says what to do."""


def _setting(default: Any, help_text: str, **extra: Any) -> Any:
    metadata = {"help": help_text, **extra}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that can be set. A name here is the TOML key and, in capitals behind `DOORWARD_`, the variable."""

    data_dir: Path = _setting(lambda: Path("doorward-data"), "Folder of the SQLite file, the secret key and the inbox.")
    database_url: str = _setting(
        "", "`sqlite:///path` or `postgresql://user:password@host/name`; empty: `doorward.db` in the data folder.",
        secret=True,
    )  # fmt: skip
    secret_key: str = _setting(
        "", "At least 32 characters, the same on all servers; empty: made in the data folder.", secret=True
    )
    previous_secret_keys: tuple[str, ...] = _setting(
        (), "Former secret keys, which open what they have sealed until all is sealed anew.", secret=True
    )
    public_url: str = _setting("http://localhost:8000", "Where clients reach this service; the tokens' issuer.")
    audience: str = _setting("", "The tokens' `aud`; empty: the public URL.")
    token_algorithm: str = _setting(
        "EdDSA", "What new signing keys sign with.", choices=("EdDSA", "ES256", "RS256")
    )  # fmt: skip
    signing_key_max_age: int = _setting(
        90, "Days after which a new signing key takes the newest one's place; 0: only by `doorward keys rotate`.",
        minimum=0,
    )  # fmt: skip
    issuer_name: str = _setting("Doorward", "The name that authenticator apps show beside the account.")

    smtp_url: str = _setting(
        "",
        "`smtp://host:port` or `smtps://user:password@host`; empty: mails go to the development inbox.",
        secret=True,
    )
    smtp_timeout: int = _setting(30, "Seconds that one conversation with the mail server may take.", minimum=1)
    mail_sender: str = _setting(
        "doorward@localhost", "The address that mails come from, unless a brand says otherwise."
    )
    brands_file: Path | None = _setting(None, "TOML file of mail brands, chosen by `origin`.")
    blocked_mail_domains: tuple[str, ...] = _setting(
        (), "Domains (with their subdomains) that no new address may have."
    )
    allow_disposable_mail: bool = _setting(False, "Accept addresses of the known disposable-mail domains.")

    web_origins: tuple[str, ...] = _setting((), "Web origins (`https://app.example.org`) that may call from a browser.")
    return_origins: tuple[str, ...] = _setting(
        (), "Web origins (`https://app.example.org`) that the account pages may send people back to."
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses or networks whose `Forwarded` and `X-Forwarded-For` headers are believed."
    )
    cookie_same_site: str = _setting("Strict", "SameSite of the token cookies.", choices=("Strict", "Lax", "None"))
    cookie_domain: str = _setting("", "Domain of the token cookies; empty: the very host only.")

    security_contact: tuple[str, ...] = _setting(
        (), "Whom to tell of a hole, for `/.well-known/security.txt`: `mailto:` or `https:` URIs; empty: no such page."
    )
    security_policy: str = _setting("", "Web page on how to do that.")

    refresh_rotation: str = _setting(
        "off", "`strict`: a refresh token is good for one renewal, and its reuse ends the session.",
        choices=("off", "strict"),
    )  # fmt: skip
    refresh_grace: int = _setting(
        30, "Seconds in which a rotated refresh token still gets its successor (a lost answer).", minimum=0
    )
    session_idle_limit: int = _setting(0, "Seconds without use after which a session ends; 0: never.", minimum=0)
    session_absolute_limit: int = _setting(0, "Seconds after login at which a session ends; 0: never.", minimum=0)
    new_sign_in_notice: bool = _setting(
        False,
        "Mail a user who signs in from a network never used before. Off by default: programs that sign in by "
        "themselves from changing addresses would mail every day, and teach people to overlook it.",
    )

    password_composition: str = _setting(
        "classes", "`classes`: an uppercase, a lowercase and a digit; `any`: any characters (NIST SP 800-63B-4).",
        choices=("classes", "any"),
    )  # fmt: skip
    password_min_length: int = _setting(8, "Fewest characters of a new password.", minimum=8, maximum=64)
    password_min_length_with_2fa: int = _setting(
        8, "The same for users who have a second factor, if that is fewer.", minimum=8, maximum=64
    )
    growing_mail_waits: bool = _setting(
        False,
        "After ten wrong mailed codes in a row let the wait between mails double, from 2 minutes to an hour,"
        " instead of one a minute; against guessing, but a stranger can delay an owner's mail.",
    )
    refuse_common_passwords: bool = _setting(
        False, "Refuse new passwords that are common, or made of the service's name or the user's."
    )
    common_password_words: tuple[str, ...] = _setting(
        (), "Words that count as common too, such as the names of products and places."
    )
    password_filter: Path | None = _setting(
        None, "File of passwords to refuse, made by `doorward passwords build-filter`."
    )
    breached_passwords_url: str = _setting(
        "", "A k-anonymity service of breached passwords, such as `https://api.pwnedpasswords.com/range/`; empty: none."
    )

    argon2_time_cost: int = _setting(2, "Argon2id passes (RFC 9106).", minimum=1)
    argon2_memory_kib: int = _setting(
        19_456, "Argon2id memory in KiB (OWASP: 19 MiB with two passes).", minimum=8, maximum=1_048_576
    )
    hash_threads: int = _setting(0, "Threads that hash passwords; 0: as many as cores.", minimum=0)
    hash_wait: int = _setting(2, "Seconds that a password check may wait before further ones get 503.", minimum=1)

    request_threads: int = _setting(128, "Requests that one server process works on at once.", minimum=2)
    shutdown_delay: int = _setting(
        5, "Seconds from SIGTERM, which makes readiness 503, to the end of taking requests.", minimum=0
    )
    database_pool: int = _setting(
        8, "Database connections of one server process for transactions, and as many for look-ups.", minimum=2
    )
    database_pool_wait: int = _setting(
        3, "Seconds that a request waits for a free connection before it gets 503.", minimum=1
    )
    database_connect_timeout: int = _setting(3, "Seconds in which a host of PostgreSQL must let us in.", minimum=2)
    database_statement_timeout: int = _setting(
        5, "Seconds after which PostgreSQL ends a statement; a second later the connection is given up.", minimum=1
    )
    database_lock_timeout: int = _setting(2, "Seconds that a statement waits for another's lock.", minimum=1)
    database_prepared_statements: str = _setting(
        "auto", "Prepare the look-ups at PostgreSQL; `auto`: unless a pooler stands in between.",
        choices=("auto", "on", "off"),
    )  # fmt: skip
    events_kept_days: int = _setting(365, "Days after which events are forgotten.", minimum=1)
    event_lines: str = _setting(
        "", "File to which events are appended as JSON lines; `-`: standard output; empty: none."
    )
    event_webhook_url: str = _setting(
        "", "Where events are posted as JSON: https, or http on this machine; empty: nowhere.", secret=True
    )
    event_webhook_secret: str = _setting("", "What those posts are signed with, at least 32 characters.", secret=True)
    event_syslog_url: str = _setting(
        "", "Where events go by syslog: `udp://host:514`, `tcp://host:601` or `unix:///dev/log`; empty: nowhere."
    )
    log_format: str = _setting("json", "`json` for collectors, `text` for people.", choices=("json", "text"))

    @property
    def issuer(self) -> str:
        return self.public_url.rstrip("/")

    @property
    def token_audience(self) -> str:
        return self.audience or self.issuer

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'doorward.db'}"

    @property
    def inbox_may_show(self) -> bool:
        """Not for a service that others reach: to a proxy's calls, which come from this machine, it would open."""
        return not self.smtp_url and is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def limits(self) -> Limits:
        return Limits(
            pool=self.database_pool,
            wait_s=self.database_pool_wait,
            connect_s=self.database_connect_timeout,
            statement_s=self.database_statement_timeout,
            lock_s=self.database_lock_timeout,
            prepared=cast("Prepared", self.database_prepared_statements),
        )

    @property
    def secure_cookies(self) -> bool:
        """Off only for http on localhost."""
        url = urlsplit(self.public_url)
        return not (url.scheme == "http" and url.hostname in {"localhost", "127.0.0.1", "::1"})


TYPES: dict[str, Any] = get_type_hints(Settings)
FIELDS: dict[str, Field[Any]] = {each.name: each for each in fields(Settings)}


def load(
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Settings:
    """Read the TOML file (`config`, else `DOORWARD_CONFIG`), and the credentials and variables, which win over it.

    `defaults` take the place of the settings' own.
    Raises SettingsError at the first setting that is unknown, of the wrong type or out of bounds.
    """
    environ = os.environ if environ is None else environ
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    values: dict[str, Any] = dict(defaults or {})
    values |= _from_file(config) if config else {}
    values |= _from_credentials(environ)
    values |= _from_environment(environ)
    settings = Settings(**{name: _convert(name, value) for name, value in values.items()})
    _check(settings)
    return settings


def shown(settings: Settings) -> dict[str, str]:
    """Every setting in force as text, secrets hidden."""
    return {name: _shown(each, getattr(settings, name)) for name, each in FIELDS.items()}


def reference() -> str:
    """The table of all settings in Markdown, as `docs/settings.md` holds it."""
    rows = ["| setting | variable | default | what it does |", "| --- | --- | --- | --- |"]
    for name, each in FIELDS.items():
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        choices = (
            f" One of {', '.join(f'`{c}`' for c in each.metadata['choices'])}." if "choices" in each.metadata else ""
        )
        rows.append(
            f"| `{name}` | `{PREFIX}{name.upper()}` | {f'`{_text(default)}`' if _text(default) else ''} "
            f"| {each.metadata['help']}{choices} |"
        )
    return "\n".join(rows)


def _shown(setting: Field[Any], value: Any) -> str:
    if not setting.metadata.get("secret") or not value:
        return _text(value)
    return _without_password(value) if setting.name.endswith("_url") else HIDDEN


def _without_password(url: str) -> str:
    """The URL without what may be secret: the password, and parameters."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{name}{colon}{HIDDEN if colon else ''}{at}{host}{parts.path}{query}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}): check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}: a text stands in quotes") from error
    for name in values:
        _known(name, str(path))
    return values


def _from_credentials(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings that systemd hands over as files (systemd.exec(5), `LoadCredential=`), such as `doorward.secret_key`."""
    folder = environ.get(CREDENTIALS_VARIABLE, "")
    values: dict[str, Any] = {}
    for path in sorted(Path(folder).glob(f"{CREDENTIAL_PREFIX}*")) if folder else ():
        name = _known(path.name.removeprefix(CREDENTIAL_PREFIX), folder)
        for variable in (f"{PREFIX}{name.upper()}", f"{PREFIX}{name.upper()}_FILE"):
            if variable in environ:
                raise SettingsError(f"{path}: {variable} is set too: keep one of the two")
        values[name] = _secret_file(path.name, str(path))
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        from_file = name.endswith("_file") and name not in FIELDS
        name = _known(name.removesuffix("_file") if from_file else name, variable)
        if from_file and variable.removesuffix("_FILE") in environ:
            raise SettingsError(f"{variable}: {variable.removesuffix('_FILE')} is set too: keep one of the two")
        values[name] = _secret_file(variable, value) if from_file else value
    return values


def _secret_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: {path} can't be read: check the path and its mode") from error


def _known(name: str, where: str) -> str:
    if name in FIELDS:
        return name
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "`doorward settings --reference` lists all"
    raise SettingsError(f"{where}: unknown setting `{name}`: {hint}")


def _convert(name: str, value: Any) -> Any:
    kind = TYPES[name]
    try:
        converted = _as(kind, value)
    except (ValueError, TypeError) as error:
        given = "its value" if FIELDS[name].metadata.get("secret") else repr(value)
        raise SettingsError(f"`{name}`: {given} is not {_kind_name(kind)}") from error
    metadata = FIELDS[name].metadata
    if "choices" in metadata and converted not in metadata["choices"]:
        raise SettingsError(f"`{name}`: {value!r} is not one of {', '.join(metadata['choices'])}")
    if "minimum" in metadata and converted < metadata["minimum"]:
        raise SettingsError(f"`{name}`: {value} is below the least allowed, {metadata['minimum']}")
    if "maximum" in metadata and converted > metadata["maximum"]:
        raise SettingsError(f"`{name}`: {value} is above the most allowed, {metadata['maximum']}")
    return converted


def _as(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value if isinstance(value, bool) else _boolean(value)
    if kind is int:
        if isinstance(value, bool | float):
            raise TypeError
        return int(value)
    if kind == tuple[str, ...]:
        # A file holds one a line.
        parts = value.replace("\n", ",").split(",") if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if not isinstance(value, str):
        raise TypeError
    if kind is Path or Path in get_args(kind):
        return Path(value).expanduser() if value else None
    return value


def _boolean(value: str) -> bool:
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    try:
        return words[value.strip().lower()]
    except KeyError:
        raise ValueError(value) from None


def _kind_name(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", str: "a text"}.get(kind, "a list or a path")


def _check(settings: Settings) -> None:
    """What no setting can tell by its type."""
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
