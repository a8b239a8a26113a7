"""Bad minutes of a stand-in: whatever it is asked, it fails in one way, for a while.

What a single call of GitHub's stand-in suffers is in `github/faults.py`.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Self

from release_tool.core.errors import UsageError
from release_tool.rehearsal.exchange import Answer, Disconnect, Refusal, Request, Response

SERVICES = ("oidc", "fulcio", "rekor", "tsa", "github")
SIGSTORE = SERVICES[:-1]


class OutageKind(StrEnum):
    """How a service fails; where the answer is `lost` it was given, and does not arrive."""

    UNAVAILABLE = "503"
    TOO_MANY = "429"
    CONFLICT = "409"
    HANG = "hang"
    RESET = "reset"
    LOST = "lost"


@dataclass(slots=True)
class Outage:
    """Fails for so many `seconds` from its first request on, and for so many requests (`times`).

    Requests that are `spared` come before that.
    `retry_after` is the header of a 429: seconds, or an HTTP date.
    """

    kind: OutageKind
    seconds: float = math.inf
    times: float = math.inf
    spared: int = 0
    retry_after: str = "1"
    clock: Callable[[], float] = time.monotonic
    ends: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, text: str) -> tuple[tuple[str, ...], Self]:
        """Read `[SERVICE:]KIND[:SECONDS]`, such as `rekor:503:60`; raises `UsageError`.

        Gives the services that fail, which are all of Sigstore unless one is named.
        """
        first, _, rest = text.partition(":")
        services, rest = ((first,), rest) if first in SERVICES else (SIGSTORE, text)
        kind, _, seconds = rest.partition(":")
        try:
            return services, cls(OutageKind(kind), float(seconds or "inf"))
        except ValueError as error:
            raise UsageError(
                f"not an outage: {text[:80]!r}",
                hint=f"write [SERVICE:]KIND[:SECONDS]; services: {', '.join(SERVICES)}; kinds: "
                f"{', '.join(OutageKind)}",
            ) from error

    def strikes(self) -> bool:
        """Tell whether the next request fails, and count it."""
        with self.lock:
            if self.spared > 0:
                self.spared -= 1
                return False
            now = self.clock()
            self.ends = now + self.seconds if self.ends is None else self.ends
            if now >= self.ends or self.times <= 0:
                return False
            self.times -= 1
            return True

    def wrap(self, answer: Answer) -> Answer:
        """Give what answers the next request."""
        return partial(self.suffer, answer) if self.strikes() else answer

    def suffer(self, answer: Answer, request: Request) -> Response:
        """Fail."""
        match self.kind:
            case OutageKind.HANG:
                request.closing.wait()
                raise Disconnect
            case OutageKind.RESET:
                raise Disconnect
            case OutageKind.LOST:
                with contextlib.suppress(Refusal):
                    body = answer(request).body
                    if not isinstance(body, bytes) and hasattr(body, "close"):
                        body.close()
                raise Disconnect
        request.body.read()
        if self.kind is OutageKind.TOO_MANY:
            headers = {"Content-Type": "text/plain", "Retry-After": self.retry_after}
            return Response(429, headers, b"slow down")
        return Response(int(self.kind), {"Content-Type": "text/plain"}, b"an outage")
