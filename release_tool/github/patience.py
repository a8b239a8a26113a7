"""How long the tool waits for GitHub: visible, jittered, and never beyond one budget.

What is worth waiting for is decided where the calls are made.
"""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from release_tool.core.errors import ReleaseToolError, TryAgain
from release_tool.core.progress import Progress

T = TypeVar("T")

PATIENCE_SECONDS = 900.0
"""All waiting of one run together; GitHub's hourly limits may ask for more, and then it ends."""
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
UNSTATED_LIMIT_SECONDS = 60.0
COUNTDOWN_FROM_SECONDS = 3.0
INSIST_ATTEMPTS = 5
INSIST_SECONDS = 120.0
"""After that long nothing is begun anew, however few the attempts were."""


class Patience:
    """A budget of waiting in seconds, spent through an injected `sleep`."""

    def __init__(
        self,
        progress: Progress,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        budget_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.progress = progress
        self.sleep = sleep
        self.clock = clock
        self.left = budget_seconds

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
                f"GitHub's rate limit asks to wait until {self.moment(seconds)}",
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

    def moment(self, seconds: float) -> str:
        """Name the moment that is `seconds` ahead, in UTC."""
        then = datetime.fromtimestamp(min(self.clock() + seconds, 4e9), UTC)
        return f"{then:%Y-%m-%d %H:%M:%S} UTC"

    def pause(self, seconds: float) -> None:
        """Wait, with a countdown where it is long enough to be noticed.

        Raises `TryAgain` where the budget is spent.
        """
        if seconds > self.left:
            raise TryAgain("GitHub kept the tool waiting for too long", hint="run it again later")
        self.left -= seconds
        if seconds < COUNTDOWN_FROM_SECONDS:
            self.sleep(seconds)
            return
        with self.progress.bar("waiting for GitHub", math.ceil(seconds)) as advance:
            for second in range(math.ceil(seconds)):
                self.sleep(min(1.0, seconds - second))
                advance(1)
