"""What people type: codes with spaces and dashes in them, and fields that were left empty."""

from gettext import NullTranslations

from doorward.codes import LIFETIME
from doorward.core.errors import BadInput, Refused
from doorward.factors.recovery import SEPARATORS
from doorward.http.pages.visit import Problem, Visit
from doorward.i18n import N_

DIGITS = 6
LONGEST = 256
EMPTY_CODE = N_("Enter the code.")
EXPIRED = N_("This code has expired. Ask for a new one below.")
NO_DIGITS = N_("The code has digits only, 6 of them.")
WRONG_LENGTH = N_("The code has 6 digits. Check that you typed or pasted all of them.")


class Mistyped(BadInput):
    """Said in words for people: shown translated, at the field it names."""

    def __init__(self, field: str, words: str, **values: str) -> None:
        super().__init__(words)
        self.field = field
        self.values = values
        self.further: list[Mistyped] = []
        """Of other fields of the form."""

    def problems(self, words: NullTranslations) -> list[Problem]:
        """What is wrong at each field, in the language of `words`."""
        text = words.gettext(self.code)
        for name, value in self.values.items():
            text = text.replace(f"{{{name}}}", value)
        return [Problem(self.field, text), *(problem for each in self.further for problem in each.problems(words))]


def expired_or(refused: Refused, visit: Visit, sent_at: int | None) -> Refused:
    """The refusal of a mailed code; of one that this browser asked for too long ago (milliseconds), that it is over."""
    now = visit.env.clock.now_ms()
    if refused.code == "OTP_INVALID_EXPIRED" and sent_at is not None and sent_at + LIFETIME <= now:
        return Mistyped("code", EXPIRED)
    return refused


def six_digits(visit: Visit, name: str = "code") -> str:
    """The typed code without separators. Raises Mistyped."""
    code = visit.typed(name).translate(SEPARATORS)
    if not code:
        raise Mistyped(name, EMPTY_CODE)
    if not (code.isascii() and code.isdigit()):
        raise Mistyped(name, NO_DIGITS)
    if len(code) != DIGITS:
        raise Mistyped(name, WRONG_LENGTH)
    return code


def texts(visit: Visit, **if_empty: str) -> list[str]:
    """The fields as they were typed. Raises Mistyped, of all of them that are empty or far too long."""
    typed: list[str] = []
    wrong: list[Mistyped] = []
    for name, words in if_empty.items():
        try:
            typed.append(text(visit, name, words))
        except Mistyped as mistyped:
            wrong.append(mistyped)
    if wrong:
        wrong[0].further = wrong[1:]
        raise wrong[0]
    return typed


def text(visit: Visit, name: str, if_empty: str) -> str:
    """The field as it was typed. Raises Mistyped when it is empty or far too long."""
    typed = visit.typed(name)
    if not typed.strip():
        raise Mistyped(name, if_empty)
    if len(typed) > LONGEST:
        raise Mistyped(name, N_("This is too long: it can have 256 characters at most."))
    return typed
