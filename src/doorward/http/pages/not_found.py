"""Where there is no page: what a browser gets, the same whether there is none or none for this visitor."""

import falcon

from doorward.env import Env
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.pages import looks
from doorward.http.pages.page import bare, headers
from doorward.http.pages.visit import Visit
from doorward.http.request import Request

PLACES = ("/account/", "/admin/", "/dev/", "/docs/")
"""Where pages are. Elsewhere an unknown path is the API's, whose errors have one shape."""
HTML = "text/html"
LONGEST_ACCEPT = 1_000
"""Characters; browsers send fewer than 200. Reading a header as long as the server takes costs 0.2 s of a core."""


class NotFound:
    """A page with a way back, in the visitor's language."""

    def __init__(self, env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> None:
        self._env = env
        self._addresses = addresses
        self._arrivals = arrivals

    def suits(self, req: falcon.Request) -> bool:
        """Whether a person asks for it where pages are."""
        return f"{req.env['PATH_INFO']}/".startswith(PLACES) and is_for_a_person(req)

    def send(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Neither the address nor a cookie is in the answer, so that nothing in it tells why there is no page."""
        visit = Visit(self._env, self._addresses, self._arrivals, Request(req.env), req.path)
        resp.data = looks.render("not_found", bare(visit))
        resp.content_type = falcon.MEDIA_HTML
        resp.set_headers(headers())


def is_for_a_person(req: falcon.Request) -> bool:
    """Whether a browser asks, which names HTML before all else; programs take JSON or anything."""
    return len(req.accept) <= LONGEST_ACCEPT and req.client_prefers((falcon.MEDIA_JSON, HTML)) == HTML
