"""Which mail domains are refused."""

import subprocess
import sys

import pytest
from disposable_email_domains import blocklist

from doorward.mail.domains import ascii_domain, is_forbidden

BLOCKED = frozenset({"Blocked.example", "*.wild.example", "@at.example", "Bücher.example"})


@pytest.mark.parametrize(
    "address",
    [
        "ann@blocked.example",
        "ann@BLOCKED.EXAMPLE",
        "ann@blocked.example.",
        "ann@mail.blocked.example",
        "ann@wild.example",
        "ann@a.b.wild.example",
        "ann@at.example",
        "ann@bücher.example",
        "ann@BÜCHER.example",
        "ann@xn--bcher-kva.example",
        "ann@mail。bücher。example",
    ],
)
def test_a_blocked_domain_and_its_subdomains_are_forbidden(address: str) -> None:
    assert is_forbidden(address, BLOCKED, allow_disposable=True)


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org",
        "ann@notblocked.example",
        "blocked.example@example.org",
        "ann@",
        "ann",
        "ann@bad domain",
    ],
)
def test_other_domains_are_not_forbidden(address: str) -> None:
    assert not is_forbidden(address, BLOCKED, allow_disposable=False)


def test_disposable_domains_are_forbidden_unless_allowed() -> None:
    for address in ("ann@mailinator.com", "ann@sub.mailinator.com", "ann@MAILINATOR.com"):
        assert is_forbidden(address, frozenset(), allow_disposable=False)
        assert not is_forbidden(address, frozenset(), allow_disposable=True)


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.com", "proton.me", "gmx.de", "orange.fr", "ziggo.nl"])
def test_ordinary_mail_providers_are_not_on_the_shipped_list(domain: str) -> None:
    assert not is_forbidden(f"ann@{domain}", frozenset(), allow_disposable=False)


def test_the_shipped_list_is_healthy() -> None:
    assert len(blocklist) > 5_000
    assert all(ascii_domain(name) == name and "." in name for name in blocklist)


def test_the_shipped_list_is_loaded_only_when_it_is_asked() -> None:
    script = (
        "import sys; from doorward.mail.domains import is_forbidden as f; f('a@b.org', frozenset(), True);"
        "assert 'disposable_email_domains' not in sys.modules and 'idna' not in sys.modules;"
        "f('a@b.org', frozenset(), False); assert 'disposable_email_domains' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
