"""What GitHub says no to, as errors that say what a caller may do next.

Deciding what to do is for the callers; nothing here waits, repeats or prints.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release_tool.core.documents import parse_json
from release_tool.core.errors import ConflictError, InputError, PublishError, TryAgain
from release_tool.core.patience import parse_wait
from release_tool.net.failures import AnswerLost
from release_tool.net.token import Token

TEXT_LIMIT = 200
HTML_TITLE = re.compile(rb"<title[^>]*>(.{0,400}?)</title", re.IGNORECASE | re.DOTALL)
PERMISSION_HINT = "the token needs the permission to write the repository's contents"
RULES = "rule violations"
RULES_HINT = (
    "a ruleset of the repository forbids it: let whoever releases bypass it, or have the tag "
    "pushed by somebody who may"
)
BURNT_TAG = "used by an immutable release"


class RateLimited(TryAgain):
    """GitHub did nothing and asks to wait `seconds`, or some while where that is None."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message, hint="run the same command again later")
        self.seconds = seconds


class Refused(PublishError):
    """GitHub understood the request and said no."""


class Forbidden(Refused):
    """The token is good, but not for this."""


class NotFound(Refused):
    """What the request is about is not there, or not for this token."""


class AlreadyExists(Refused):
    """The name is taken: a tag by a release, or an asset's name within a release."""


class Moved(Refused):
    """GitHub answers from another address now, as after a repository was renamed."""


class TagBurnt(ConflictError):
    """An immutable release had this tag; GitHub never gives it out again."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer with an unwelcome status: headers in lower case, the body cut to a limit.

    `token` is the one that was sent, if any was.
    """

    what: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    token: Token | None = None

    @property
    def limits_rate(self) -> bool:
        """Tell a rate limit from a plain refusal, as GitHub documents both for 403 and 429."""
        if self.status == 429:
            return True
        return self.status == 403 and (
            "retry-after" in self.headers
            or self.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in self.reason.lower()
        )

    @property
    def reason(self) -> str:
        """Give GitHub's own words, from JSON or from the title of an HTML page, as one line."""
        if b"<" in self.content[:200]:
            title = HTML_TITLE.search(self.content)
            named = f" titled {clean(title[1].decode(errors='replace'))!r}" if title else ""
            return f"an HTML page{named}"
        document = self.document
        parts = [clean(document.get("message"))]
        errors = document.get("errors")
        parts += [describe(error) for error in errors[:5]] if isinstance(errors, list) else []
        return ": ".join(part for part in parts if part) or "no reason given"

    @property
    def wants_sign_on(self) -> bool:
        """Tell an organisation that takes a token only once its owner has signed on (SAML)."""
        return "x-github-sso" in self.headers or "SAML" in self.reason

    @property
    def advice(self) -> str:
        """Say what helps where the token is not taken."""
        if self.token is None:
            return "give a token in GH_TOKEN or GITHUB_TOKEN"
        if self.wants_sign_on:
            return f"authorise {self.token.name} for the organisation's single sign-on"
        if self.status == 401:
            return f"{self.token.name} is expired, revoked or mistyped: give a valid one"
        return f"give {self.token.name} the right to read the repository"

    @property
    def document(self) -> dict[str, Any]:
        """Give the JSON object of the body, or an empty one."""
        try:
            value = parse_json(self.content, "the error")
        except InputError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def codes(self) -> set[str]:
        """Give the machine-readable codes of a 422."""
        errors = self.document.get("errors")
        listed = errors if isinstance(errors, list) else []
        return {str(error.get("code")) for error in listed if isinstance(error, dict)}


def make_error(answer: ErrorAnswer, now: float) -> TryAgain | PublishError | ConflictError:
    """Turn an answer into the error that says what may follow; `now` is in Unix seconds."""
    text = (
        f"{answer.what} failed: GitHub answered {answer.status}, {answer.reason}"
        f"{request_id(answer.headers)}"
    )
    if answer.limits_rate:
        return RateLimited(text, parse_wait(answer.headers, now))
    match answer.status:
        case 401:
            return Refused(text, hint=answer.advice)
        case 403:
            return Forbidden(text, hint=answer.advice if answer.wants_sign_on else PERMISSION_HINT)
        case 404 | 410:
            return NotFound(text, hint=f"check the repository's name; {PERMISSION_HINT}")
        case 301 | 302 | 303 | 307 | 308:
            return Moved(text, hint="look up the repository's present name and give that")
        case 422 if BURNT_TAG in answer.reason:
            return TagBurnt(text, hint="choose another tag; this one is used up for ever")
        case 422 if "already_exists" in answer.codes:
            return AlreadyExists(text)
        case 408:
            return AnswerLost(text)
        case status if status >= 500:
            return AnswerLost(text, hint="see https://www.githubstatus.com and run it again")
    return Refused(text, hint=RULES_HINT if RULES in answer.reason else None)


def request_id(headers: Mapping[str, str]) -> str:
    """Quote the id by which GitHub's support finds a request."""
    name = clean(headers.get("x-github-request-id"))[:60]
    return f" (request {name})" if name else ""


def describe(error: Any) -> str:
    """Word one entry of a 422's list of errors."""
    if not isinstance(error, dict):
        return clean(error)
    return clean(error.get("message")) or clean(f"{error.get('field')} {error.get('code')}")


def clean(text: Any) -> str:
    """Make foreign text fit for one line of a terminal: printable, single spaces, cut short."""
    if not isinstance(text, str):
        return ""
    plain = "".join(character if character.isprintable() else " " for character in text[:2000])
    return " ".join(plain.split())[:TEXT_LIMIT]
