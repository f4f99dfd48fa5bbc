"""Settings: where they come from, what is refused, and that the reference is the code's."""

from pathlib import Path

import pytest

from doorward.hashing.schemes import Argon2Cost
from doorward.settings import FIELDS, HIDDEN, Settings, SettingsError, load, reference, shown

REFERENCE = Path(__file__).parent.parent / "docs" / "settings.md"


def refused(**settings: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load({f"DOORWARD_{name.upper()}": value for name, value in settings.items()})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_page_of_settings_holds_exactly_the_reference() -> None:
    page = REFERENCE.read_text("utf-8")
    assert page.endswith(f"\n\n{reference()}\n")
    assert all(f"`{name}`" in page for name in FIELDS)


def test_a_variable_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = tmp_path / "doorward.toml"
    config.write_text('issuer_name = "file"\naudience = "file"\n')
    defaults = {"issuer_name": "default", "audience": "default", "mail_sender": "default@example.org"}
    settings = load({"DOORWARD_ISSUER_NAME": "variable", "DOORWARD_CONFIG": str(config)}, defaults=defaults)
    assert (settings.issuer_name, settings.audience, settings.mail_sender) == (
        "variable",
        "file",
        "default@example.org",
    )


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"smpt_url": "x"}, "unknown setting `smpt_url`: did you mean `smtp_url`?"),
        ({"zzz": "x"}, "`doorward settings --reference` lists all"),
        ({"smtp_timeout": "soon"}, "not a whole number"),
        ({"smtp_timeout": "0"}, "below the least allowed, 1"),
        ({"argon2_memory_kib": "1048577"}, "above the most allowed, 1048576"),
        ({"argon2_memory_kib": "1048576", "argon2_time_cost": "5"}, "at most 4 GiB"),
        ({"allow_disposable_mail": "perhaps"}, "not true or false"),
        ({"token_algorithm": "none"}, "not one of"),
        ({"public_url": "auth.example.org"}, "not like https://auth.example.org"),
        ({"public_url": "https://auth.example.org:port"}, "port is a number"),
        ({"database_url": "mysql://x"}, "must start with"),
        ({"database_url": "postgresql://u:a#Se-cret@h/d"}, "port is a number"),
        (
            {"database_url": "postgresql://u:Se-cret@/d?host=one:5432&host=two:5432"},
            "are written postgresql://user@one",
        ),
        ({"database_url": "postgresql://u:Se-cret@/d?host=one&host=two"}, "are written postgresql://user@one"),
        ({"database_url": "postgresql://u:Se-cret@/d?host=one:5432"}, "are written postgresql://user@one"),
        ({"smtp_url": "http://x"}, "must start with"),
        ({"traces_url": "127.0.0.1:4318"}, "is not like http://127.0.0.1:4318/v1/traces"),
        ({"smtp_url": "smtp://u:a#Se-cret@h"}, "written as %40"),
        ({"secret_key": "short"}, "at least 32 characters"),
        ({"cookie_same_site": "None"}, "needs an https"),
        ({"trusted_proxies": "10.0.0.0/99"}, "trusted_proxies"),
        ({"web_origins": "https://app.example.org/path"}, "no path"),
        ({"secret_key_file": "/nonexistent"}, "can't be read"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_to_do(settings: dict[str, str], says: str) -> None:
    said = refused(**settings)
    assert says in said
    assert "Se-cret" not in said


def test_whatever_argon2_cost_is_taken_can_be_had() -> None:
    settings = load({"DOORWARD_ARGON2_MEMORY_KIB": "1048576", "DOORWARD_ARGON2_TIME_COST": "4"})
    Argon2Cost(settings.argon2_time_cost, settings.argon2_memory_kib)


def test_a_secret_can_come_from_a_file_but_not_from_two_places(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 40 + "\n")
    assert load({"DOORWARD_SECRET_KEY_FILE": str(file)}).secret_key == "k" * 40
    assert "keep one of the two" in refused(secret_key="k" * 40, secret_key_file=str(file))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@one:5432,two:5433/d?target_session_attrs=read-write",
        "postgresql://u:p@one,two/d",
        "postgresql://u:p@[::1]:5432,[::2]:5432/d",
        "postgresql://u@/d?host=one,two&port=5432,5433",
        "postgresql://u@/d?host=%3A%3A1",
        "postgresql://u@/d?host=/run/a:b,/run/c",
    ],
)
def test_a_database_may_have_several_hosts(url: str) -> None:
    settings = load({"DOORWARD_DATABASE_URL": url})
    assert settings.database == url
    assert ":p@" not in shown(settings)["database_url"]


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgresql://user:pa%40ss@host:5432/name", f"postgresql://user:{HIDDEN}@host:5432/name"),
        ("postgresql://user:pass@one:1,two:2/name", f"postgresql://user:{HIDDEN}@one:1,two:2/name"),
        ("postgresql://host/name?password=secret", f"postgresql://host/name?{HIDDEN}"),
        ("sqlite:////var/lib/doorward.db", "sqlite:////var/lib/doorward.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, printed: str) -> None:
    assert shown(load({"DOORWARD_DATABASE_URL": url}))["database_url"] == printed


def test_settings_show_every_setting() -> None:
    assert list(shown(Settings())) == list(FIELDS)
    assert shown(load({"DOORWARD_SECRET_KEY": "k" * 40}))["secret_key"] == HIDDEN
