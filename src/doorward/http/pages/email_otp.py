"""Codes by mail as a second factor: set up, remove."""

from typing import ClassVar

from doorward.factors import email_otp
from doorward.factors.overview import overview
from doorward.http.pages.fields import six_digits, text
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.recovery_codes import shown_once
from doorward.http.pages.reset import ENTER_ADDRESS
from doorward.http.pages.visit import HOME, Visit

EMAIL_OTP = "/account/email-otp"
CODE = "/account/email-otp/code"


class EmailOtp(Page):
    """Whether it is active, and at which address; mails a code to a new one."""

    needs = "step-up"
    field = "email"

    def show(self, visit: Visit) -> Reply:
        return Html("email_otp", {"factors": overview(visit.env, visit.claims)})

    def act(self, visit: Visit) -> Reply:
        email_otp.set_up(visit.env, visit.claims, text(visit, "email", ENTER_ADDRESS), visit.mail_choice, visit.client)
        visit.say("code-sent")
        return Redirect(CODE)


class Code(Page):
    """Takes the code that was mailed to the new address."""

    needs = "step-up"
    field = "code"
    fields: ClassVar = {"TOO_MANY_OTP_EMAILS": "send", "UNABLE_TO_FIND_MAIL_TEMPLATE": "send"}

    def show(self, visit: Visit) -> Reply:
        address = overview(visit.env, visit.claims).pending_email
        if address is None:
            return Redirect(EMAIL_OTP)
        wait = email_otp.seconds_to_next_mail(visit.env, visit.claims)
        return Html("mailed_code", {"what": "email-otp", "address": address, "mail_wait": wait, "at": CODE,
                                    "back": EMAIL_OTP})  # fmt: skip

    def act(self, visit: Visit) -> Reply:
        codes = email_otp.enable(visit.env, visit.claims, six_digits(visit), visit.client)
        visit.say("email-otp-enabled")
        return shown_once(visit, codes)


class SendAgain(Code):
    """Mails another code."""

    def act(self, visit: Visit) -> Reply:
        address = overview(visit.env, visit.claims).pending_email
        if address is not None:
            email_otp.set_up(visit.env, visit.claims, address, visit.mail_choice, visit.client)
            visit.say("code-sent")
        return Redirect(CODE)


class Remove(Page):
    """Asks once more, then removes it."""

    needs = "step-up"

    def show(self, visit: Visit) -> Reply:
        active = overview(visit.env, visit.claims)
        if active.email_otp_at is None:
            return Redirect(EMAIL_OTP)
        return Html("remove", {"what": "email-otp", "is_last": active.totp_at is None, "back": EMAIL_OTP})

    def act(self, visit: Visit) -> Reply:
        email_otp.remove(visit.env, visit.claims, visit.client)
        visit.say("email-otp-disabled")
        return Redirect(HOME)
