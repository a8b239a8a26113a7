"""The address of a GitHub REST API and the client that talks to it; what is said is not known here.

Imported only by those who are about to use a network, since it loads an HTTP client.
"""

import ipaddress
from dataclasses import dataclass
from typing import Self

import httpcore
import httpx

from release_tool.core.errors import UsageError

DEFAULT_PORTS = {"https": 443, "http": 80}
MAX_SHOWN = 120
NEWEST_VERSION = "2026-03-10"
OLDEST_VERSION = "2022-11-28"
ENTERPRISE_PATH = "/api/v3"

# A fourth of the calls, and a fifth of the work, of a large download; it asks for 64 KiB otherwise.
httpcore.HTTP11Connection.READ_NUM_BYTES = 256 * 1024

Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """The address of a GitHub REST API: `url` without a final slash."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an API's address; raises `UsageError` unless it is https, or http on loopback."""
        url = parse_url(text)
        plain = url is not None and not url.userinfo and not url.query and not url.fragment
        if url is None or not plain or not (url.scheme == "https" or is_loopback(url)):
            raise UsageError(
                f"not the address of a GitHub API: {without_login(text)[:MAX_SHOWN]!r}",
                hint="write it as https://HOST/api/v3; http is for loopback only",
            )
        return cls(str(url).rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Tell whether the API is a stand-in on this very machine."""
        return is_loopback(httpx.URL(self.url))

    @property
    def version(self) -> str:
        """Name the version to ask for; an Enterprise server refuses one newer than itself."""
        return OLDEST_VERSION if self.url.endswith(ENTERPRISE_PATH) else NEWEST_VERSION


def open_client(api: ApiRoot) -> httpx.Client:
    """Open an HTTP client with the environment's certificates, and its proxies but for loopback.

    Raises `UsageError` where the environment names a proxy or certificates that cannot be used.
    """
    try:
        if api.is_loopback:
            secure = httpx.URL(api.url).scheme == "https"
            return httpx.Client(
                trust_env=False, verify=httpx.create_ssl_context() if secure else True
            )
        return httpx.Client()
    # A bad proxy is a ValueError or InvalidURL, SOCKS without its package an ImportError, and
    # certificates that are missing or none an OSError, of which SSL's errors are a kind.
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        reason = " ".join(without_login(str(error)).split())[:MAX_SHOWN]
        raise UsageError(
            f"no HTTP client can be set up: {reason or type(error).__name__}",
            hint="see HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from error


def without_login(text: str) -> str:
    """Leave out what stands before the last @ of an address: a name and a password."""
    head, at, tail = text.rpartition("@")
    scheme, slashes, _ = head.rpartition("://")
    return f"{scheme}{slashes}***@{tail}" if at else text


def parse_url(text: str) -> httpx.URL | None:
    """Read an absolute http or https URL; None for anything else."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in DEFAULT_PORTS and url.host else None


def origin_of(url: httpx.URL) -> Origin:
    """Give a URL's origin (RFC 6454): scheme, host, port."""
    return url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme)


def is_loopback(url: httpx.URL) -> bool:
    """Tell a literal loopback address (RFC 1122, RFC 4291) or the name localhost."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
