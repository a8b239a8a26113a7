"""Which network addresses a server may lead a request to, and which only the user may name.

Nothing here resolves a name or opens a connection.
"""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The part of IPv6 that is given out for hosts of the Internet (RFC 4291, IANA's registry)."""
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address in the last four bytes, for networks that have IPv6 alone (RFC 6052)."""
PLATFORM = tuple(map(ipaddress.IPv4Network, ("168.63.129.16/32", "192.0.0.0/24")))
"""What looks public and answers a cloud's own machines with their configuration (Azure, Oracle)."""


def parse_ip(text: str) -> IPAddress | None:
    """Read an IPv4 or IPv6 address in any form that a system takes for one; None for a name.

    Of IPv4 these are many: 127.1, 0x7f000001 and 2130706433 are all 127.0.0.1 (inet_aton).
    """
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeError):
        return None


def unmapped(address: IPAddress) -> IPAddress:
    """Give the IPv4 address that an IPv6 one stands for (RFC 4291 §2.5.5.2, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address


def is_this_machine(address: IPAddress) -> bool:
    """Tell a loopback address, in either form."""
    return unmapped(address).is_loopback


def is_public(address: IPAddress) -> bool:
    """Tell an address of the Internet from one that means something to this network alone.

    Private, link-local (a cloud's metadata service among them), shared (RFC 6598), loopback,
    unspecified, multicast and reserved addresses are not public. Nor are the tunnels 6to4 and
    Teredo, which hold an IPv4 address and serve nobody today.
    """
    address = unmapped(address)
    if isinstance(address, IPv6Address):
        tunnel = address.sixtofour is not None or address.teredo is not None
        return address in GLOBAL_UNICAST and address.is_global and not tunnel
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in PLATFORM)
    )
