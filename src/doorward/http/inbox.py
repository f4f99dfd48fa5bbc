"""The development inbox: mails that were caught, as a page and as JSON.

It exists only without a mail server, on loopback and for a service whose public address is loopback too. It answers
only a client on this machine that asked for it by a loopback name: a page elsewhere can't read it by pointing a name of
its own at 127.0.0.1.
"""

from email.message import EmailMessage
from typing import Any, cast
from urllib.parse import urlsplit

import falcon
import jinja2

from doorward.core.client import is_loopback
from doorward.http.answers import JSON, encode_json
from doorward.http.clients import ClientAddresses
from doorward.mail.delivery import Inbox

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'"
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
.banner { background: #b45309; color: #fff; padding: .6rem 1rem; border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .5rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
pre { background: var(--soft); padding: 1rem; white-space: pre-wrap; overflow-wrap: anywhere; border-radius: .4rem; }
iframe { width: 100%; height: 40rem; border: 1px solid var(--line); border-radius: .4rem; background: #fff; }
"""
PAGES = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title><link rel="stylesheet" href="/dev/inbox/style.css"></head><body>
<p class="banner">Development inbox: mails are caught here and go nowhere. Not for production.</p>
"""
LIST = PAGES.from_string(
    HEAD
    + """<h1>Inbox</h1>
{% if mails %}
<p>Newest first. The same as JSON: <a href="/dev/inbox.json">/dev/inbox.json</a></p>
<table><thead><tr><th scope="col">When</th><th scope="col">To</th><th scope="col">Subject</th></tr></thead><tbody>
{% for mail in mails %}
<tr><td>{{ mail.date }}</td><td>{{ mail.to }}</td>
<td><a href="/dev/inbox/{{ mail.id }}">{{ mail.subject }}</a></td></tr>
{% endfor %}
</tbody></table>
{% else %}
<p>No mail yet. Ask for a password reset, and it appears here within a second: reload this page.</p>
{% endif %}
</body></html>
"""
)
MAIL = PAGES.from_string(
    HEAD
    + """<p><a href="/dev/inbox">All mails</a></p>
<h1>{{ mail.subject }}</h1>
<p>From {{ mail.from }}<br>To {{ mail.to }}<br>{{ mail.date }}</p>
<h2>As text</h2><pre>{{ mail.text }}</pre>
<h2>As HTML</h2><iframe title="The mail as HTML" src="/dev/inbox/{{ mail.id }}/html" sandbox></iframe>
</body></html>
"""
)


class _Page:
    def __init__(self, inbox: Inbox, addresses: ClientAddresses) -> None:
        self._inbox = inbox
        self._addresses = addresses

    def _require_loopback(self, req: falcon.Request) -> None:
        if not (is_loopback(self._addresses.of(req.env)) and is_loopback(_host_name(req.env.get("HTTP_HOST", "")))):
            raise falcon.HTTPNotFound

    def _message(self, number: int) -> EmailMessage:
        message = self._inbox.find(number)
        if message is None:
            raise falcon.HTTPNotFound
        return message


class InboxList(_Page):
    """All mails; as JSON for who asks for it."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._require_loopback(req)
        mails = [_shown(number, message) for number, message in self._inbox.all()]
        if req.path.endswith(".json") or req.accept.startswith(JSON):
            resp.content_type = JSON
            resp.data = encode_json(mails)
        else:
            _send_page(resp, LIST.render(title="Inbox", mails=mails))


class InboxMail(_Page):
    """One mail."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        self._require_loopback(req)
        mail = _shown(number, self._message(number))
        _send_page(resp, MAIL.render(title=mail["subject"], mail=mail))


class InboxHtml(_Page):
    """A mail's HTML part, for the frame that shows it."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        self._require_loopback(req)
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", POLICY)
        resp.data = _shown(number, self._message(number))["html"].encode()


class InboxStyle:
    """The pages' style sheet."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "text/css; charset=utf-8"
        resp.data = STYLE.encode()


def add_routes(app: falcon.App[Any, Any], inbox: Inbox, addresses: ClientAddresses) -> None:
    app.add_route("/dev/inbox", InboxList(inbox, addresses))
    app.add_route("/dev/inbox.json", InboxList(inbox, addresses))
    app.add_route("/dev/inbox/style.css", InboxStyle())
    app.add_route("/dev/inbox/{number:int}", InboxMail(inbox, addresses))
    app.add_route("/dev/inbox/{number:int}/html", InboxHtml(inbox, addresses))


def _host_name(host: str) -> str:
    """Without the port; empty for what no browser sends."""
    if "@" in host:
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _send_page(resp: falcon.Response, page: str) -> None:
    resp.content_type = falcon.MEDIA_HTML
    resp.set_header("Content-Security-Policy", PAGE_POLICY)
    resp.data = page.encode()


def _shown(number: int, message: EmailMessage) -> dict[str, Any]:
    return {
        "id": number,
        "date": str(message["Date"]),
        "from": str(message["From"]),
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
    }


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return cast("str", part.get_content()) if part is not None else ""
