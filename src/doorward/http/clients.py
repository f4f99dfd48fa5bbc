"""Where a request comes from.

`Forwarded` (RFC 7239) and `X-Forwarded-For` are believed only from a configured proxy, and only back to the first
address that is not one: whatever stands before it, anyone can have written.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED_FOR = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)
UNKNOWN = "unknown"
LONGEST = 64
"""Characters of an address, with its zone and port."""
REMEMBERED = 1024
"""How many addresses are not parsed again: parsing one takes longer than looking a session up."""


class ClientAddresses:
    """Tells client addresses; `trusted` are addresses or networks in CIDR notation."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._trusted: list[IPNetwork] = [ipaddress.ip_network(each) for each in trusted]
        self.is_trusted = lru_cache(REMEMBERED)(self._look_up)

    def of(self, environ: Mapping[str, Any]) -> str:
        """The client's address in canonical form."""
        peer: str = environ.get("REMOTE_ADDR") or UNKNOWN
        if not self._trusted or not self.is_trusted(peer):
            return peer
        # A proxy sets one of the headers; the other may be the client's own. Of two that disagree neither is believed.
        told = {self._last_untrusted(peer, hops) for hops in _chains(environ)}
        return told.pop() if len(told) == 1 else peer

    def _last_untrusted(self, peer: str, hops: list[str]) -> str:
        client = peer
        for hop in reversed(hops):
            address = _canonical(hop.strip()[: LONGEST + 1])
            if address is None:
                break
            client = address
            if not self.is_trusted(client):
                break
        return client

    def _look_up(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in network for network in self._trusted)


def _chains(environ: Mapping[str, Any]) -> Iterator[list[str]]:
    """The hops that each header tells, the nearest last."""
    if forwarded := environ.get("HTTP_FORWARDED"):
        found = (FORWARDED_FOR.search(element) for element in forwarded.split(","))
        yield [(each[1] or each[2] or "") if each else "" for each in found]
    if x_forwarded_for := environ.get("HTTP_X_FORWARDED_FOR"):
        yield x_forwarded_for.split(",")


@lru_cache(REMEMBERED)
def _canonical(text: str) -> str | None:
    address = _parse(text)
    return None if address is None else str(address)


def _parse(text: str) -> IPAddress | None:
    """An address with or without a port, in brackets or not."""
    if len(text) > LONGEST:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if ":" in text:
        # A zone (`%eth0`) may be any text, and names no other host.
        text = text.partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
