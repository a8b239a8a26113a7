"""How a check of the preflight came out, as a line of a checklist.

Knows nothing of what is checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from release_tool.core.errors import ReleaseToolError


class Verdict(StrEnum):
    """How a check came out; `UNKNOWN` stops nobody."""

    OK = "ok"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check that did not fail has to say; `hint` is what to do about it, if anything."""

    text: str
    verdict: Verdict = Verdict.OK
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist; `error` is what a publication would end with."""

    name: str
    verdict: Verdict
    text: str
    error: ReleaseToolError | None = None
    hint: str | None = None


def unknown(text: str, hint: str | None = None) -> Found:
    """Say that a check came to no end."""
    return Found(text, Verdict.UNKNOWN, hint)


def find(name: str, check: Callable[[], Found | str]) -> Finding:
    """Run one check; an expected failure is its finding."""
    try:
        found = check()
    except ReleaseToolError as error:
        return failure(name, error)
    if isinstance(found, str):
        found = Found(found)
    return Finding(name, found.verdict, found.text, hint=found.hint)


def failure(name: str, error: ReleaseToolError) -> Finding:
    """Make the finding of a check that failed."""
    return Finding(name, Verdict.FAILED, error.message, error, error.hint)


def leave_out(name: str, blocked: Finding) -> Finding:
    """Make the finding of a check that another one's failure made pointless."""
    text = f"not asked: {blocked.text}"
    return Finding(name, Verdict.UNKNOWN, text, hint="mend that first")
