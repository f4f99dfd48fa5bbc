"""What mails say, in English: the source of the catalogues.

A `{placeholder}` is filled when a mail is rendered; `{brand}` is the name of the service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gettext import NullTranslations

from doorward.i18n import N_


@dataclass(frozen=True, slots=True)
class MailText:
    """The words of one mail, placeholders not filled yet."""

    subject: str
    heading: str
    body: tuple[str, ...]
    not_you: str = ""
    not_you_unsupported: str = ""
    """In place of `not_you` where the brand says nowhere how to get help, so that nobody is sent to a contact that
    isn't there. Empty: the same."""


PHRASES: Mapping[str, str] = {
    "codes_none": N_("You have no recovery codes left."),
    "address": N_("Account"),
    "client_address": N_("IP address"),
    "device": N_("Device"),
    "at": N_("Time"),
    "browser": N_("{browser} on {system}"),
    "unknown_device": N_("Unknown device"),
    "pair": N_("{label}: {value}"),
    "unexpected_code": N_("Not expecting this?"),
    "unexpected_notice": N_("Wasn’t you?"),
    "action": N_("Go to {brand}"),
    "invitation_action": N_("Choose your password"),
    "help": N_("Need help?"),
    "reason": N_("We sent you this message because it concerns the security of your {brand} account."),
}
"""What mails have in common."""

Count = Callable[[NullTranslations, int], str]
COUNTED: Mapping[tuple[str, str], Count] = {
    ("minute", "minutes"): lambda words, count: words.ngettext("1 minute", "{count} minutes", count),
    ("hour", "hours"): lambda words, count: words.ngettext("1 hour", "{count} hours", count),
    ("day", "days"): lambda words, count: words.ngettext("1 day", "{count} days", count),
    ("codes_one", "codes_many"): lambda words, count: words.npgettext(
        "mail", "You have one recovery code left.", "You have {count} recovery codes left.", count
    ),
}
"""What depends on a number: the names of the phrase for one and for more, and how a catalogue says it."""

