"""Gets an answer from any address, through any hosts of the Internet, without saying who asks.

What an answer has to hold is known to the caller; a digest decides there, whoever sent the bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from release_tool.core.errors import TryAgain
from release_tool.net.client import open_client
from release_tool.net.hops import Hop, is_local
from release_tool.net.sockets import Sockets

__all__ = ["Response", "open_anywhere"]

Response = httpx.Response
TIMEOUT = httpx.Timeout(30.0, connect=10.0)


@contextmanager
def open_anywhere(given: Hop, sockets: Sockets) -> Iterator[tuple[Hop, Response]]:
    """Send a GET, follow its redirects, and yield the last hop with its answer unread.

    1. Every hop has a client of its own, so no cookie and no connection outlives it.
    2. No login of any kind leaves: the environment's is switched off, the request has none.
    3. Every network address is checked before it is connected to (`Hop.check`).
    4. Nothing is decompressed, and all of it together ends with `sockets`' time.
    """
    hop = given
    try:
        while True:
            sockets.check = hop.check
            address, local = hop.address, is_local(hop.address)
            with (
                open_client(sockets, local=local, secure=address.scheme == "https") as client,
                client.stream(
                    "GET",
                    address,
                    headers={"Accept-Encoding": "identity"},
                    timeout=TIMEOUT,
                    auth=None,
                    follow_redirects=False,
                ) as response,
            ):
                if not response.has_redirect_location:
                    yield hop, response
                    return
                hop = hop.follow(response.headers["location"])
    except (httpx.HTTPError, httpx.StreamError) as error:
        if sockets.is_over:
            raise TryAgain(f"{hop.name} is too slow: the time for it is over") from error
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise TryAgain(f"the download from {hop.name} failed: {said}") from error
