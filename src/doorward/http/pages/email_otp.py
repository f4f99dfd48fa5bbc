"""Codes by mail as a second factor: set up, remove."""

from typing import ClassVar

from doorward.factors import email_otp
from doorward.factors.overview import overview
from doorward.http.pages import factor
from doorward.http.pages.fields import text
from doorward.http.pages.page import Html, Page, Redirect, Reply
from doorward.http.pages.reset import ENTER_ADDRESS
from doorward.http.pages.visit import Visit

EMAIL_OTP = "/account/email-otp"
CODE = "/account/email-otp/code"
FACTOR = factor.Factor(email_otp.METHOD, EMAIL_OTP, email_otp.enable, email_otp.remove)


class EmailOtp(Page):
    """Whether it is active, and at which address; mails a code to a new one."""

    needs = "step-up"
    field = "email"

    def show(self, visit: Visit) -> Reply:
        return Html("email_otp", {"factors": overview(visit.env, visit.claims)})

    def act(self, visit: Visit) -> Reply:
        email_otp.set_up(visit.env, visit.claims, text(visit, "email", ENTER_ADDRESS), visit.mail_choice, visit.client)
        return Redirect(CODE)


class Code(factor.SetUp):
    """Takes the code that was mailed to the new address."""

    factor = FACTOR
    fields: ClassVar = {"TOO_MANY_OTP_EMAILS": "send", "UNABLE_TO_FIND_MAIL_TEMPLATE": "send"}

    def show(self, visit: Visit) -> Reply:
        address = overview(visit.env, visit.claims).pending_email
        if address is None:
            return Redirect(EMAIL_OTP)
        wait = email_otp.seconds_to_next_mail(visit.env, visit.claims)
        return Html("mailed_code", {"what": "email-otp", "address": address, "mail_wait": wait, "at": CODE,
                                    "back": EMAIL_OTP})  # fmt: skip


class SendAgain(Code):
    """Mails another code."""

    def act(self, visit: Visit) -> Reply:
        address = overview(visit.env, visit.claims).pending_email
        if address is not None:
            email_otp.set_up(visit.env, visit.claims, address, visit.mail_choice, visit.client)
            visit.say("code-sent-again")
        return Redirect(CODE)


class Remove(factor.Remove):
    factor = FACTOR
