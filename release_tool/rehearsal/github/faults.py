"""Failures of the GitHub stand-in that were asked for: which call fails, how, and how often.

A fault says what happens to a call; `standin.py` finds the call.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from release_tool.core.errors import UsageError
from release_tool.rehearsal.exchange import Disconnect, Refusal, Request, Response

HTML_PAGE = "<!DOCTYPE html><html><head><title>Unicorn! &middot; GitHub</title></head></html>\n"


class CallKind(StrEnum):
    """The kinds of call that a release takes, as faults and the log name them."""

    REPOSITORY = "repository"
    RELEASES = "releases"
    RELEASE_BY_TAG = "release-by-tag"
    RELEASE = "release"
    ASSETS = "assets"
    ASSET = "asset"
    COMMIT = "commit"
    IMMUTABLE = "immutable"
    CONTENTS = "contents"
    MAKE_DRAFT = "make-draft"
    EDIT = "edit"
    PUBLISH = "publish"
    UPLOAD = "upload"
    REMOVE_ASSET = "remove-asset"
    REMOVE_RELEASE = "remove-release"
    ATTEST = "attest"
    ATTESTATIONS = "attestations"
    DOWNLOAD = "download"
    CONTENT = "content"
    OTHER = "other"


class FaultKind(StrEnum):
    """What may go wrong; the last four can happen to an upload only."""

    RESET = "reset"
    STALL = "stall"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    FORBIDDEN_LIMIT = "403-limit"
    NOT_FOUND = "404"
    CONFLICT = "409"
    DUPLICATE = "422"
    TOO_MANY = "429"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    HTML = "html"
    HTML_ERROR = "html-500"
    TRUNCATED = "truncated"
    LOST = "lost"
    ZOMBIE = "zombie"
    WRONG_DIGEST = "wrong-digest"
    NULL_DIGEST = "null-digest"
    RENAMED = "renamed"


UPLOAD_FAULTS = frozenset(
    {FaultKind.ZOMBIE, FaultKind.WRONG_DIGEST, FaultKind.NULL_DIGEST, FaultKind.RENAMED}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """From the `nth` call of a kind on (counted from 1), `times` calls fail in one way."""

    call: CallKind
    kind: FaultKind
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        if self.nth < 1 or self.times < 1:
            raise UsageError("a fault starts at the first call or later, and happens at least once")
        if self.kind in UPLOAD_FAULTS and self.call != CallKind.UPLOAD:
            raise UsageError(f"the fault {self.kind} can happen to an upload only")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `CALL:FAULT[:NTH[:TIMES]]`, such as `upload:reset:2`; raises `UsageError`."""
        parts = text.split(":")
        try:
            call, kind, *numbers = parts
            nth, times = ([int(number) for number in numbers] + [1, 1])[:2]
            if len(numbers) > 2:
                raise ValueError("too many parts")
            return cls(CallKind(call), FaultKind(kind), nth, times)
        except ValueError as error:
            raise UsageError(
                f"not a fault: {text[:80]!r}",
                hint=f"write CALL:FAULT[:NTH[:TIMES]]; calls: {', '.join(CallKind)};"
                f" faults: {', '.join(FaultKind)}",
            ) from error

    def strikes(self, number: int) -> bool:
        """Tell whether the `number`-th call of its kind fails."""
        return self.nth <= number < self.nth + self.times


def find_fault(faults: Iterable[Fault], call: CallKind, number: int) -> FaultKind | None:
    """Find what is to happen to the `number`-th call of a kind."""
    struck = [fault.kind for fault in faults if fault.call == call and fault.strikes(number)]
    return struck[0] if struck else None


def suffer(
    kind: FaultKind | None, request: Request, perform: Callable[[Request], Response]
) -> Response:
    """Answer a call with a fault in it.

    An error status means that nothing was done; `lost` and `truncated` mean that all was done and
    the answer did not come through; `html` is a page with status 200 from something in between.
    """
    match kind:
        case None | FaultKind.ZOMBIE | FaultKind.WRONG_DIGEST | FaultKind.NULL_DIGEST:
            return perform(request)
        case FaultKind.RENAMED:
            return perform(request)
        case FaultKind.RESET:
            request.body.read(request.body.length // 2)
            raise Disconnect
        case FaultKind.STALL:
            request.closing.wait()
            raise Disconnect
        case FaultKind.HTML:
            request.body.read()
            return Response(200, {"Content-Type": "text/html"}, HTML_PAGE.encode())
        case FaultKind.LOST:
            with contextlib.suppress(Refusal):
                close_body(perform(request))
            raise Disconnect
        case FaultKind.TRUNCATED:
            return truncate(perform(request))
    request.body.read()
    raise refusal_for(kind)


def refusal_for(kind: FaultKind) -> Refusal:
    """Make the error answer of a fault that is a status."""
    match kind:
        case FaultKind.FORBIDDEN_LIMIT:
            headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 7)}
            return Refusal(403, "API rate limit exceeded", headers=headers)
        case FaultKind.TOO_MANY:
            return Refusal(429, "Too many requests", headers={"Retry-After": "5"})
        case FaultKind.DUPLICATE:
            error = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
            return Refusal(422, "Validation Failed", errors=[error])
        case FaultKind.HTML_ERROR:
            return Refusal(500, "", html=HTML_PAGE)
        case FaultKind.FORBIDDEN:
            return Refusal(403, "Resource not accessible by personal access token")
        case _:
            return Refusal(int(kind), "An error that was asked for")


def truncate(answer: Response) -> Response:
    """Cut an answer in the middle: JSON so that it no longer parses, bytes before their length."""
    if isinstance(answer.body, bytes):
        json.loads(answer.body or b"null")  # only ever JSON, or nothing
        return Response(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
    content = answer.body.read(1000) if hasattr(answer.body, "read") else b""
    length = answer.length or 0
    close_body(answer)
    return Response(answer.status, answer.headers, iter([content[: length // 2]]), length)


def close_body(answer: Response) -> None:
    """Close the file of an answer that is not sent."""
    if not isinstance(answer.body, bytes) and hasattr(answer.body, "close"):
        answer.body.close()
