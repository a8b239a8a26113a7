"""What git's last words mean for whoever waits for a checkout: stop, or try again."""

import re
from pathlib import Path

from release_tool.core.errors import InputError, ReleaseToolError, TryAgain

GIVE_IT = "give a clone of it with --upstream-dir"
# git's own words under LC_ALL=C, the first that is found counts: pattern, what happened, advice.
PERMANENT = (
    (
        r"does not appear to be a git repository|not valid: is this a git repository",
        "there is no repository",
        GIVE_IT,
    ),
    (r"No space left on device|Disk quota exceeded", "there is no room for it", "make room there"),
    (r"died of signal (25|31)|File too large", "it sends a file that is larger than allowed", None),
    (
        r"not our ref|unadvertised object|couldn't find remote ref|not a valid object name",
        "it does not have the pinned commit",
        GIVE_IT,
    ),
    (
        r"returned error: 3\d\d|unable to update url base|after redirect",
        "it has moved, and git follows no redirect",
        GIVE_IT,
    ),
    (
        r"could not read Username|Authentication failed|not found|returned error: 40[0-79]",
        "it cannot be read without an account, or is not there",
        GIVE_IT,
    ),
    (r"fsck error|bad config line|invalid path", "it sends what git does not accept", None),
)


def explain_refusal(said: bytes, address: str, directory: Path) -> ReleaseToolError:
    """Return the error that git's output stands for; what is not known may pass with time."""
    text = said.decode(errors="replace")
    for pattern, meaning, hint in PERMANENT:
        if re.search(pattern, text):
            error = f"git could not fetch {address} to {directory.parent}: {meaning}"
            return InputError(f"{error} ({last_line(text)})", hint=hint)
    return TryAgain(f"git could not fetch {address}: {last_line(text)}")


def last_line(text: str) -> str:
    """Return the line in which git says why it ends, or its last one."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal: ")]
    found = (fatal or lines or ["no reason given"])[0 if fatal else -1]
    return found.removeprefix("fatal: ")[:200]
