"""`/openapi.json` and `/docs`: the contract for programs and for people. Everything is served from here: no CDN."""

from importlib.util import find_spec
from pathlib import Path

import falcon

from doorward.core.errors import CATALOGUE
from doorward.http.answers import JSON, encode_json

OPENAPI = Path(__file__).with_name("openapi.json")
OUR_SCRIPT = "start.js"
ASSETS = {
    OUR_SCRIPT: "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets styles from its script; it needs nothing else beyond this host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doorward API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
START = b"""SwaggerUIBundle({
  url: location.search === "?admin" ? "/admin/api/openapi.json" : "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


class OpenApi:
    """The contract, served as it is."""

    def __init__(self) -> None:
        self._document = OPENAPI.read_bytes()

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.set_header("Access-Control-Allow-Origin", "*")
        resp.data = self._document


class ErrorCodes:
    """Every error code, its status, and what to do about it."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.data = encode_json(
            [{"code": code, "status": status, "whatToDo": text} for code, (status, text) in CATALOGUE.items()]
        )


class Docs:
    """The interactive page; `#/Authentication/accesstoken` leads to an operation, `?admin` to the administrators'."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", POLICY)
        resp.data = PAGE


class DocsAsset:
    """One of the page's files: our own script, or one of Swagger UI's from its package."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("Cache-Control", "public, max-age=3600")
        resp.content_type = ASSETS[self._name]
        resp.data = START if self._name == OUR_SCRIPT else (_swagger_ui() / self._name).read_bytes()


def _swagger_ui() -> Path:
    # Found, not imported: the package would load a template engine to tell its own folder.
    spec = find_spec("swagger_ui_bundle")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package swagger-ui-bundle-v2 is not installed")
    return next((Path(spec.origin).parent / "vendor").glob("swagger-ui-*"))
