"""Where a request comes from, behind proxies and without."""

from typing import Any

import pytest
import sqlalchemy as sa

from doorward.core.tables import events
from doorward.http.clients import ClientAddresses
from tests.support.service import Service
from tests.support.wsgi import raw_call

PROXY = "10.0.0.1"
NETWORKS = ("10.0.0.0/8", "2001:db8:1::/48")


def address_of(peer: str, trusted: tuple[str, ...] = NETWORKS, **headers: str) -> str:
    return ClientAddresses(trusted).of({"REMOTE_ADDR": peer} | headers)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("2001:DB8:0:0::9", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        # What stands left of the first address that is no proxy, the client may have written.
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6,203.0.113.9, 10.0.0.2,10.1.1.1", "203.0.113.9"),
        ("10.0.0.7, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 2001:db8:1::5", "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # What is no address is not passed over: who stands left of it, nobody vouches for.
        ("6.6.6.6, nonsense", PROXY),
        ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        ("6.6.6.6,", PROXY),
        ("fe80::1%\x9b[31m", "fe80::1"),
        ("203.0.113.9%x", PROXY),
        (f"fe80::1%{'x' * 60_000}", PROXY),
        ("", PROXY),
        (",,,", PROXY),
        ("203.0.113.9\u00e9", PROXY),
        ("0x7f.1", PROXY),
        ("127.1", PROXY),
        ("203.0.113.09", PROXY),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(chain: str, client: str) -> None:
    assert address_of(PROXY, HTTP_X_FORWARDED_FOR=chain) == client


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="203.0.113.9:4711"', "203.0.113.9"),
        ('for="[2001:db8::9]"', "2001:db8::9"),
        ('for="[2001:db8::9]:4711";proto=https;by=10.0.0.1', "2001:db8::9"),
        ("proto=https; FOR=203.0.113.9 ;host=x", "203.0.113.9"),
        ("for=6.6.6.6, for=203.0.113.9", "203.0.113.9"),
        ('for=6.6.6.6;by=x,for="203.0.113.9" , for=10.0.0.2', "203.0.113.9"),
        ("for=6.6.6.6, for=_hidden", PROXY),
        ("for=6.6.6.6, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ("for=6.6.6.6, proto=https", PROXY),
        ("xfor=203.0.113.9", PROXY),
        ('for="', PROXY),
        ("", PROXY),
    ],
)
def test_forwarded_is_read_from_the_right(chain: str, client: str) -> None:
    """RFC 7239 sections 4 to 6."""
    assert address_of(PROXY, HTTP_FORWARDED=chain) == client


def test_two_headers_that_disagree_are_not_believed() -> None:
    """A proxy sets one of them; the other one comes through from the client, who may write anything."""
    both: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_FORWARDED": "for=6.6.6.6"}
    assert address_of(PROXY, **both) == PROXY
    assert address_of(PROXY, **(both | {"HTTP_FORWARDED": 'for="203.0.113.9:80"'})) == "203.0.113.9"


@pytest.mark.parametrize("peer", ["203.0.113.1", "2001:db8:2::1", "", "unix:"])
def test_a_peer_that_is_no_proxy_is_the_client_whatever_it_says(peer: str) -> None:
    headers: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": "6.6.6.6", "HTTP_FORWARDED": "for=6.6.6.6"}
    assert address_of(peer, **headers) == (peer or "unknown")


def test_without_proxies_no_header_is_believed() -> None:
    assert address_of(PROXY, (), HTTP_X_FORWARDED_FOR="6.6.6.6", HTTP_FORWARDED="for=6.6.6.6") == PROXY


def test_a_very_long_chain_is_read_all_the_same() -> None:
    assert address_of(PROXY, HTTP_X_FORWARDED_FOR="10.0.0.9," * 5_000 + "10.0.0.8") == "10.0.0.9"


def test_the_default_believes_no_proxy_and_a_spoofed_address_frees_no_guesses(service: Service) -> None:
    statuses = [
        service.call(
            "POST",
            "/auth/login",
            json={"username": f"user{number}@example.org", "password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"},
        ).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]


def test_what_happened_is_recorded_with_the_clients_address(service: Service) -> None:
    service.add_user()
    raw_call(
        service,
        "POST",
        "/auth/login",
        b'{"username":"ann@example.org","password":"wrong"}',
        CONTENT_LENGTH="49",
        CONTENT_TYPE="application/json",
        REMOTE_ADDR="203.0.113.77",
    )
    with service.doorward.env.db.read() as tx:
        refused = sa.select(events.c.client_address).where(events.c.type == "login.refused")
        assert list(tx.execute(refused).scalars()) == ["203.0.113.77"]