MAILS: Mapping[str, MailText] = {
    "reset-code": MailText(
        subject=N_("Reset your {brand} password"),
        heading=N_("Your code for a new password"),
        body=(N_("Enter this code to choose a new password. It works once and expires in {lifetime}."),),
        not_you=N_(
            "You can ignore this message: without the code, your password stays as it is. Never share the code with "
            "anyone, not even with us."
        ),
    ),
    "email-otp-code": MailText(
        subject=N_("Your {brand} confirmation code"),
        heading=N_("Your confirmation code"),
        body=(N_("Enter this code to confirm that it’s you. It works once and expires in {lifetime}."),),
        not_you=N_(
            "Someone else may know your password. Change it right away, and never share this code with anyone, not "
            "even with us."
        ),
    ),
    "email-otp-setup-code": MailText(
        subject=N_("Receive your {brand} codes at this address"),
        heading=N_("Your code to confirm this address"),
        body=(
            N_(
                "Enter this code to receive your {brand} sign-in codes at this address from now on. It works once and"
                " expires in {lifetime}."
            ),
        ),
        not_you=N_(
            "Without the code, nothing changes. Never share it with anyone, not even with us. If you have a {brand} "
            "account, change its password to be safe."
        ),
    ),
    "transfer-code": MailText(
        subject=N_("Confirm your new address for {brand}"),
        heading=N_("Your code to confirm your new address"),
        body=(
            N_(
                "Enter this code to use this email address for your {brand} account from now on. It works once and "
                "expires in {lifetime}."
            ),
        ),
        not_you=N_(
            "Someone has probably entered your address by mistake. You can ignore this message: without the code, "
            "nothing changes. Never share it with anyone, not even with us."
        ),
    ),
    "invitation": MailText(
        subject=N_("Your invitation to {brand}"),
        heading=N_("Welcome to {brand}"),
        body=(
            N_(
                "Your account is ready. Enter this code to choose your password. It works once and expires in "
                "{lifetime}."
            ),
        ),
        not_you=N_(
            "You can ignore this message: without the code, nobody can use the account. Never share it with anyone, "
            "not even with us."
        ),
    ),
    "test": MailText(
        subject=N_("A test message from {brand}"),
        heading=N_("Your mail works"),
        body=(N_("You can read this, so {brand} can send mail. There is nothing else to do."),),
    ),
    "password-changed": MailText(
        subject=N_("Your {brand} password has been changed"),
        heading=N_("Your password has been changed"),
        body=(N_("Use your new password from now on. We have signed you out on all your other devices."),),
        not_you=N_("Reset your password right away. That also signs everyone out of your account."),
    ),
    "password-reset": MailText(
        subject=N_("Your {brand} password has been reset"),
        heading=N_("Your password has been reset"),
        body=(
            N_(
                "You have a new password, chosen with a code that we emailed to you. We have signed you out on all "
                "your devices."
            ),
        ),
        not_you=N_(
            "Someone may be able to read your email. Change the password of your mailbox first, then reset your "
            "{brand} password."
        ),
    ),
    "new-sign-in": MailText(
        subject=N_("New sign-in to your {brand} account"),
        heading=N_("New sign-in to your account"),
        body=(
            N_(
                "Someone signed in to your account from a place where it had not been used before. If that was you, "
                "there is nothing to do."
            ),
        ),
        not_you=N_("Reset your password right away. That also signs everyone out of your account."),
    ),
    "address-changed": MailText(
        subject=N_("Your {brand} account has a new address"),
        heading=N_("Your email address has been changed"),
        body=(N_("Your account now uses {address} instead of this address."),),
        not_you=N_("Contact {brand} right away: a code for a new password would now go to the new address."),
        not_you_unsupported=N_(
            "Tell whoever runs {brand} for you right away: a code for a new password would now go to the new address."
        ),
    ),
    "totp-enabled": MailText(
        subject=N_("Authenticator app added to your {brand} account"),
        heading=N_("Authenticator app added"),
        body=(
            N_(
                "When you sign in, you can now confirm that it’s you with a code from your authenticator app. Keep "
                "your recovery codes in a safe place, in case you lose your phone."
            ),
        ),
        not_you=N_("Someone else can get into your account. Change your password right away and remove the app."),
    ),
    "totp-replaced": MailText(
        subject=N_("Authenticator app replaced for your {brand} account"),
        heading=N_("Authenticator app replaced"),
        body=(
            N_(
                "When you sign in, use the codes of the app that you have just set up. Codes from the old one no longer"
                " work."
            ),
        ),
        not_you=N_("Someone else can get into your account. Change your password right away and remove the app."),
    ),
    "totp-disabled": MailText(
        subject=N_("Authenticator app removed from your {brand} account"),
        heading=N_("Authenticator app removed"),
        body=(N_("Codes from your authenticator app no longer work here. You can delete the account from the app."),),
        not_you=N_("Someone else can get into your account. Change your password right away, then add your app again."),
    ),
    "email-otp-enabled": MailText(
        subject=N_("Email codes turned on for your {brand} account"),
        heading=N_("Email codes turned on"),
        body=(
            N_(
                "When you sign in, you can now confirm that it’s you with a code that we email to you. Keep your "
                "recovery codes in a safe place, in case you can’t reach your mailbox."
            ),
        ),
        not_you=N_(
            "Someone else can get into your account. Change your password right away and turn the email codes off."
        ),
    ),
    "email-otp-disabled": MailText(
        subject=N_("Email codes turned off for your {brand} account"),
        heading=N_("Email codes turned off"),
        body=(N_("We no longer email you codes to sign in with."),),
        not_you=N_(
            "Someone else can get into your account. Change your password right away, then turn the email codes on "
            "again."
        ),
    ),
    "recovery-codes-replaced": MailText(
        subject=N_("New recovery codes for your {brand} account"),
        heading=N_("You have new recovery codes"),
        body=(
            N_("Your old recovery codes no longer work. Keep the new ones in a safe place, apart from your devices."),
        ),
        not_you=N_(
            "Someone else can get into your account. Change your password right away, then make new recovery codes "
            "again."
        ),
    ),
    "recovery-codes-ended": MailText(
        subject=N_("Two-step sign-in turned off for your {brand} account"),
        heading=N_("Two-step sign-in is off"),
        body=(N_("Your password alone is now enough to sign in. Your recovery codes have been deleted."),),
        not_you=N_(
            "Someone else can get into your account. Change your password right away, then turn two-step sign-in on "
            "again."
        ),
    ),
    "recovery-code-used": MailText(
        subject=N_("A recovery code was used for your {brand} account"),
        heading=N_("A recovery code was used"),
        body=(
            N_("{codes_left} Each code works once. You can replace them with new ones at any time."),
            N_("Lost your phone? Go to your account and set up the app on your new one."),
        ),
        not_you=N_(
            "Someone else has one of your recovery codes and may know your password. Change your password right away,"
            " then make new recovery codes."
        ),
    ),
}
