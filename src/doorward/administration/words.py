"""What happened to a user, and what keeps them from signing in, in sentences for administrators."""

from collections.abc import Iterator
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Literal

from doorward.administration.mails import MailState
from doorward.administration.standing import Standing, Wait, What
from doorward.audit import BY_COMMAND, Event
from doorward.i18n import N_

EVENTS: dict[str, str] = {
    "user.created": N_("The account was made"),
    "user.invited": N_("An invitation was mailed"),
    "user.disabled": N_("The account was disabled"),
    "user.enabled": N_("The account was enabled"),
    "user.deleted": N_("The account was deleted"),
    "waits.ended": N_("Waits after wrong passwords or codes were ended by an administrator"),
    "login.succeeded": N_("Signed in"),
    "login.refused": N_("Not let in: the password was wrong"),
    "login.refused/wait": N_("Not let in: the password was wrong, once too often, and a wait began"),
    "login.refused/disabled": N_("Not let in: the account was disabled"),
    "login.refused/disabled/wait": N_("Not let in: the account was disabled; a wait began, too"),
    "login.refused/no password": N_("Not let in: the account had no password yet"),
    "login.refused/no password/wait": N_("Not let in: the account had no password yet; a wait began, too"),
    "session.ended": N_("Signed out"),
    "session.ended/user": N_("A session was ended by its user, from the list of sessions"),
    "session.ended/administrator": N_("Sessions were ended by an administrator"),
    "session.reuse_detected": N_("A session was ended because its token was used twice"),
    "second_factor.succeeded": N_("The second step was right"),
    "second_factor.succeeded/totp": N_("The second step was right: a code of the authenticator app"),
    "second_factor.succeeded/email-otp": N_("The second step was right: a code from a mail"),
    "second_factor.succeeded/recovery-code": N_("The second step was right: a recovery code, used up now"),
    "second_factor.refused": N_("The second step was wrong"),
    "second_factor.refused/totp": N_("The second step was wrong: a code of the authenticator app"),
    "second_factor.refused/totp/wait": N_("The second step was wrong once too often, by the app, and a wait began"),
    "second_factor.refused/email-otp": N_("The second step was wrong: a code from a mail"),
    "second_factor.refused/recovery-code": N_("The second step was wrong: a recovery code"),
    "second_factor.refused/recovery-code/wait": N_(
        "The second step was wrong once too often, by recovery codes, and a wait began"
    ),
    "password.changed": N_("The password was changed"),
    "password.changed/set by an administrator": N_("The password was set by an administrator"),
    "password.refused": N_("A wrong password was entered to choose a new one"),
    "password.reset_asked": N_("A code for a new password was asked for"),
    "password.reset": N_("The forgotten password was replaced by a new one"),
    "address.changed": N_("The email address was changed"),
    "address.changed/set by an administrator": N_("The email address was set by an administrator"),
    "factor.enabled": N_("A second step was switched on"),
    "factor.enabled/totp": N_("The authenticator app was switched on"),
    "factor.enabled/totp/replaced": N_("The authenticator app was replaced by a new one"),
    "factor.enabled/email-otp": N_("Codes by email were switched on"),
    "factor.disabled": N_("A second step was switched off"),
    "factor.disabled/totp": N_("The authenticator app was switched off"),
    "factor.disabled/email-otp": N_("Codes by email were switched off"),
    "factor.disabled/reset by an administrator": N_("All second steps were taken off by an administrator"),
    "recovery_codes.replaced": N_("New recovery codes were made"),
    "mail.sent_again": N_("A mail was sent again"),
    "signing_key.rotated": N_("A new signing key was published"),
    "signing_key.revoked": N_("A signing key was revoked"),
    "admin_key.created": N_("A key of the administrators’ API was made"),
    "admin_key.revoked": N_("A key of the administrators’ API was revoked"),
    "administrator.granted": N_("Was made an administrator"),
    "administrator.revoked": N_("Is no administrator any more"),
}
"""By event, or by event and detail."""
BAD = ("login.refused", "password.refused", "second_factor.refused", "session.reuse_detected", "user.disabled")
GOOD = ("login.succeeded", "second_factor.succeeded", "password.reset", "user.enabled")
Tone = Literal["bad", "slow", "good", "plain"]

