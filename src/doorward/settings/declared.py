"""What can be set, with its type, default, bounds and the line that describes it."""

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints
from urllib.parse import urlsplit

from doorward.core.client import is_loopback
from doorward.core.limits import Limits, Prepared

PREFIX = "DOORWARD_"


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
    traces_url: str = _setting(
        "",
        "Where traces go by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; needs `doorward[otel]`;"
        " empty: nowhere.",
        secret=True,
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
    def sqlite_file(self) -> Path | None:
        """The database's file; None on PostgreSQL."""
        scheme, _, path = self.database.partition(":///")
        return Path(path) if scheme == "sqlite" else None

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
