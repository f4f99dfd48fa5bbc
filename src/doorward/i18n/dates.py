"""Moments as people write them, in the languages of the catalogues."""

from datetime import datetime

from doorward.i18n import LANGUAGES, translations


def moment(at: datetime, language: str, *, seconds: bool = False) -> str:
    """A moment in UTC, to the minute unless `seconds`: `24 November 2026, 15:45 UTC`; by ISO 8601 without catalogue."""
    time = f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"
    if language not in LANGUAGES:
        return f"{at:%Y-%m-%d} {time} UTC"
    words = translations(language)
    pattern = words.pgettext("a moment", "{day} {month} {year}, {time} UTC")
    return pattern.format(day=at.day, month=_month(at.month, language), year=at.year, time=time)


def day(at: datetime, language: str) -> str:
    """A day of this or the last year: `24 November`."""
    pattern = translations(language).pgettext("a day", "{day} {month}")
    return pattern.format(day=at.day, month=_month(at.month, language))


def _month(number: int, language: str) -> str:
    words = translations(language)
    return (
        words.pgettext("in a date", "January"),
        words.pgettext("in a date", "February"),
        words.pgettext("in a date", "March"),
        words.pgettext("in a date", "April"),
        words.pgettext("in a date", "May"),
        words.pgettext("in a date", "June"),
        words.pgettext("in a date", "July"),
        words.pgettext("in a date", "August"),
        words.pgettext("in a date", "September"),
        words.pgettext("in a date", "October"),
        words.pgettext("in a date", "November"),
        words.pgettext("in a date", "December"),
    )[number - 1]
