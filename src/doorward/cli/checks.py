"""What `doorward check` looks at. Nothing here makes or changes anything."""

import smtplib
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from doorward.cli.checks_database import database_points
from doorward.cli.checks_files import file_points
from doorward.cli.mail import server_of
from doorward.cli.point import Point
from doorward.core.client import is_loopback
from doorward.mail.brands import BrandError, load_brands
from doorward.mail.delivery import Smtp
from doorward.mail.message import one_line
from doorward.mail.render import Renderer
from doorward.settings import FIELDS, Settings

SMTP_PATIENCE_S = 10


def all_points(settings: Settings) -> Iterator[Point]:
    """Every point, in the order of a start."""
    yield _settings(settings)
    yield public_url(settings)
    yield _mails(settings)
    yield from file_points(settings)
    yield from database_points(settings)
    yield smtp(settings)
    if settings.traces_url and find_spec("opentelemetry") is None:
        yield Point("traces", "failed", "OpenTelemetry is not installed", MEND_TRACES)


MEND_TRACES = "`pip install 'doorward[otel]'`, or `make otel`"


def _settings(settings: Settings) -> Point:
    changed = sum(getattr(settings, name) != getattr(Settings(), name) for name in FIELDS)
    return Point("settings", "ok", f"{changed} of {len(FIELDS)} are not as they come: `doorward settings` shows all")


def public_url(settings: Settings) -> Point:
    """Tokens and passwords go over it, and it is the tokens' issuer."""
    url = urlsplit(settings.public_url)
    if url.scheme == "https" or is_loopback(url.hostname or ""):
        return Point("public URL", "ok", settings.public_url)
    return Point(
        "public URL",
        "failed",
        f"{settings.public_url} is http: passwords travel in the clear, and browsers drop the cookies",
        f"put a proxy with TLS in front and set DOORWARD_PUBLIC_URL to https://{url.netloc}",
    )


def _mails(settings: Settings) -> Point:
    try:
        brands = load_brands(settings.brands_file, settings.mail_sender, settings.public_url)
        Renderer(brands).verify()
    except BrandError as error:
        return Point("mails", "failed", one_line(str(error)))
    count = len(list(brands))
    return Point("mails", "ok", f"all can be rendered, in {count} brand{'s' if count > 1 else ''}")


def smtp(settings: Settings) -> Point:
    """A real conversation, up to the login."""
    where = server_of(settings)
    if not settings.smtp_url:
        return Point("mail server", "warning", f"none: mails stay in {where}", "set DOORWARD_SMTP_URL")
    try:
        Smtp(settings.smtp_url, min(settings.smtp_timeout, SMTP_PATIENCE_S)).check()
    except smtplib.SMTPResponseException as error:
        reply = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        return Point("mail server", "failed", f"{where} answers {error.smtp_code} {one_line(reply)}", MEND_SMTP)
    except (OSError, smtplib.SMTPException) as error:
        return Point("mail server", "failed", f"{where}: {one_line(str(error)) or type(error).__name__}", MEND_SMTP)
    return Point("mail server", "ok", f"{where} answers")


MEND_SMTP = "check DOORWARD_SMTP_URL: host, port, user and password; then `doorward mail test ADDRESS`"
