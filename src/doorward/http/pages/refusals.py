"""Refusals in words for people: what is wrong, and what to do next."""

import re
from gettext import NullTranslations

from doorward.core.clock import HOUR, MINUTE, SECOND
from doorward.core.errors import Refused
from doorward.i18n import N_
from doorward.passwords.rules import BREACHED, COMMON, OWN
from doorward.users.names import INVALID_ADDRESS, INVALID_USERNAME

HOUR_S, MINUTE_S = HOUR // SECOND, MINUTE // SECOND

WORDS = {
    "PASSWORD_INCORRECT": N_("Email address, username or password is wrong."),
    "OTP_INVALID_EXPIRED": N_("This code is wrong or has expired. Check the newest mail, or ask for a new code."),
    "TOTP_INCORRECT": N_(
        "This code is wrong or was used already. Wait until your app shows the next one. If it has several entries for "
        "this account, use the newest."
    ),
    "RECOVERY_CODE_INCORRECT": N_("This recovery code is wrong or was used already. Try another one from your list."),
    "FORBIDDEN_MAIL_PROVIDER": N_("Addresses of this provider are not accepted. Use another address."),
    "NEW_EMAIL_ALREADY_IN_USE": N_("Another account has this address. Use another address."),
    "TOO_MANY_FAILED_PASSWORD_CHECKS": N_("Too many wrong passwords. You can try again in {wait}."),
    "TOO_MANY_TOTP_CHECKS": N_("Too many wrong codes. You can try again in {wait}, or use another way."),
    "TOO_MANY_RECOVERY_CODE_CHECKS": N_("Too many wrong codes. You can try again in {wait}, or use another way."),
    "TOO_MANY_OTP_EMAILS": N_("A code was sent a moment ago. You can ask for another one in {wait}."),
    "TOO_MANY_RESET_MAIL_ATTEMPTS": N_("A code was sent a moment ago. You can ask for another one in {wait}."),
    "TOO_MANY_TRANSFER_ATTEMPTS": N_("A code was sent a moment ago. You can ask for another one in {wait}."),
    "NO_PASSWORD_INFO": N_("This account has no password yet. Choose one by “Forgotten your password?”."),
    "TOTP_UNINITIALIZED": N_("The set-up of the authenticator app was not begun. Begin again."),
    "EMAIL_OTP_UNINITIALIZED": N_("No address is set up for codes. Begin again."),
    "EMAIL_OTP_INACTIVE": N_("Codes by email are switched off for this account. Use another way."),
    "RECOVERY_CODES_UNINITIALIZED": N_("This account has no recovery codes. Use another way."),
    "TOTP_CORRUPT": N_("The authenticator can’t be checked at the moment. Use another way, or ask for help."),
    "UNABLE_TO_FIND_MAIL_TEMPLATE": N_("This mail can’t be sent at the moment. Ask for help."),
    "OVERLOADED": N_("Too many people are signing in just now. You can try again in {wait}."),
    "DATABASE_UNAVAILABLE": N_("The service can’t reach its data just now. You can try again in {wait}."),
    "BODY_TOO_LARGE": N_("This is too long. Shorten it."),
    INVALID_ADDRESS: N_("Write the address like name@example.org."),
    INVALID_USERNAME: N_("A username has 1 to 256 characters that show, and no spaces."),
    "Password must contain at least one uppercase character": N_("The password needs a capital letter, A to Z."),
    "Password must contain at least one lowercase character": N_("The password needs a lower-case letter, a to z."),
    "Password must contain at least one digit": N_("The password needs a digit, 0 to 9."),
    COMMON: N_("Too many people use this password: it is among the first to be guessed. Choose another one."),
    OWN: N_("This password is made of your name or the service’s, and easily guessed. Choose another one."),
    BREACHED: N_("This password is known from a data breach. Choose another one."),
    "Password must contain at most 256 characters": N_("The password can have at most 256 characters."),
}
TOO_SHORT = re.compile(r"Password must contain at least (\d+) characters")
OTHERWISE = N_("This did not work. Check what you typed, and try again.")


def in_words(refused: Refused, words: NullTranslations) -> str:
    """The refusal as a sentence or two in the language of `words`."""
    if found := TOO_SHORT.fullmatch(refused.code):
        return words.gettext("The password needs at least {count} characters.").replace("{count}", found[1])
    text = words.gettext(WORDS.get(refused.code, OTHERWISE))
    return text.replace("{wait}", duration(refused.retry_after or 1, words))


def duration(seconds: int, words: NullTranslations) -> str:
    """A wait as people say it; of more than a minute in whole minutes, rounded up."""
    if seconds < MINUTE_S:
        return words.ngettext("{count} second", "{count} seconds", seconds).replace("{count}", str(seconds))
    minutes = -(-seconds // MINUTE_S)
    if seconds < HOUR_S:
        return words.ngettext("{count} minute", "{count} minutes", minutes).replace("{count}", str(minutes))
    hours = -(-seconds // HOUR_S)
    return words.ngettext("{count} hour", "{count} hours", hours).replace("{count}", str(hours))
