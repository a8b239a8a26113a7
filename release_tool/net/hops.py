"""The way from the address that a user gave through the redirects of servers, each hop checked.

Nothing here sends anything; `Sockets` has every network address checked by `Hop.check`.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

import httpx

from release_tool.core.errors import InputError
from release_tool.net.reach import IPAddress, is_public, is_this_machine, parse_ip

MAX_REDIRECTS = 10
MAX_SHOWN = 120
DEFAULT_PORTS = {"https": 443, "http": 80}
LOCALHOST = IPv4Address("127.0.0.1")
HOST = re.compile(rb"[A-Za-z0-9_.:-]{1,255}")


def parse_address(text: str) -> httpx.URL:
    """Read an https address, or an http one of this machine; raises `InputError`."""
    try:
        address = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        address = httpx.URL("")
    plain = address.scheme == "http" and is_local(address)
    if not HOST.fullmatch(address.raw_host) or not (address.scheme == "https" or plain):
        raise InputError(
            f"not an https address: {text[:MAX_SHOWN]!r}", hint="write it as https://HOST/PATH"
        )
    if address.userinfo:
        raise InputError("the address holds a user name or a password, which logs would keep")
    return address


def is_local(address: httpx.URL) -> bool:
    """Tell an address that says itself that it is on this machine."""
    literal = parse_ip(address.host)
    return address.host == "localhost" or (literal is not None and is_this_machine(literal))


def name_of(address: httpx.URL) -> str:
    """Name an address's host and port for a message."""
    host = host_of(address)
    return f"{host}:{address.port}" if address.port else host


def host_of(address: httpx.URL) -> str:
    """Give the host as it is connected to: of ASCII letters alone."""
    return address.raw_host.decode("ascii")


def origin_of(address: httpx.URL) -> tuple[str, str, int | None]:
    """Give an address's origin (RFC 6454)."""
    return address.scheme, address.host, address.port or DEFAULT_PORTS.get(address.scheme)


@dataclass(frozen=True, slots=True)
class Hop:
    """One address on the way, and how it was reached.

    `at_home` says that no other origin was asked yet than the one that the user gave; `local`,
    that every hop so far was on this machine.
    """

    address: httpx.URL
    at_home: bool = True
    local: bool = False
    before: "Hop | None" = None

    @classmethod
    def given(cls, text: str) -> Self:
        """Begin at the address that the user gave; raises `InputError`."""
        address = parse_address(text)
        return cls(address, local=is_local(address))

    @property
    def name(self) -> str:
        """Name the host, and who led to it."""
        name = name_of(self.address)
        if self.before is None or name_of(self.before.address) == name:
            return name
        return f"{name} (where {name_of(self.before.address)} redirects to)"

    @property
    def redirects(self) -> int:
        """Count the redirects that led here."""
        return 0 if self.before is None else self.before.redirects + 1

    def follow(self, location: str) -> "Hop":
        """Return the hop that a redirect leads to; raises `InputError` where it may not.

        1. There are at most ten.
        2. It is https, or http from this machine to this machine.
        3. It holds no login.
        4. An address written as a number is one that `check` allows; a name is checked when it is
           resolved, unless a proxy resolves it.
        """
        target = self.join(location)
        leads = f"{name_of(self.address)} redirects to {name_of(target)}"
        if self.redirects == MAX_REDIRECTS:
            raise InputError(f"{leads}, after {MAX_REDIRECTS} redirects already")
        local = self.local and is_local(target)
        if target.scheme != "https" and not (target.scheme == "http" and local):
            raise InputError(f"{leads} without https", hint="https is followed to any host")
        if target.userinfo:
            raise InputError(f"{leads} with a login in the address")
        at_home = self.at_home and origin_of(target) == origin_of(self.address)
        hop = Hop(target, at_home, local, self)
        literal = LOCALHOST if target.host == "localhost" else parse_ip(target.host)
        if literal is not None:
            hop.check(host_of(target), literal)
        return hop

    def join(self, location: str) -> httpx.URL:
        """Resolve a redirect's address (RFC 3986); raises `InputError` for what is none."""
        try:
            target = self.address.join(location)
        except (httpx.InvalidURL, UnicodeError):
            target = httpx.URL("")
        if not HOST.fullmatch(target.raw_host):
            raise InputError(f"{name_of(self.address)} redirects to what is no address of a host")
        return target

    def check(self, host: str, address: IPAddress) -> None:
        """Refuse to connect where no server may lead: only the Internet is open to them.

        The user's own address may be anywhere, and one on this machine may lead to others on it.
        What is connected to for another reason, as a proxy is, was not a server's choice.
        """
        if self.at_home or self.before is None or host != host_of(self.address):
            return
        if is_public(address) or (self.local and is_this_machine(address)):
            return
        raise InputError(
            f"{name_of(self.before.address)} redirects to {name_of(self.address)}, and {address}"
            " is this machine or in a network that is not public",
            hint="if the file is there, give the address there",
        )
