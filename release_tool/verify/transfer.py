"""Gets bytes over HTTP without believing the server: limits, no stray credentials, plain errors.

Knows HTTP and no release; `download` says what to get.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from release_tool.core.api import ApiRoot, is_loopback, origin_of
from release_tool.core.errors import CannotVerify, TryAgain
from release_tool.core.token import Token
from release_tool.core.watchdog import Watchdog, open_watch
from release_tool.sigstore.check.refusal import show

MAX_REDIRECTS = 5
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
DEADLINE_SECONDS = 3600.0
HEAD_SECONDS = 60.0
"""From the first connection to the end of the headers, redirects included."""
DOCUMENT_SECONDS = 120.0
OCTETS = {"Accept": "application/octet-stream"}
# What must never follow from a client's defaults into a request: only `token` authorises.
CREDENTIALS = ("authorization", "cookie", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class Source:
    """A GitHub API and the optional token for it, which is sent to its origin and nowhere else."""

    client: httpx.Client
    api: str
    token: Token | None = None

    def owns(self, url: httpx.URL) -> bool:
        """Tell whether an address is of the API's own origin (RFC 6454)."""
        return origin_of(url) == origin_of(httpx.URL(self.api))

    def ask(self, version: str | None = None) -> dict[str, str]:
        """Give the headers of a question, in a version of the API or in the usual one."""
        version = version or ApiRoot(self.api).version
        return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": version}

    def show(self, value: object) -> str:
        """Write what a server or a library said, without the token should it be quoted there."""
        return show(self.token.redact(str(value)) if self.token else value)


def make_source(client: httpx.Client, api: str, token: Token | str | None) -> Source:
    """Name a source as its parts come; raises `UsageError` for a malformed token."""
    return Source(client, api.rstrip("/"), Token.of(token))


@contextmanager
def open_stream(
    source: Source, url: str, headers: dict[str, str], seconds: float | None = None
) -> Iterator[httpx.Response]:
    """Send a GET and yield the answer with its body still unread, for which there are `seconds`.

    That is an hour unless stated, and a minute until the body begins. Redirects are followed by
    hand, to https and loopback only, and without the token elsewhere. Raises `TryAgain` for a
    network that fails or is too slow and `CannotVerify` for an answer that is no use.
    """
    with open_watch(source.client, HEAD_SECONDS) as watchdog:
        try:
            response = follow(source, url, headers, watchdog)
            try:
                check_status(response, source)
                watchdog.start(DEADLINE_SECONDS if seconds is None else seconds)
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            if watchdog.barked:
                raise TryAgain(f"{httpx.URL(url).host} is too slow") from error
            what = source.show(str(error) or type(error).__name__)
            raise TryAgain(f"the transfer from {httpx.URL(url).host} failed: {what}") from error
        except httpx.InvalidURL as error:
            raise CannotVerify(f"not an address: {source.show(url)!r}") from error
        if watchdog.barked:  # a body of no stated length ends where it was cut off
            raise TryAgain(f"{response.url.host} is too slow")


def follow(source: Source, url: str, headers: dict[str, str], watchdog: Watchdog) -> httpx.Response:
    """Send the request and whatever its redirects ask for."""
    address = httpx.URL(url)
    for _ in range(MAX_REDIRECTS + 1):
        check_address(address, source)
        request = source.client.build_request("GET", address, headers=headers, timeout=TIMEOUT)
        for name in CREDENTIALS:
            request.headers.pop(name, None)
        request.headers["Accept-Encoding"] = "identity"
        if source.token and source.owns(address):
            request.headers["Authorization"] = source.token.authorization
        request.extensions["trace"] = watchdog.trace
        response = source.client.send(request, auth=None, stream=True, follow_redirects=False)
        if not response.has_redirect_location:
            return response
        response.close()
        address = address.join(response.headers["location"])
    raise CannotVerify(f"{source.show(url)} redirects more than {MAX_REDIRECTS} times")


def check_address(address: httpx.URL, source: Source) -> None:
    """Refuse an address that anybody on the way could read or answer, or that logs in.

    Loopback will do where the API itself is there: nobody else may lead a request to this machine.
    """
    plain = address.scheme == "http" and is_loopback(address)
    if address.scheme != "https" and not (plain and is_loopback(httpx.URL(source.api))):
        raise CannotVerify(f"not an https address: {source.show(address)}")
    if address.userinfo:
        raise CannotVerify(f"an address on {address.host} holds a login")


def check_status(response: httpx.Response, source: Source) -> None:
    """Turn an answer other than success into an error that says whether to try again."""
    status, host = response.status_code, response.url.host
    if status in (200, 206):
        if response.headers.get("content-encoding", "identity") != "identity":
            raise CannotVerify(f"{host} compressed its answer, which was not asked for")
        return
    limited = "retry-after" in response.headers or (
        response.headers.get("x-ratelimit-remaining") == "0"
    )
    if status == 429 or status >= 500 or (status == 403 and limited):
        wait = response.headers.get("retry-after")
        hint = (
            f"wait {source.show(wait)} s; a token in GH_TOKEN has a higher limit" if wait else None
        )
        raise TryAgain(f"{host} answered {status}", hint=hint)
    hint = (
        "a token in GH_TOKEN may be needed, or it lacks a right" if status in (401, 403) else None
    )
    raise NotFound(f"{host} answered {status}", hint=hint, status=status)


class NotFound(CannotVerify):
    """An answer that another attempt would not change; `status` is HTTP's."""

    def __init__(self, message: str, *, hint: str | None, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


def read_chunks(response: httpx.Response, limit_bytes: int) -> Iterator[bytes]:
    """Yield a body of at most `limit_bytes`, within an hour; refuse a page for people."""
    if response.headers.get("content-type", "").startswith("text/html"):
        raise CannotVerify(
            f"{response.url.host} answered with a web page instead of the file",
            hint="that is an error page or a login; try again later or with a token",
        )
    deadline = time.monotonic() + DEADLINE_SECONDS
    total = 0
    for chunk in response.iter_raw():
        total += len(chunk)
        if total > limit_bytes:
            raise CannotVerify(f"{response.url.host} sent more than {limit_bytes} bytes")
        if time.monotonic() > deadline:
            raise TryAgain(f"{response.url.host} is too slow")
        yield chunk


def read_body(source: Source, url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Get a whole body into memory, within two minutes."""
    return read_page(source, url, headers, limit_bytes)[0]


def read_page(
    source: Source, url: str, headers: dict[str, str], limit_bytes: int
) -> tuple[bytes, str | None]:
    """Get one page of a list, and the address of the next if there is one (RFC 8288).

    Raises `CannotVerify` where the next page is said to be of another origin than the API's.
    """
    with open_stream(source, url, headers, DOCUMENT_SECONDS) as response:
        content = b"".join(read_chunks(response, limit_bytes))
        target = response.links.get("next", {}).get("url")
        following = response.url.join(target) if target else None
    if following is None:
        return content, None
    if not source.owns(following) or following.userinfo:
        raise CannotVerify("the next page of the API's answer is said to be on another host")
    return content, str(following)
