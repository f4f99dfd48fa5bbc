"""Query parameters. Unknown ones are ignored; the contract's own are held to its schema."""

from doorward.core.errors import BadInput
from doorward.http.request import Request
from doorward.mail.notices import MailChoice

TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
FALSE = frozenset({"false", "f", "no", "n", "0", "off"})
LONGEST_ORIGIN = 256
LANGUAGE_LENGTH = 2


def wants_cookie(req: Request) -> bool:
    """`cookie`: one of the contract's words for yes and no. Raises BadInput."""
    word = _one(req, "cookie")
    if word is None or word in FALSE:
        return False
    if word not in TRUE:
        raise BadInput("querystring/cookie must be equal to one of the allowed values")
    return True


def mail_choice(req: Request) -> MailChoice:
    """`origin` and `language`, and the header that stands in for the latter.

    Raises BadInput for what breaks the schema; an unknown name falls back later.
    """
    origin, language = _one(req, "origin"), _one(req, "language")
    if origin is not None and len(origin) > LONGEST_ORIGIN:
        raise BadInput(f"querystring/origin must NOT have more than {LONGEST_ORIGIN} characters")
    if language is not None and len(language) != LANGUAGE_LENGTH:
        raise BadInput(f"querystring/language must have exactly {LANGUAGE_LENGTH} characters")
    return MailChoice(origin, language, req.env.get("HTTP_ACCEPT_LANGUAGE"))


def brand_origin(req: Request) -> str | None:
    """`origin` where it only picks the brand of a notice: what breaks the schema is as good as an unknown one."""
    return next((name for name in req.params.get("origin", ()) if len(name) <= LONGEST_ORIGIN), None)


def loose_mail_choice(req: Request) -> MailChoice:
    """As `mail_choice`, for the older door, whose schema sets no lengths."""
    return MailChoice(_one(req, "origin"), _one(req, "language"), req.env.get("HTTP_ACCEPT_LANGUAGE"))


def _one(req: Request, name: str) -> str | None:
    values = req.params.get(name)
    if values is None:
        return None
    if len(values) > 1:
        raise BadInput(f"querystring/{name} must be string")
    return values[0]
