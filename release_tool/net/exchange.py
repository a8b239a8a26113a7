"""One exchange over HTTP: what is sent says nothing of the user, what fails has one meaning.

Whether an answer is welcome, and whether to ask again, is for those who asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx

from release_tool.net.address import URL, is_local, join
from release_tool.net.client import Client, open_client, sockets_of
from release_tool.net.failures import AnswerLost, NotSent, TooSlow
from release_tool.net.hops import Hop
from release_tool.net.sockets import Sockets

Request = httpx.Request
Response = httpx.Response

CONNECT_SECONDS = 10.0
MAX_SHOWN = 160
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def make_request(
    client: Client,
    method: str,
    url: str | URL,
    headers: Mapping[str, str],
    silence_seconds: float,
    *,
    json: Any = None,
    content: Iterable[bytes] | None = None,
) -> Request:
    """Build a request that has the credentials of `headers` and none of the client's own.

    The answer is not to be compressed, so that no body grows while it is read.
    """
    timeout = httpx.Timeout(silence_seconds, connect=min(CONNECT_SECONDS, silence_seconds))
    sent = {"User-Agent": "release-tool", **headers, "Accept-Encoding": "identity"}
    request = client.build_request(
        method, url, headers=sent, json=json, content=content, timeout=timeout
    )
    for name in CREDENTIALS - {name.lower() for name in headers}:
        request.headers.pop(name, None)
    return request


@contextmanager
def send(
    client: Client, request: Request, what: str, redact: Callable[[str], str] = str
) -> Iterator[Response]:
    """Send a request, follow nothing, and yield the answer unread.

    `what` names it in errors. Raises `NotSent`, `TooSlow` or `AnswerLost` for what the network
    does wrong, also while the answer is read in the block.
    """
    try:
        # No default login applies: it could identify the user to whoever is asked.
        response = client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            yield response
        finally:
            response.close()
    except (httpx.HTTPError, httpx.StreamError) as error:
        if sockets_of(client).is_over:
            raise TooSlow(f"{what} failed: it takes too long") from error
        raise failure_of(error)(f"{what} failed: {explain(error, redact)}") from error


def failure_of(error: Exception) -> type[NotSent | AnswerLost]:
    """Tell what a failure of the network leaves open."""
    if isinstance(error, NEVER_SENT):
        return NotSent
    return TooSlow if isinstance(error, httpx.TimeoutException) else AnswerLost


def explain(error: Exception, redact: Callable[[str], str]) -> str:
    """Word a failure of the network in one line, without any secret."""
    words = " ".join(redact(str(error)).split())[:MAX_SHOWN]
    kind = type(error).__name__
    return f"{words} ({kind})" if words else kind


@contextmanager
def open_answer(
    hop: Hop, ask: Callable[[Hop], AbstractContextManager[Response]]
) -> Iterator[tuple[Hop, Response]]:
    """Ask one hop after the other as their redirects lead; yield the last one and its answer.

    Raises `BadHop` where a redirect leads to where it may not (`Hop.follow`).
    """
    while True:
        with ask(hop) as response:
            if not response.has_redirect_location:
                yield hop, response
                return
            location = response.headers["location"]
        hop = hop.follow(location)


@contextmanager
def open_anywhere(
    given: Hop, sockets: Sockets, silence_seconds: float
) -> Iterator[tuple[Hop, Response]]:
    """Get an answer through any hosts of the Internet, and tell none of them who asks.

    1. Every hop has a client of its own, so no cookie and no connection outlives it.
    2. Every network address is checked before it is connected to (`Hop.check`).
    """

    @contextmanager
    def ask(hop: Hop) -> Iterator[Response]:
        secure = hop.address.scheme == "https"
        sockets.check = hop.check
        with open_client(local=is_local(hop.address), secure=secure, sockets=sockets) as client:
            request = make_request(client, "GET", hop.address, {}, silence_seconds)
            with send(client, request, f"the download from {hop.name}") as response:
                yield response

    with open_answer(given, ask) as found:
        yield found


def is_plain(response: Response) -> bool:
    """Tell whether a body comes as it is, uncompressed, as was asked for."""
    return bool(response.headers.get("content-encoding", "identity") == "identity")


def next_page(response: Response) -> URL | None:
    """Give the address of the next page of a list (RFC 8288), where there is one."""
    target = response.links.get("next", {}).get("url")
    return join(response.url, target) if target else None


def iter_chunks(response: Response, sockets: Sockets) -> Iterator[bytes]:
    """Yield a body as it comes, for as long as there is time."""
    for chunk in response.iter_raw():
        sockets.tick()
        yield chunk
