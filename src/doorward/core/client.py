"""Who asks."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property

SUBSCRIBER_BITS = 64


@dataclass(frozen=True)
class Client:
    """The client's address (behind trusted proxies, the one they name), what it says it is, and its brand's origin."""

    address: str
    user_agent: str = ""
    origin: str | None = None

    @cached_property
    def network(self) -> str:
        """What one subscriber has: an IPv4 address, or the /64 of an IPv6 one, in which a host takes any it likes."""
        try:
            address = ipaddress.IPv6Address(self.address)
        except ValueError:
            return self.address
        return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), SUBSCRIBER_BITS), strict=False))


COMMAND_LINE = Client("command line")


def place(address: str) -> str:
    """The network that an address, or a narrower network, is in, as wide as one provider gives out nearby.

    That is /24 of IPv4, /48 of IPv6.
    """
    try:
        ip = ipaddress.ip_interface(address).ip
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))  # noqa: PLR2004 -- IPv4


def is_loopback(host: str) -> bool:
    """Whether the name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
