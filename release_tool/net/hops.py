"""The way from an address that was asked for through the redirects of servers, each hop checked.

Nothing here sends anything; `Sockets` has every network address checked by `Hop.check`.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

from release_tool.net.address import (
    DEFAULT_PORTS,
    HOST,
    MAX_SHOWN,
    URL,
    host_of,
    is_local,
    join,
    name_of,
    origin_of,
    parse_address,
    parse_url,
    without_login,
)
from release_tool.net.failures import AnswerLost, BadHop
from release_tool.net.reach import IPAddress, is_public, is_this_machine, parse_ip

MAX_REDIRECTS = 10
MAX_API_REDIRECTS = 5
LOCALHOST = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Hop:
    """One address on the way, and how it was reached.

    `local` says that every hop so far was on this machine; `at_home`, that no other origin was
    asked than the first. A `trusted` way begins at an API that the user named, whose servers may
    stand in a private network. At most `left` redirects follow.
    """

    address: URL
    local: bool
    left: int = MAX_REDIRECTS
    trusted: bool = False
    at_home: bool = True
    before: "Hop | None" = None

    @classmethod
    def given(cls, text: str) -> Self:
        """Begin at the address of a file that the user gave; raises `InputError`."""
        address = parse_address(text)
        return cls(address, is_local(address))

    @classmethod
    def from_api(cls, text: str, *, local: bool) -> Self:
        """Begin at an address of an API, or one that it gave; `local` where it is on this machine.

        Raises `BadHop` for anything but https, or http from this machine to itself.
        """
        address = parse_url(text)
        if address is None:
            raise BadHop(f"not an address: {without_login(text)[:MAX_SHOWN]!r}")
        hop = cls(address, local and is_local(address), MAX_API_REDIRECTS, trusted=True)
        hop.check_scheme("the API names")
        return hop

    @property
    def name(self) -> str:
        """Name the host, and who led to it."""
        name = name_of(self.address)
        if self.before is None or name_of(self.before.address) == name:
            return name
        return f"{name} (where {name_of(self.before.address)} redirects to)"

    def follow(self, location: str) -> "Hop":
        """Return the hop that a redirect leads to; raises `BadHop` where it may not.

        1. It is an address, and so many redirects are allowed.
        2. It is https, or http from this machine to this machine, and holds no login.
        3. An address written as a number is one that `check` allows; a name is checked when it is
           resolved, unless a proxy resolves it.
        """
        here = name_of(self.address)
        target = join(self.address, location)
        named = target is not None and HOST.fullmatch(target.raw_host)
        if target is None or (target.scheme in DEFAULT_PORTS and not named):
            raise AnswerLost(f"{here} redirects to nowhere")
        leads = f"{here} redirects to {name_of(target)}"
        if not self.left:
            most = MAX_API_REDIRECTS if self.trusted else MAX_REDIRECTS
            raise BadHop(f"{leads}, and that is more than {most} times")
        local = self.local and is_local(target)
        at_home = self.at_home and origin_of(target) == origin_of(self.address)
        hop = Hop(target, local, self.left - 1, self.trusted, at_home, self)
        hop.check_scheme(f"{here} redirects to")
        literal = LOCALHOST if is_local(target) else parse_ip(target.host)
        if literal is not None:
            hop.check(host_of(target), literal)
        return hop

    def check_scheme(self, who: str) -> None:
        """Refuse an address that anybody on the way could read or answer, or that logs in."""
        name = name_of(self.address)
        if self.address.scheme != "https" and not (self.address.scheme == "http" and self.local):
            raise BadHop(f"{who} {name}, which is not an https address")
        if self.address.userinfo:
            raise BadHop(f"{who} {name} with a login in the address")

    def check(self, host: str, address: IPAddress) -> None:
        """Refuse to connect where no server may lead: only the Internet is open to them.

        The user's own address may be anywhere, and one on this machine may lead to others on it.
        What is connected to for another reason, as a proxy is, was not a server's choice.
        """
        if self.trusted or self.at_home or self.before is None or host != host_of(self.address):
            return
        if is_public(address) or (self.local and is_this_machine(address)):
            return
        raise BadHop(
            f"{name_of(self.before.address)} redirects to {name_of(self.address)}, and {address}"
            " is this machine or in a network that is not public",
            hint="if the file is there, give the address there",
        )
