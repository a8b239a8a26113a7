"""Opens the HTTP client: whose certificates, whose proxies, and which connections.

What is sent with it is not known here.
"""

import httpcore
import httpx

from release_tool.core.errors import UsageError
from release_tool.net.sockets import Sockets

MAX_SHOWN = 120

# A fourth of the calls, and a fifth of the work, of a large download; it asks for 64 KiB otherwise.
httpcore.HTTP11Connection.READ_NUM_BYTES = 256 * 1024


class Client(httpx.Client):
    """An HTTP client whose connections are `sockets`'s, also those to a proxy."""

    def __init__(self, sockets: Sockets, *, local: bool, secure: bool) -> None:
        verify = httpx.create_ssl_context() if local and secure else True
        super().__init__(trust_env=not local, verify=verify)
        self.sockets = sockets
        for transport in (self._transport, *self._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                # httpx has no parameter for it (https://www.python-httpx.org/advanced/transports).
                transport._pool._network_backend = sockets  # noqa: SLF001


def open_client(sockets: Sockets, *, local: bool, secure: bool) -> Client:
    """Open a client with the environment's certificates, and its proxies but for this machine.

    Raises `UsageError` where the environment names a proxy or certificates that cannot be used.
    """
    try:
        return Client(sockets, local=local, secure=secure)
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
