"""Opens the HTTP client: whose certificates, whose proxies, and which connections.

What is sent with it is not known here.
"""

from weakref import WeakKeyDictionary

import httpcore
import httpx

from release_tool.core.errors import UsageError
from release_tool.net.address import MAX_SHOWN, without_login
from release_tool.net.sockets import Sockets

# A fourth of the calls, and a fifth of the work, of a large download; it asks for 64 KiB otherwise.
httpcore.HTTP11Connection.READ_NUM_BYTES = 256 * 1024

Client = httpx.Client
CONNECTED: WeakKeyDictionary[Client, Sockets] = WeakKeyDictionary()


def open_client(*, local: bool, secure: bool = True, sockets: Sockets | None = None) -> Client:
    """Open a client with the environment's certificates, and its proxies but for this machine.

    Raises `UsageError` where the environment names a proxy or certificates that cannot be used.
    """
    try:
        verify = httpx.create_ssl_context() if local and secure else True
        client = Client(trust_env=not local, verify=verify)
    # A bad proxy is a ValueError or InvalidURL, SOCKS without its package an ImportError, and
    # certificates that are missing or none an OSError, of which SSL's errors are a kind.
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        reason = " ".join(without_login(str(error)).split())[:MAX_SHOWN]
        raise UsageError(
            f"no HTTP client can be set up: {reason or type(error).__name__}",
            hint="see HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from error
    connect(client, sockets or Sockets())
    return client


def connect(client: Client, sockets: Sockets) -> None:
    """Let all of a client's connections be `sockets`'s, also those to a proxy."""
    CONNECTED[client] = sockets
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        if isinstance(transport, httpx.HTTPTransport):
            # httpx has no parameter for it: https://www.python-httpx.org/advanced/transports/
            transport._pool._network_backend = sockets  # noqa: SLF001


def sockets_of(client: Client) -> Sockets:
    """Return the connections of a client, which a client from elsewhere is given now."""
    if client not in CONNECTED:
        connect(client, Sockets())
    return CONNECTED[client]
