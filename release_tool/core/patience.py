"""How long the tool waits for a service: visible, jittered, and never beyond one budget.

What is worth waiting for is decided where the calls are made.
"""

import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TypeVar

from release_tool.core.errors import ReleaseToolError, TryAgain
from release_tool.core.progress import Progress

T = TypeVar("T")

PATIENCE_SECONDS = 900.0
"""All waiting of one run together; GitHub's hourly limits may ask for more, and then it ends."""
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
ANSWER_SECONDS = 30.0
LEAST_SECONDS = 5.0
UNSTATED_LIMIT_SECONDS = 60.0
COUNTDOWN_FROM_SECONDS = 3.0
INSIST_ATTEMPTS = 5
INSIST_SECONDS = 120.0
"""After that long nothing is begun anew, however few the attempts were."""


class Away(TryAgain):
    """A service failed in a way that may pass; `seconds` is how long it asks to wait, if it does.

    Raised only where asking again does no harm.
    """

    def __init__(
        self,
        message: str,
        seconds: float | None = None,
        *,
        hint: str = "run the same command again later",
    ) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class Patience:
    """A budget of waiting in seconds, spent through an injected `sleep`; `whom` is waited for.

    `answer_seconds` is how long a service may be silent before it counts as away.
    """

    def __init__(
        self,
        progress: Progress,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        budget_seconds: float = PATIENCE_SECONDS,
        whom: str = "GitHub",
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.progress = progress
        self.sleep = sleep
        self.clock = clock
        self.budget = self.left = budget_seconds
        self.whom = whom
        self.answer_seconds = answer_seconds

    @property
    def allowed_seconds(self) -> float:
        """Give how long one more answer is waited for, which is never less than a few seconds.

        Without any budget each service is asked once, with all the time that an answer may take.
        """
        if not self.budget:
            return self.answer_seconds
        return min(self.answer_seconds, max(self.left, LEAST_SECONDS))

    def backoff(self, attempt: int) -> float:
        """Choose the pause after a failed attempt, counted from 1: doubling, with jitter."""
        ceiling: float = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it

    def limit(self, attempt: int, asked: float | None) -> float:
        """Choose the wait for a rate limit; a minute and doubling where GitHub names none.

        Raises `TryAgain`, saying when, where that is longer than what is left of the budget.
        """
        seconds = UNSTATED_LIMIT_SECONDS * 2 ** (attempt - 1) if asked is None else asked
        if seconds > self.left:
            raise TryAgain(
                f"{self.whom}'s rate limit asks to wait until {self.moment(seconds)}",
                hint=f"run the same command again after {self.moment(seconds)}",
            )
        return seconds

    def insist(self, attempt: Callable[[], T], *failures: type[ReleaseToolError]) -> T:
        """Make up to five attempts at what fails in one of these ways, and end as the last did."""
        begun = self.clock()
        for number in range(1, INSIST_ATTEMPTS):
            try:
                return attempt()
            except failures as error:
                if self.clock() - begun > INSIST_SECONDS:
                    raise
                seconds = self.backoff(number)
                self.progress.note(f"{error}; trying again in {seconds:.0f} s")
                self.pause(seconds)
        return attempt()

    def outlast(self, attempt: Callable[[], T]) -> T:
        """Make attempts until a service that is `Away` is back, or nothing of the budget is left.

        The time that failed attempts took counts as waiting. Raises `TryAgain` at the end, at once
        where the service itself asks for a longer wait than what is left. Without a budget the
        first failure is the last.
        """
        for number in count(1):
            begun = self.clock()
            try:
                return attempt()
            except Away as error:
                if not self.budget:
                    raise
                self.left -= max(0.0, self.clock() - begun)
                seconds = self.choose(number, error)
                self.progress.note(
                    f"{error}; trying again in {seconds:.0f} s, waiting {self.left:.0f} s at most"
                )
                self.pause(seconds)
        raise AssertionError  # count() does not end

    def choose(self, number: int, error: Away) -> float:
        """Choose the pause after a failed attempt; the last one is as long as what is left."""
        if error.seconds is not None and error.seconds > self.left:
            raise TryAgain(
                f"{error}; it asks to wait until {self.moment(error.seconds)}",
                hint=f"run the same command again after {self.moment(error.seconds)}",
            ) from error
        if self.left <= 0:
            raise TryAgain(
                f"{error}; waited {self.budget - self.left:.0f} s for it in vain",
                hint="run the same command again later, or wait longer with --patience",
            ) from error
        return min(self.left, max(self.backoff(number), error.seconds or 0.0))

    def moment(self, seconds: float) -> str:
        """Name the moment that is `seconds` ahead, in UTC."""
        then = datetime.fromtimestamp(min(self.clock() + seconds, 4e9), UTC)
        return f"{then:%Y-%m-%d %H:%M:%S} UTC"

    def pause(self, seconds: float) -> None:
        """Wait, with a countdown where it is long enough to be noticed.

        Raises `TryAgain` where the budget is spent.
        """
        if seconds > self.left:
            raise TryAgain(
                f"{self.whom} kept the tool waiting for too long", hint="run it again later"
            )
        self.left -= seconds
        if seconds < COUNTDOWN_FROM_SECONDS:
            self.sleep(seconds)
            return
        with self.progress.bar(f"waiting for {self.whom}", math.ceil(seconds)) as advance:
            for second in range(math.ceil(seconds)):
                self.sleep(min(1.0, seconds - second))
                advance(1)


def parse_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Read how many seconds a server asks to wait, from headers with names in lower case.

    None where it does not say. `retry-after` comes first (seconds, or a date: RFC 9110 §10.2.3),
    then GitHub's `x-ratelimit-reset` (Unix seconds), measured by the server's own Date so that a
    wrong clock here does no harm.
    """
    server_now = parse_date(headers.get("date")) or now
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit() and len(after) < 10:
        return float(after)
    moment = parse_date(after)
    reset = headers.get("x-ratelimit-reset", "")
    if moment is None and reset.isascii() and reset.isdigit() and len(reset) < 13:
        moment = float(reset)
    return None if moment is None else max(0.0, math.ceil(moment - server_now)) + 1.0


def parse_date(text: str | None) -> float | None:
    """Read an HTTP date (RFC 9110 §5.6.7) as Unix seconds; None for anything else."""
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
