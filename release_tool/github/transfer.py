"""Reads from GitHub's API as a consumer does: a token is optional, and whoever answers is doubted.

Knows HTTP and no release; `download` says what to get.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from release_tool.core.errors import CannotVerify, TryAgain
from release_tool.core.patience import parse_wait
from release_tool.core.progress import SILENT, Progress
from release_tool.github.failures import ErrorAnswer, clean
from release_tool.github.origin import ApiRoot
from release_tool.net.address import URL, is_local, origin_of
from release_tool.net.client import Client, sockets_of
from release_tool.net.exchange import (
    Response,
    is_plain,
    iter_chunks,
    make_request,
    next_page,
    open_answer,
    send,
)
from release_tool.net.failures import BadHop
from release_tool.net.hops import Hop
from release_tool.net.token import Token

SILENCE_SECONDS = 30.0
DEADLINE_SECONDS = 3600.0
HEAD_SECONDS = 60.0
"""From the first connection to the end of the headers, redirects included."""
DOCUMENT_SECONDS = 120.0
ERROR_LIMIT_BYTES = 64 * 1024
OCTETS = {"Accept": "application/octet-stream"}


@dataclass(slots=True)
class ReadApi:
    """A GitHub API and the optional token for it, which is sent to its origin and nowhere else.

    A token that GitHub refuses is not sent again once `progress` was told that things came without.
    """

    client: Client
    api: str
    token: Token | None = None
    progress: Progress = SILENT
    without_token: bool = False

    @property
    def credential(self) -> Token | None:
        """Give the token that is sent, if one is."""
        return None if self.without_token else self.token

    def owns(self, url: URL) -> bool:
        """Tell whether an address is of the API's own origin (RFC 6454)."""
        return origin_of(url) == origin_of(URL(self.api))

    def ask(self, version: str | None = None) -> dict[str, str]:
        """Give the headers of a question, in a version of the API or in the usual one."""
        version = version or ApiRoot(self.api).version
        return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": version}

    def show(self, value: object) -> str:
        """Write what a server or a library said, without the token should it be quoted there."""
        return clean(self.token.redact(str(value)) if self.token else str(value))


