"""Who asks."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """The client's address (behind trusted proxies, the one they name) and what it says it is."""

    address: str
    user_agent: str = ""


COMMAND_LINE = Client("command line")


def is_loopback(host: str) -> bool:
    """Whether the name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
