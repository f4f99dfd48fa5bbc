"""`_()`, `ngettext()` and `{% trans %}` in Jinja2 templates, in the words of each rendering."""

from gettext import NullTranslations
from typing import Any

import jinja2
from jinja2.runtime import Context

from doorward.i18n import translations

EXTENSION = "jinja2.ext.i18n"


def install(environment: jinja2.Environment) -> None:
    """Let the environment's templates translate: `language`, one of `LANGUAGES`, is a variable of every rendering.

    `catalogue` may be another one in place of that language's own.

    Values go in by name (`_("Hello %(name)s", name=name)`) and are escaped there.
    """
    environment.add_extension(EXTENSION)
    environment.policies["ext.i18n.trimmed"] = True
    install_callables: Any = environment.install_gettext_callables  # type: ignore[attr-defined]  # of the extension
    install_callables(_gettext, _ngettext, newstyle=True, pgettext=_pgettext, npgettext=_npgettext)


@jinja2.pass_context
def _gettext(context: Context, message: str) -> str:
    return _words(context).gettext(message)


@jinja2.pass_context
def _ngettext(context: Context, singular: str, plural: str, count: int) -> str:
    return _words(context).ngettext(singular, plural, count)


@jinja2.pass_context
def _pgettext(context: Context, about: str, message: str) -> str:
    return _words(context).pgettext(about, message)


@jinja2.pass_context
def _npgettext(context: Context, about: str, singular: str, plural: str, count: int) -> str:
    return _words(context).npgettext(about, singular, plural, count)


def _words(context: Context) -> NullTranslations:
    given: NullTranslations | None = context.get("catalogue")
    return given or translations(context["language"])