WAITS: dict[What, str] = {
    "password": N_("Too many wrong passwords: whoever comes from a new place can try again at {at}."),
    "password-known": N_("Too many wrong passwords from {network}, where they signed in before: there until {at}."),
    "password-network": N_("Too many wrong passwords from {network}, for any account: from there until {at}."),
    "totp": N_("Too many wrong codes of the authenticator app: the next try is at {at}."),
    "recovery-code": N_("Too many wrong recovery codes: the next try is at {at}."),
    "reset-mail": N_("A code for a new password was mailed just now: the next one can be asked for at {at}."),
    "otp-mail": N_("A code for the second step was mailed just now: the next one can be asked for at {at}."),
}
LOCKED = N_(
    "Too many wrong codes: this second step is locked until another one is used, or an administrator ends the waits."
)
FIRST_PASSWORD = N_("No password yet; the code of the invitation is good until {at}.")
FIRST_PASSWORD_OVER = N_("No password yet, and the code of the invitation was over at {at}: invite them again.")
FIRST_PASSWORD_VOID = N_("No password yet, and the code of the invitation was entered wrong five times: it is void.")
FIRST_PASSWORD_NONE = N_("No password yet, and no code to set one: invite them again.")
CODE_VOID = N_("The last code for a new password was entered wrong five times and is void: a new one is needed.")
MAIL_FAILED = N_("A mail to them could not be sent, the last time at {at} ({error}).")
MAIL_DELAYED = N_("A mail to them waits since {at}: the mail server did not take it ({error}).")
MAIL_WAITS = N_("A mail to them waits to be sent since {at}.")
FREE = N_("Nothing keeps them from signing in with the right password.")
FREE_BY_TWO = N_("Nothing keeps them from signing in with the right password and their second step.")


@dataclass(frozen=True)
class Finding:
    """A sentence, in which `{at}` stands for the moment `at` (milliseconds)."""

    tone: Tone
    text: str
    at: int | None = None


def of_event(event: Event, words: NullTranslations) -> str:
    return words.gettext(EVENTS.get(f"{event.type}/{event.detail}") or EVENTS[event.type])


def tone_of(event: Event) -> Tone:
    if event.type in BAD:
        return "bad"
    return "good" if event.type in GOOD else "plain"


def findings(standing: Standing, words: NullTranslations) -> list[Finding]:
    """Why the user can't sign in, the worst first; or that they can. Then the last logins."""
    against = list(_against(standing, words))
    has_factor = standing.account.has_factor
    if all(each.tone == "plain" for each in against):
        against.append(Finding("good", words.gettext(FREE_BY_TWO if has_factor else FREE)))
    order: list[Tone] = ["bad", "slow", "good", "plain"]
    return [*sorted(against, key=lambda each: order.index(each.tone)), *_logins(standing, words)]


def by_whom(actor: str | None, words: NullTranslations) -> str:
    """Who acted, where that was neither the user nor an administrator of the console."""
    if actor == BY_COMMAND.name:
        return words.gettext("on the command line")
    return words.gettext("with the key {name}").replace("{name}", actor or "")


def _against(standing: Standing, words: NullTranslations) -> Iterator[Finding]:
    user = standing.account.user
    if user.disabled_at is not None:
        text = words.gettext("The account is disabled since {at}: nobody is let in, and no code is mailed to it.")
        yield Finding("bad", text, user.disabled_at)
    if user.password_hash is None:
        yield _without_password(standing, words)
    elif standing.code is not None and standing.code.is_void:
        yield Finding("slow", words.gettext(CODE_VOID))
    yield from (_wait(wait, words) for wait in standing.waits)
    yield from (_mail(mail, words) for mail in standing.mails)


def _without_password(standing: Standing, words: NullTranslations) -> Finding:
    code, seen_at = standing.code, standing.seen_at
    if code is None:
        return Finding("bad", words.gettext(FIRST_PASSWORD_NONE))
    if code.is_void:
        return Finding("bad", words.gettext(FIRST_PASSWORD_VOID))
    if code.expires_at <= seen_at:
        return Finding("bad", words.gettext(FIRST_PASSWORD_OVER), code.expires_at)
    return Finding("slow", words.gettext(FIRST_PASSWORD), code.expires_at)


def _wait(wait: Wait, words: NullTranslations) -> Finding:
    if wait.until is None:
        return Finding("bad", words.gettext(LOCKED))
    text = words.gettext(WAITS[wait.what]).replace("{network}", wait.network or "")
    return Finding("plain" if wait.what.endswith("mail") else "slow", text, wait.until)


def _mail(state: MailState, words: NullTranslations) -> Finding:
    kept = state.kept
    text = MAIL_FAILED if kept.failed_at is not None else MAIL_DELAYED if kept.last_error else MAIL_WAITS
    tone: Tone = "bad" if kept.failed_at is not None else "slow" if kept.last_error else "plain"
    said = words.gettext(text).replace("{error}", kept.last_error or "")
    return Finding(tone, said, kept.created_at if kept.failed_at is None else kept.failed_at)


def _logins(standing: Standing, words: NullTranslations) -> Iterator[Finding]:
    refused, succeeded = standing.refused, standing.succeeded
    if succeeded is not None:
        yield Finding("plain", words.gettext("Let in the last time at {at}."), succeeded.at)
    if refused is not None:
        said = words.gettext("The last refusal, at {at}: {words}.").replace("{words}", of_event(refused, words))
        yield Finding("plain", said, refused.at)
    if refused is None and succeeded is None:
        yield Finding("plain", words.gettext("Nobody has tried to sign in, as far as events go back."))
