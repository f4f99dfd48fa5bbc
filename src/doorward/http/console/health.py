"""The console's first page: how the service does, in a few sentences and as plots over time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from gettext import NullTranslations

from doorward.administration import health
from doorward.administration.health import COUNTED_TO, Health, Period
from doorward.administration.words import Finding
from doorward.core.clock import DAY, HOUR, SECOND
from doorward.core.tallies import What
from doorward.http.console import plots
from doorward.http.console.page import ConsolePage, shown
from doorward.http.console.plots import Plot
from doorward.http.pages.looks import counted
from doorward.http.pages.page import Reply
from doorward.http.pages.visit import Visit
from doorward.i18n import N_
from doorward.i18n.dates import day

GROUPS: dict[str, tuple[str, tuple[What, ...]]] = {
    "logins": (N_("Signed in"), ("logins",)),
    "refusals": (N_("Refused"), ("refused_passwords", "refused_codes")),
    "waits": (N_("Waits begun"), ("waits",)),
    "mails": (N_("Mails"), ("mails_sent", "mails_delayed", "mails_failed")),
    "errors": (N_("Errors"), ("errors",)),
}
NAMES: dict[What, str] = {
    "logins": N_("signed in"),
    "refused_passwords": N_("wrong passwords"),
    "refused_codes": N_("wrong codes"),
    "waits": N_("waits"),
    "mails_sent": N_("mails sent"),
    "mails_delayed": N_("mails delayed"),
    "mails_failed": N_("mails given up"),
    "errors": N_("errors"),
}
PERIODS: dict[Period, str] = {"day": N_("24 hours"), "week": N_("7 days"), "month": N_("30 days")}
MARKS_OF_HOURS, MARKS_OF_DAYS = 4, 2
"""So many moments stand below a plot."""


@dataclass(frozen=True)
class Group:
    """A plot with its heading, what it says in words, and the names and sums of its kinds."""

    name: str
    title: str
    total: int
    words: str
    kinds: list[tuple[str, int]]
    plot: Plot


class HealthPage(ConsolePage):
    """`?period=` is a day, a week or a month."""

    def show(self, visit: Visit) -> Reply:
        asked = visit.query.get("period", "")
        period: Period = next((each for each in PERIODS if each == asked), "day")
        state = health.of(visit.env, period)
        moments = [_moment(begin, state.step, visit.language) for begin in state.begins]
        values = {
            "period": period,
            "periods": {each: visit.words.gettext(words) for each, words in PERIODS.items()},
            "findings": _findings(state, visit.words),
            "groups": [_group(name, state, moments, visit) for name in GROUPS],
            "marks": _marks(state, visit.language),
            "names": [visit.words.gettext(NAMES[what]) for what in health.WHATS],
            "rows": [(moment, numbers) for moment, (_, numbers) in zip(moments, state.rows, strict=True)],
        }
        return shown("health", "health", values)


def _group(name: str, state: Health, moments: list[str], visit: Visit) -> Group:
    title, whats = GROUPS[name]
    series = [state.series[what] for what in whats]
    sums = [sum(numbers) for numbers in zip(*series, strict=True)]
    total, most = sum(sums), max(sums)
    if total:
        words = visit.words.gettext("The most: {most} ({moment}).")
        words = words.replace("{most}", counted(most)).replace("{moment}", moments[sums.index(most)])
    else:
        words = visit.words.gettext("None in this time.")
    return Group(
        name=name,
        title=visit.words.gettext(title),
        total=total,
        words=words,
        kinds=[(visit.words.gettext(NAMES[what]), state.total(what)) for what in whats],
        plot=plots.drawn(series, name),
    )


def _findings(state: Health, words: NullTranslations) -> list[Finding]:
    well = words.gettext("All is well: mails go out, events are sealed, and nothing fails.")
    return list(_troubles(state, words)) or [Finding("good", well)]


def _troubles(state: Health, words: NullTranslations) -> Iterator[Finding]:
    if state.is_seal_late:
        yield Finding("bad", words.gettext("Events wait to be sealed since {at}: the log says why."), state.unsealed)
    if state.errors_since is not None:
        yield Finding("bad", words.gettext("There were errors since {at}: the log names each."), state.errors_since)
    if state.is_mail_late:
        yield Finding("slow", words.gettext("Mails wait to be sent since {at}."), state.oldest_mail)
    if state.given_up:
        said = words.ngettext("{count} mail was given up.", "{count} mails were given up.", state.given_up)
        count = f"{COUNTED_TO}+" if state.given_up >= COUNTED_TO else str(state.given_up)
        yield Finding("slow", said.replace("{count}", count))


def _marks(state: Health, language: str) -> list[str]:
    count = MARKS_OF_HOURS if state.step == HOUR else MARKS_OF_DAYS
    step = max(state.step, DAY) if state.step > HOUR else HOUR
    return [_moment(state.begins[place * len(state.begins) // count], step, language) for place in range(count)]


def _moment(at: int, step: int, language: str) -> str:
    """The beginning of a step, in UTC, as short as it can be."""
    moment = datetime.fromtimestamp(at / SECOND, UTC)
    if step == DAY:
        return day(moment, language)
    return f"{moment:%H:%M}" if step == HOUR else f"{day(moment, language)}, {moment:%H:%M}"
