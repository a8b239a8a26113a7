"""Addresses as text and as values: whose they are, and how a message names them.

Nothing here resolves a name; `hops` says where a server may lead.
"""

import re

import httpx

from release_tool.core.errors import InputError
from release_tool.net.reach import is_this_machine, parse_ip

MAX_SHOWN = 120
DEFAULT_PORTS = {"https": 443, "http": 80}
HOST = re.compile(rb"[A-Za-z0-9_.:-]{1,255}")

URL = httpx.URL
Origin = tuple[str, str, int | None]


def parse_url(text: str) -> URL | None:
    """Read an absolute http or https URL; None for anything else."""
    try:
        url = URL(text)
    except (httpx.InvalidURL, UnicodeError):
        return None
    return url if url.scheme in DEFAULT_PORTS and HOST.fullmatch(url.raw_host) else None


def parse_address(text: str) -> URL:
    """Read an https address, or an http one of this machine; raises `InputError`."""
    address = parse_url(text)
    if address is None or not (address.scheme == "https" or is_local(address)):
        raise InputError(
            f"not an https address: {text[:MAX_SHOWN]!r}", hint="write it as https://HOST/PATH"
        )
    if address.userinfo:
        raise InputError("the address holds a user name or a password, which logs would keep")
    return address


def join(base: URL, target: str) -> URL | None:
    """Resolve an address that a server gave (RFC 3986); None where it is none."""
    try:
        return base.join(target) if target else None
    except (httpx.InvalidURL, UnicodeError):
        return None


def origin_of(address: URL) -> Origin:
    """Give an address's origin (RFC 6454): scheme, host, port."""
    return address.scheme, address.host, address.port or DEFAULT_PORTS.get(address.scheme)


def is_local(address: URL) -> bool:
    """Tell an address that says itself that it is on this machine (RFC 1122, RFC 4291)."""
    host = address.host.removesuffix(".")
    literal = parse_ip(host)
    named = host == "localhost" or host.endswith(".localhost")  # RFC 6761 §6.3
    return named or (literal is not None and is_this_machine(literal))


def host_of(address: URL) -> str:
    """Give the host as it is connected to: of ASCII letters alone."""
    return address.raw_host.decode("ascii")


def name_of(address: URL) -> str:
    """Name an address's host and port for a message, never in letters of another script."""
    host = host_of(address) or f"{address.scheme}:"
    return f"{host}:{address.port}" if address.port else host


def without_login(text: str) -> str:
    """Leave out what stands before the last @ of an address: a name and a password."""
    head, at, tail = text.rpartition("@")
    scheme, slashes, _ = head.rpartition("://")
    return f"{scheme}{slashes}***@{tail}" if at else text
