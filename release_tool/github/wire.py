"""One conversation with GitHub: calls, their limits of size and time, and what is repeated.

It knows who may see the token, and nothing of releases.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import tenacity

from release_tool.core.documents import parse_json
from release_tool.core.errors import InputError, TryAgain
from release_tool.core.patience import Patience, parse_date
from release_tool.github.failures import (
    ErrorAnswer,
    RateLimited,
    Refused,
    make_error,
)
from release_tool.github.origin import ApiRoot
from release_tool.net.address import URL
from release_tool.net.client import Client, sockets_of
from release_tool.net.exchange import (
    Request,
    Response,
    is_plain,
    iter_chunks,
    make_request,
    next_page,
    open_answer,
    send,
)
from release_tool.net.failures import AnswerLost, BadHop, NotSent, TooSlow
from release_tool.net.hops import Hop
from release_tool.net.token import Token

T = TypeVar("T")

JSON_TYPE = "application/vnd.github+json"
BYTES_TYPE = "application/octet-stream"
SILENCE_TIMEOUT_SECONDS = 60.0
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
ERROR_LIMIT_BYTES = 64 * 1024
ANSWER_SECONDS = 30.0
"""A small answer takes no longer, from the connection to its last byte; GitHub itself allows 10."""
TRANSFER_SECONDS = 120.0
"""A file may take so much longer than its bytes do, which GitHub hashes before it answers."""
MIN_BYTES_PER_SECOND = 32 * 1024
"""A transfer slower than this is given up: 2 GiB in 18 hours."""
ATTEMPTS = 5
SLOW_ATTEMPTS = 2
"""Who takes too long twice is not asked again: a question ends within about a minute."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `what` names it in errors, such as "listing the releases".

    `repeatable` says that asking twice does no harm. `size` is the number of bytes that travel,
    for the deadline, where they may be many. `absent` are further statuses that are no errors.
    """

    what: str
    method: str
    url: str
    json: Mapping[str, Any] | None = None
    content: Iterable[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON_TYPE
    size: int = 0
    repeatable: bool = False
    absent: frozenset[int] = frozenset()

    @property
    def is_transfer(self) -> bool:
        """Tell whether a file travels, one way or the other."""
        return BYTES_TYPE in (self.accept, self.headers.get("Content-Type"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A welcome answer with its whole body, which is small."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: URL
    next_page: URL | None

    def parse(self, what: str, parse: Callable[[Any], T]) -> T:
        """Read the JSON body; an unreadable one counts as an answer that was lost."""
        try:
            return parse(parse_json(self.content, "the answer"))
        except InputError as error:
            html = b"<" in self.content[:200]
            found = "an HTML page" if html else error.message
            raise AnswerLost(f"{what} failed: GitHub's answer cannot be read, {found}") from error


class Wire:
    """Sends calls through a client with a token that only trusted origins see."""

    def __init__(
        self,
        client: Client,
        api: ApiRoot,
        token: Token | None,
        patience: Patience,
        silence_seconds: float = SILENCE_TIMEOUT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.client = client
        self.api = api
        self.token = token
        self.patience = patience
        self.sockets = sockets_of(client)
        self.silence_seconds = silence_seconds
        self.answer_seconds = answer_seconds
        self.server_time: float | None = None
        self.scopes: frozenset[str] | None = None

    def __repr__(self) -> str:
        """Show where it talks to, never the token."""
        return f"Wire({self.api.url})"

    def send(self, call: Call, parse: Callable[[Answer], T]) -> T:
        """Send a call and read its answer, repeating what may be repeated.

        Raises `TryAgain`, `PublishError` or `ConflictError` (see `failures.py`).
        """
        return self.repeat(call, lambda: parse(self.exchange(call)))

    def repeat(self, call: Call, attempt: Callable[[], T]) -> T:
        """Make up to five attempts, with jittered back-off or as long as GitHub asks to wait.

        Of a server that takes too long two are enough.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: may_repeat(error, call)),
            stop=lambda state: state.attempt_number >= count_attempts(state),
            wait=self.choose_wait,
            before_sleep=self.tell,
            sleep=self.patience.pause,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except AnswerLost as error:
            if not call.repeatable:
                raise  # the caller must find out whether it was done
            raise TryAgain(error.message, hint=error.hint) from error

    def choose_wait(self, state: tenacity.RetryCallState) -> float:
        """Choose the seconds before the next attempt."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited):
            return self.patience.limit(state.attempt_number, error.seconds)
        return self.patience.backoff(state.attempt_number)

    def tell(self, state: tenacity.RetryCallState) -> None:
        """Say why nothing happens for a while."""
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        self.patience.progress.note(
            f"{error}; attempt {state.attempt_number + 1} of {count_attempts(state)}"
            f" in {seconds:.0f} s"
        )

    def exchange(self, call: Call) -> Answer:
        """Send a call once and read its whole answer, within limits of size and time."""
        with self.open(call, URL(call.url)) as response:
            self.check(call, response)
            content = self.read(response, ANSWER_LIMIT_BYTES)
            if len(content) > ANSWER_LIMIT_BYTES:
                raise Refused(f"{call.what} failed: GitHub's answer is too long")
            following = next_page(response)
            return Answer(response.status_code, response.headers, content, response.url, following)

    @contextlib.contextmanager
    def open(self, call: Call, url: URL) -> Iterator[Response]:
        """Send a call once and yield its answer unread; network failures become `TryAgain`."""
        request = self.make_request(call, url)
        with (
            self.sockets.within(self.allowed_seconds(call)),
            send(self.client, request, call.what, self.redact) as response,
        ):
            self.server_time = parse_date(response.headers.get("date")) or self.server_time
            self.scopes = parse_scopes(response.headers.get("x-oauth-scopes"))
            yield response

    @contextlib.contextmanager
    def open_download(self, call: Call) -> Iterator[Iterator[bytes]]:
        """Send a GET once, follow its redirects, and yield the body as it comes.

        The token goes along only to the API's own origin (`make_request` decides).
        """
        try:
            first = Hop.from_api(call.url, local=self.api.is_loopback)
            with open_answer(first, lambda hop: self.open(call, hop.address)) as (_, response):
                self.check(call, response)
                yield iter_chunks(response, self.sockets)
        except BadHop as error:
            raise Refused(f"{call.what} failed: {self.redact(error.message)}") from error

    def make_request(self, call: Call, url: URL) -> Request:
        """Build a request, with the token only where its origin is trusted."""
        headers = {"Accept": call.accept, **call.headers}
        if self.api.trusts(url):
            headers.setdefault("X-GitHub-Api-Version", self.api.version)
            if self.token is not None:
                headers["Authorization"] = self.token.authorization
        return make_request(
            self.client,
            call.method,
            url,
            headers,
            self.silence_seconds,
            json=call.json,
            content=call.content,
        )

    def check(self, call: Call, response: Response) -> None:
        """Raise the error that an unwelcome status stands for."""
        status = response.status_code
        plain = is_plain(response)
        if 200 <= status < 300 or status in call.absent:
            if not plain:
                raise AnswerLost(f"{call.what} failed: the answer is compressed, unasked")
            return
        content = self.read(response, ERROR_LIMIT_BYTES)[:ERROR_LIMIT_BYTES] if plain else b""
        headers = {name.lower(): self.redact(text) for name, text in response.headers.items()}
        clean = self.redact(content.decode(errors="replace")).encode()
        refused = ErrorAnswer(call.what, status, headers, clean, self.token)
        raise make_error(refused, self.patience.clock())

    def read(self, response: Response, limit_bytes: int) -> bytes:
        """Read a body up to a little more than `limit_bytes`."""
        parts, size = [], 0
        for part in iter_chunks(response, self.sockets):
            parts.append(part)
            size += len(part)
            if size > limit_bytes:
                break
        return b"".join(parts)

    def allowed_seconds(self, call: Call) -> float:
        """Give the time that a call may take, by what travels and how much of it."""
        least = TRANSFER_SECONDS if call.is_transfer else self.answer_seconds
        return least + call.size / MIN_BYTES_PER_SECOND

    def redact(self, text: str) -> str:
        """Take the token out of a text that is not ours."""
        return self.token.redact(text) if self.token else text


def parse_scopes(text: str | None) -> frozenset[str] | None:
    """Read the scopes that GitHub states of a token; None where it states none."""
    if text is None:
        return None
    return frozenset(name.strip() for name in text[:1000].split(",") if name.strip())


def count_attempts(state: tenacity.RetryCallState) -> int:
    """Give how many attempts are made in all at what failed last in this way."""
    error = state.outcome.exception() if state.outcome else None
    return SLOW_ATTEMPTS if isinstance(error, TooSlow) else ATTEMPTS


def may_repeat(error: BaseException, call: Call) -> bool:
    """Decide whether a failed call may simply be sent again.

    What never arrived, and what a rate limit turned away, did nothing; what got lost may have.
    """
    if isinstance(error, NotSent | RateLimited):
        return True
    return call.repeatable and isinstance(error, AnswerLost)