class Declined(CannotVerify):
    """An answer that another attempt would not change; `status` is HTTP's."""

    def __init__(self, message: str, *, hint: str | None, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class TokenRefused(Declined):
    """A token was sent and is not taken; what was asked for may be there for everybody."""


def make_read_api(
    client: Client, api: str, token: Token | str | None, progress: Progress = SILENT
) -> ReadApi:
    """Name an API as its parts come; raises `UsageError` for a malformed token."""
    return ReadApi(client, api.rstrip("/"), Token.of(token), progress)


@contextmanager
def open_stream(
    api: ReadApi, url: str, headers: dict[str, str], seconds: float | None = None
) -> Iterator[Response]:
    """Send a GET and yield the answer with its body still unread, for which there are `seconds`.

    That is an hour unless stated, and a minute until the body begins. Redirects are followed to
    https and loopback only, and without the token elsewhere. A token that is refused is left out
    of a second request. Raises `TryAgain` for a network that fails or is too slow and
    `CannotVerify` for an answer that is no use.
    """
    with ExitStack() as stack:
        try:
            response = stack.enter_context(open_once(api, url, headers, seconds, api.credential))
        except TokenRefused as refusal:
            response = stack.enter_context(open_without(api, url, headers, seconds, refusal))
        yield response


@contextmanager
def open_without(
    api: ReadApi,
    url: str,
    headers: dict[str, str],
    seconds: float | None,
    refusal: TokenRefused,
) -> Iterator[Response]:
    """Ask once more without the token; raises the refusal where that fails too."""
    api.progress.note(f"{refusal.message}; asking again without it")
    with ExitStack() as stack:
        try:
            response = stack.enter_context(open_once(api, url, headers, seconds, None))
        except Declined as error:
            text = f"{refusal.message}; without it, the answer is {error.status}"
            raise TokenRefused(text, hint=refusal.hint, status=refusal.status) from error
        api.without_token = True
        yield response


@contextmanager
def open_once(
    api: ReadApi, url: str, headers: dict[str, str], seconds: float | None, token: Token | None
) -> Iterator[Response]:
    """Send a GET with this token or none, follow it, and yield the answer with its body unread."""
    sockets = sockets_of(api.client)

    @contextmanager
    def ask(hop: Hop) -> Iterator[Response]:
        sent = dict(headers)
        if token and api.owns(hop.address):
            sent["Authorization"] = token.authorization
        request = make_request(api.client, "GET", hop.address, sent, SILENCE_SECONDS)
        with send(
            api.client, request, f"the transfer from {hop.address.host}", api.show
        ) as response:
            yield response

    with sockets.within(HEAD_SECONDS):
        try:
            first = Hop.from_api(url, local=is_local(URL(api.api)))
            with open_answer(first, ask) as (_, response):
                check_status(response, api, token if api.owns(response.url) else None)
                sockets.allow(DEADLINE_SECONDS if seconds is None else seconds)
                yield response
        except BadHop as error:
            raise CannotVerify(api.show(error.message)) from error


def check_status(response: Response, api: ReadApi, token: Token | None) -> None:
    """Turn an answer other than success into an error that says whether to try again.

    `token` is the one that was sent to this host. Raises `TokenRefused` where that was in vain.
    """
    status, host = response.status_code, response.url.host
    if status in (200, 206):
        if not is_plain(response):
            raise CannotVerify(f"{host} compressed its answer, which was not asked for")
        return
    answer = read_refusal(response, api, token)
    if answer.limits_rate or status >= 500:
        seconds = parse_wait(answer.headers, time.time())
        wait = None if seconds is None else f"wait {seconds:.0f} s"
        more = None if api.token else "a token in GH_TOKEN has a higher limit"
        hint = "; ".join(part for part in (wait, more if wait else None) if part) or None
        raise TryAgain(f"{host} answered {status}", hint=hint)
    if status not in (401, 403):
        raise Declined(f"{host} answered {status}", hint=None, status=status)
    if token is None:
        hint = None if api.token else "a token in GH_TOKEN may be needed"
        raise Declined(f"{host} answered {status}: {answer.reason}", hint=hint, status=status)
    text = f"{host} answered {status} to {token.name}: {answer.reason}"
    raise TokenRefused(text, hint=answer.advice, status=status)


def read_refusal(response: Response, api: ReadApi, token: Token | None) -> ErrorAnswer:
    """Read why GitHub says no, without the token should it be quoted there."""
    content = b""
    if response.status_code in (401, 403) and is_plain(response):
        for chunk in iter_chunks(response, sockets_of(api.client)):
            content += chunk
            if len(content) > ERROR_LIMIT_BYTES:
                break
    headers = {name.lower(): api.show(text) for name, text in response.headers.items()}
    plain = content[:ERROR_LIMIT_BYTES].decode(errors="replace")
    redacted = api.token.redact(plain) if api.token else plain
    return ErrorAnswer("reading", response.status_code, headers, redacted.encode(), token)


def read_chunks(api: ReadApi, response: Response, limit_bytes: int) -> Iterator[bytes]:
    """Yield a body of at most `limit_bytes`; refuse a page for people."""
    if response.headers.get("content-type", "").startswith("text/html"):
        raise CannotVerify(
            f"{response.url.host} answered with a web page instead of the file",
            hint="that is an error page or a login; try again later"
            + ("" if api.token else " or with a token"),
        )
    total = 0
    for chunk in iter_chunks(response, sockets_of(api.client)):
        total += len(chunk)
        if total > limit_bytes:
            raise CannotVerify(f"{response.url.host} sent more than {limit_bytes} bytes")
        yield chunk


def read_body(api: ReadApi, url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Get a whole body into memory, within two minutes."""
    return read_page(api, url, headers, limit_bytes)[0]


def read_page(
    api: ReadApi, url: str, headers: dict[str, str], limit_bytes: int
) -> tuple[bytes, str | None]:
    """Get one page of a list, and the address of the next if there is one (RFC 8288).

    Raises `CannotVerify` where the next page is said to be of another origin than the API's.
    """
    with open_stream(api, url, headers, DOCUMENT_SECONDS) as response:
        content = b"".join(read_chunks(api, response, limit_bytes))
        following = next_page(response)
    if following is None:
        return content, None
    if not api.owns(following) or following.userinfo:
        raise CannotVerify("the next page of the API's answer is said to be on another host")
    return content, str(following)
