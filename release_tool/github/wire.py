"""One conversation with GitHub: requests, limits, time-outs, repeats and redirects.

It knows HTTP and who may see the token, and nothing of releases.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import httpx
import tenacity

from release_tool.core.documents import parse_json
from release_tool.core.errors import InputError, TryAgain
from release_tool.core.watchdog import Watchdog, open_watch
from release_tool.github.failures import (
    AnswerLost,
    ErrorAnswer,
    NotSent,
    RateLimited,
    Refused,
    TooSlow,
    make_error,
    parse_date,
)
from release_tool.github.origin import ApiRoot, Token
from release_tool.github.patience import Patience

T = TypeVar("T")

JSON_TYPE = "application/vnd.github+json"
BYTES_TYPE = "application/octet-stream"
CONNECT_TIMEOUT_SECONDS = 10.0
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
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


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
    headers: httpx.Headers
    content: bytes
    url: httpx.URL

    def parse(self, what: str, parse: Callable[[Any], T]) -> T:
        """Read the JSON body; an unreadable one counts as an answer that was lost."""
        try:
            return parse(parse_json(self.content, "the answer"))
        except InputError as error:
            html = b"<" in self.content[:200]
            found = "an HTML page" if html else error.message
            raise AnswerLost(f"{what} failed: GitHub's answer cannot be read, {found}") from error

    @property
    def next_page(self) -> httpx.URL | None:
        """Give the address of the next page of a list (RFC 8288), where there is one."""
        links = httpx.Response(200, headers=self.headers).links
        target = links.get("next", {}).get("url")
        return join(self.url, target) if target else None


class Wire:
    """Sends calls through an `httpx.Client` with a token that only trusted origins see."""

    def __init__(
        self,
        client: httpx.Client,
        api: ApiRoot,
        token: Token | None,
        patience: Patience,
        silence_seconds: float = SILENCE_TIMEOUT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.api = api
        self.token = token
        self.patience = patience
        self.timeout = httpx.Timeout(silence_seconds, connect=CONNECT_TIMEOUT_SECONDS)
        self.answer_seconds = answer_seconds
        self.monotonic = monotonic
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
        with self.open(call, httpx.URL(call.url)) as response:
            self.check(call, response)
            content = self.read(call, response, ANSWER_LIMIT_BYTES)
            if len(content) > ANSWER_LIMIT_BYTES:
                raise Refused(f"{call.what} failed: GitHub's answer is too long")
            return Answer(response.status_code, response.headers, content, response.url)

    @contextlib.contextmanager
    def open(self, call: Call, url: httpx.URL) -> Iterator[httpx.Response]:
        """Send a call once and yield its answer unread; network failures become `TryAgain`."""
        with open_watch(self.client, self.allowed_seconds(call)) as watchdog:
            with self.open_watched(call, url, watchdog) as response:
                yield response
            if watchdog.barked:  # an answer without a length ends where it was cut off
                raise TooSlow(f"{call.what} failed: it takes too long")

    @contextlib.contextmanager
    def open_watched(
        self, call: Call, url: httpx.URL, watchdog: Watchdog
    ) -> Iterator[httpx.Response]:
        """Send a call once while somebody watches the clock."""
        request = self.make_request(call, url)
        request.extensions["trace"] = watchdog.trace
        try:
            # No redirect is followed and no default login applied: both could move the token.
            response = self.client.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                self.server_time = parse_date(response.headers.get("date")) or self.server_time
                self.scopes = parse_scopes(response.headers.get("x-oauth-scopes"))
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            if watchdog.barked:
                raise TooSlow(f"{call.what} failed: it takes too long") from error
            self.fail(call, error)

    def fail(self, call: Call, error: Exception) -> NoReturn:
        """Raise what a failure of the network means."""
        if isinstance(error, NEVER_SENT):
            raise NotSent(f"{call.what} failed: {self.explain(error)}") from error
        if isinstance(error, httpx.TimeoutException):
            raise TooSlow(f"{call.what} failed: {self.explain(error)}") from error
        raise AnswerLost(f"{call.what} failed: {self.explain(error)}") from error

    @contextlib.contextmanager
    def open_download(self, call: Call) -> Iterator[httpx.Response]:
        """Send a GET once, following redirects by hand, and yield the answer unread.

        1. A redirect must stay on https (on loopback, where the API is there).
        2. The token goes along only to the API's own origin (`make_request` decides).
        3. There are at most five of them.
        """
        url = httpx.URL(call.url)
        for _ in range(MAX_REDIRECTS + 1):
            with self.open(call, url) as response:
                if response.status_code not in REDIRECTS:
                    self.check(call, response)
                    yield response
                    return
                target = join(url, response.headers.get("location", ""))
                if target is None:
                    raise AnswerLost(f"{call.what} failed: a redirect to nowhere")
            url = self.api.check_redirect(target)
        raise Refused(f"{call.what} failed: more than {MAX_REDIRECTS} redirects")

    def make_request(self, call: Call, url: httpx.URL) -> httpx.Request:
        """Build a request, with the token only where its origin is trusted."""
        headers = {
            "Accept": call.accept,
            "Accept-Encoding": "identity",  # no body grows while it is read
            "User-Agent": "release-tool",
            **call.headers,
        }
        if self.api.trusts(url):
            headers.setdefault("X-GitHub-Api-Version", self.api.version)
            if self.token is not None:
                headers["Authorization"] = self.token.authorization
        return self.client.build_request(
            call.method,
            url,
            headers=headers,
            json=call.json,
            content=call.content,
            timeout=self.timeout,
        )

    def check(self, call: Call, response: httpx.Response) -> None:
        """Raise the error that an unwelcome status stands for."""
        status = response.status_code
        if 200 <= status < 300 or status in call.absent:
            return
        content = self.read(call, response, ERROR_LIMIT_BYTES)[:ERROR_LIMIT_BYTES]
        headers = {name.lower(): self.redact(text) for name, text in response.headers.items()}
        clean = self.redact(content.decode(errors="replace")).encode()
        raise make_error(ErrorAnswer(call.what, status, headers, clean), self.patience.clock())

    def read(self, call: Call, response: httpx.Response, limit_bytes: int) -> bytes:
        """Read a body up to a little more than `limit_bytes`, within the call's deadline."""
        tick = self.start_deadline(call)
        parts, size = [], 0
        for part in response.iter_bytes():
            tick()
            parts.append(part)
            size += len(part)
            if size > limit_bytes:
                break
        return b"".join(parts)

    def start_deadline(self, call: Call) -> Callable[[], None]:
        """Start the time that a call may take; the value raises `TooSlow` once it is over."""
        end = self.monotonic() + self.allowed_seconds(call)

        def tick() -> None:
            if self.monotonic() > end:
                raise TooSlow(f"{call.what} failed: it takes too long")

        return tick

    def allowed_seconds(self, call: Call) -> float:
        """Give the time that a call may take, by what travels and how much of it."""
        least = TRANSFER_SECONDS if call.is_transfer else self.answer_seconds
        return least + call.size / MIN_BYTES_PER_SECOND

    def explain(self, error: Exception) -> str:
        """Word a failure of the network in one line, without any secret."""
        words = " ".join(self.redact(str(error)).split())[:160]
        kind = type(error).__name__
        return f"{words} ({kind})" if words else kind

    def redact(self, text: str) -> str:
        """Take the token out of a text that is not ours."""
        return self.token.redact(text) if self.token else text


def parse_scopes(text: str | None) -> frozenset[str] | None:
    """Read the scopes that GitHub states of a token; None where it states none."""
    if text is None:
        return None
    return frozenset(name.strip() for name in text[:1000].split(",") if name.strip())


def join(base: httpx.URL, target: str) -> httpx.URL | None:
    """Resolve an address that a server gave (RFC 3986); None where it is none."""
    try:
        return base.join(target) if target else None
    except httpx.InvalidURL:
        return None


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
