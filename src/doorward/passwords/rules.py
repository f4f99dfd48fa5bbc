"""What a new password must have. It is compared exactly, never trimmed or cut.

The contract's rules are the default. Settings ask for more: a longer one, none that is common, none of a breach; or
with `password_composition = "any"` for what NIST SP 800-63B-4 section 3.1.1.2 asks for instead of character classes.
"""

from doorward.core.errors import BadInput
from doorward.core.logs import logger
from doorward.env import Env
from doorward.settings import Settings

LONGEST = 256
COMMON = "Password must not be a common one"
OWN = "Password must not be made of the name of this service or of your own name or address"
BREACHED = "Password must not be one that is known from a data breach"


def require_strong(settings: Settings, password: str, *, has_factor: bool = True) -> None:
    """Raises BadInput with the first rule that the password breaks.

    Without `has_factor` it has to do without a second factor, and so may have to be longer.
    """
    if settings.password_composition == "classes":  # noqa: S105 -- a choice, no password
        _require_classes(password)
    shortest = settings.password_min_length
    if has_factor:
        shortest = min(shortest, settings.password_min_length_with_2fa)
    if len(password) < shortest:
        raise BadInput(f"Password must contain at least {shortest} characters")
    if len(password) > LONGEST:
        raise BadInput(f"Password must contain at most {LONGEST} characters")


def require_unknown(env: Env, password: str, *names: str) -> None:
    """Raises BadInput for a password that many know, or that is made of the user's names, if settings ask for that.

    May ask another service, so it is no step of a transaction.
    """
    settings = env.settings
    if settings.refuse_common_passwords:
        _require_uncommon(env, password, names)
    if settings.password_filter is not None:
        from doorward.passwords.filter import opened  # noqa: PLC0415 -- nothing is loaded that is off

        if opened(settings.password_filter).holds(password):
            raise BadInput(BREACHED)
    if settings.breached_passwords_url:
        from doorward.passwords.breached import Unanswered, is_breached  # noqa: PLC0415

        try:
            if is_breached(settings.breached_passwords_url, password):
                raise BadInput(BREACHED)
        except Unanswered as error:
            # Nobody must be kept from changing a password by another's service.
            logger.warning("breached passwords: no answer", reason=str(error))


def _require_classes(password: str) -> None:
    rules = (
        (any("A" <= c <= "Z" for c in password), "one uppercase character"),
        (any("a" <= c <= "z" for c in password), "one lowercase character"),
        (any("0" <= c <= "9" for c in password), "one digit"),
    )
    for kept, rule in rules:
        if not kept:
            raise BadInput(f"Password must contain at least {rule}")


def _require_uncommon(env: Env, password: str, names: tuple[str, ...]) -> None:
    from doorward.passwords import common  # noqa: PLC0415 -- nothing is loaded that is off

    brands = env.mails.brands
    of_service = [env.settings.public_url, env.settings.issuer_name, *env.settings.common_password_words]
    of_service += [text for brand in brands for text in (brand.name, brand.sender, brand.home_url)]
    if common.is_common(password, frozenset()):
        raise BadInput(COMMON)
    if common.is_common(password, common.words_of(*of_service, *names)):
        raise BadInput(OWN)
