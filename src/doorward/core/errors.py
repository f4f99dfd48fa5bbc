"""Refusals: the errors that a caller is meant to see.

A refusal is a code. The one table below gives its status and its words, so that a flow says
`raise Refused("OTP_INVALID_EXPIRED")` and knows nothing of HTTP.
"""

from http import HTTPStatus

REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service Unavailable",
}
"""The `error` member of an answer, by status, in the contract's capitalisation."""

CATALOGUE: dict[str, tuple[int, str]] = {
    "NO_TOKEN_PROVIDED": (401, "Send the token as `Authorization: Bearer <token>`."),
    "TOKEN_INVALID": (401, "The token was not issued here or was altered: log in again."),
    "TOKEN_EXPIRED": (401, "Get a new access token for the refresh token, or log in again."),
    "TOKEN_REVOKED": (
        401,
        "The session has ended (logout, password change, disabled account): log in again.",
    ),
    "WRONG_TOKEN_TYPE": (401, "The operation takes another kind of token; the reference names it."),
    "2FA_REQUIRED_PARTIAL_TOKEN": (401, "The login is not complete: finish the second factor first."),
    "SUDO_TOKEN_REQUIRED": (
        401,
        "The user has a second factor: authenticate with it and send the sudo token.",
    ),
    "API_KEY_INVALID": (401, "This is no key of this installation: `doorward admin keys create` makes one."),
    "API_KEY_EXPIRED": (401, "The key's time is over: make a new one."),
    "API_KEY_REVOKED": (401, "The key was revoked: make a new one, if it was not for a reason."),
    "PASSWORD_INCORRECT": (401, "Username or password is wrong, or the account can't log in."),
    "OTP_INVALID_EXPIRED": (
        401,
        "The mailed code is wrong, used, expired, or void after 5 wrong tries: ask for a new one.",
    ),
    "TOTP_INCORRECT": (401, "The authenticator's code is wrong or was used already: wait for the next one."),
    "RECOVERY_CODE_INCORRECT": (401, "The recovery code is wrong or was used already."),
    "FORBIDDEN_MAIL_PROVIDER": (403, "Addresses of this domain are not accepted here: use another one."),
    "Forbidden email provider": (403, "As FORBIDDEN_MAIL_PROVIDER, at the older door to the reset."),
    "SCOPE_MISSING": (403, "The key is not good for this operation: make one with the scope that the reference names."),
    "USER_NOT_FOUND": (404, "No user has this id."),
    "SESSION_NOT_FOUND": (404, "The user has no such session, or it has ended."),
    "MAIL_NOT_FOUND": (404, "The outbox holds no such mail: it was sent, or is forgotten."),
    "NOT_FOUND": (404, "There is no such path."),
    "METHOD_NOT_ALLOWED": (405, "The path takes the methods that the `Allow` header lists."),
    "EMAIL_OTP_UNINITIALIZED": (409, "Call email-otp/setup first."),
    "EMAIL_OTP_INACTIVE": (409, "Email OTP is not active for this user: use another factor."),
    "EMAIL_OTP_ALREADY_INACTIVE": (409, "Email OTP is not active: there is nothing to remove."),
    "TOTP_UNINITIALIZED": (409, "Call totp/setup first."),
    "TOTP_ALREADY_INACTIVE": (409, "TOTP is not active: there is nothing to remove."),
    "RECOVERY_CODES_UNINITIALIZED": (
        409,
        "The user has no recovery codes: they come with the first second factor.",
    ),
    "2FA_IS_DISABLED": (409, "The user has no active second factor: recovery codes come with the first one."),
    "NEW_EMAIL_ALREADY_IN_USE": (409, "Another account has this address: start again with another one."),
    "NAME_ALREADY_IN_USE": (409, "Another user has this username or address."),
    "INVITATION_OVER": (409, "The user has a password: there is no invitation any more."),
    "MAIL_EXPIRED": (409, "What the mail carries is over: its user asks for a new one."),
    "MAIL_IN_PROGRESS": (409, "The mail is being sent just now."),
    "BODY_TOO_LARGE": (413, "Send a body of at most 64 KiB."),
    "UNSUPPORTED_MEDIA_TYPE": (415, "Send JSON with `Content-Type: application/json`."),
    "TOO_MANY_FAILED_PASSWORD_CHECKS": (
        429,
        "Too many wrong passwords: try again after `retryAfter` seconds.",
    ),
    "TOO_MANY_TOTP_CHECKS": (429, "Too many wrong codes: try again after `retryAfter` seconds."),
    "TOO_MANY_RECOVERY_CODE_CHECKS": (
        429,
        "Too many wrong recovery codes: try again after `retryAfter` seconds.",
    ),
    "TOO_MANY_OTP_EMAILS": (429, "One mail a minute: ask again after `retryAfter` seconds."),
    "TOO_MANY_RESET_MAIL_ATTEMPTS": (429, "One mail a minute: ask again after `retryAfter` seconds."),
    "TOO_MANY_TRANSFER_ATTEMPTS": (429, "One mail a minute: ask again after `retryAfter` seconds."),
    "Last password forgot call was too recent": (429, "As TOO_MANY_RESET_MAIL_ATTEMPTS, at the older door."),
    "NO_PASSWORD_INFO": (500, "The account has no password yet: set one by a reset."),
    "TOTP_CORRUPT": (500, "No key opens the stored TOTP secret: an administrator resets the factor."),
    "UNABLE_TO_FIND_MAIL_TEMPLATE": (
        500,
        "The mail configuration lacks this mail: the operator adds the template.",
    ),
    "INTERNAL_ERROR": (500, "A fault of the service: report the request id."),
    "OVERLOADED": (503, "Too many logins or slow bodies at once: try again after `Retry-After` seconds."),
    "SERVICE_UNAVAILABLE": (503, "The proxy finds no server that runs: try again after `Retry-After` seconds."),
    "DATABASE_UNAVAILABLE": (503, "The database can't be reached: try again after `Retry-After` seconds."),
}
"""Every refusal with a stable code: its status, and what the caller can do about it."""


class DatabaseUnavailable(Exception):
    """The database can't be reached or can't write just now; the same call may succeed later.

    `__cause__` is what the driver raised, or what waited in vain for a connection.
    """


class Refused(Exception):
    """An expected error, told to the caller by its code.

    `retry_after` is in whole seconds and belongs to statuses 429 and 503. A 400 has no code: its message says what is
    wrong with the input (see `BadInput`).
    """

    def __init__(self, code: str, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.status = CATALOGUE[code][0]


class BadInput(Refused):
    """A body, parameter or token that breaks the contract's schema: status 400, in words."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)
        self.code = message
        self.retry_after = None
        self.status = int(HTTPStatus.BAD_REQUEST)
