"""Every operation of the contract as a load: its requests, and what a figure of it contains."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """The requests of one operation.

    `once`: each is good for one answer, since it uses up a state. `hashes`: a password is hashed for each answer.
    `timed`: they hold a code of an authenticator app, which is put in at the last moment.
    """

    method: str
    path: str
    contains: str = ""
    once: bool = False
    hashes: bool = False
    timed: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def file(self) -> str:
        """The name of the file with its requests."""
        return f"{self.method}{self.path}".replace("/", "-")


OPERATIONS = (
    Load("POST", "/auth/login", "a password check, a new session", hashes=True),
    Load("POST", "/auth/logout", once=True),
    Load("GET", "/auth/accesstoken"),
    Load("GET", "/auth/refreshtoken", "the session is extended"),
    Load("GET", "/auth/accesstoken/validate"),
    Load("GET", "/auth/refreshtoken/validate"),
    Load("GET", "/user/2fa", "a user with all methods"),
    Load("POST", "/user/2fa/email-otp/setup", "a code and a queued mail", once=True),
    Load("POST", "/user/2fa/email-otp/enable", "the first method: ten recovery codes, a queued mail", once=True),
    Load("POST", "/user/2fa/email-otp/challenge", "a code and a queued mail", once=True),
    Load("POST", "/user/2fa/email-otp/authenticate", "second step of a login: a new session", once=True),
    Load("GET", "/user/2fa/email-otp/next-email"),
    Load("DELETE", "/user/2fa/email-otp", "another method stays; a queued mail", once=True),
    Load("POST", "/user/2fa/totp/setup"),
    Load("POST", "/user/2fa/totp/enable", "the first method: ten recovery codes, a queued mail", once=True, timed=True),
    Load("POST", "/user/2fa/totp/authenticate", "second step of a login: a new session", once=True, timed=True),
    Load("GET", "/user/2fa/totp/next-guess"),
    Load("DELETE", "/user/2fa/totp", "another method stays; a queued mail", once=True),
    Load("POST", "/user/2fa/recovery-code/reset", "ten new codes, a queued mail"),
    Load(
        "POST",
        "/user/2fa/recovery-code/authenticate",
        "second step of a login: a new session, a queued mail",
        once=True,
    ),
    Load("GET", "/user/2fa/recovery-code/next-guess"),
    Load("PUT", "/user/password/old-password", "a password check and a hash, a queued mail", once=True, hashes=True),
    Load("POST", "/user/password/reset/send", "a code and a queued mail", once=True),
    Load("POST", "/user/password/reset/validate"),
    Load("PUT", "/user/password/otp", "a hash, a queued mail", once=True, hashes=True),
    Load("POST", "/user/email/initiate", "a code and a queued mail", once=True),
    Load("PUT", "/user/email", "a queued mail", once=True),
    Load("POST", "/v1/auth/forgot-password", "a code and a queued mail", once=True),
)
