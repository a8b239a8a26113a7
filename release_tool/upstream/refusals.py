"""What git's last words mean for whoever waits for a checkout: stop, or try again."""

import re

from release_tool.core.errors import InputError, ReleaseToolError, TryAgain

GIVE_IT = "give a clone of it with --upstream-dir"
# git's own words under LC_ALL=C, the first that is found counts: pattern, what happened, advice.
PERMANENT = (
    (
        r"does not appear to be a git repository|not valid: is this a git repository",
        "there is no repository",
        GIVE_IT,
    ),
    (
        r"No space left on device|Disk quota exceeded|Out of diskspace",
        "there is no room for it",
        "make room for the cache, or name another place with --cache",
    ),
    (r"died of signal (25|31)|File too large", "it sends a file that is larger than allowed", None),
    (
        r"unable to (write|create)|Read-only file system|Permission denied",
        "it cannot be written there",
        "choose a directory that can be written, with --cache",
    ),
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


def explain_refusal(said: bytes, address: str) -> ReleaseToolError:
    """Return the error that git's output stands for; what is not known may pass with time."""
    # What a server lets git show as its own remarks decides nothing.
    lines = re.split(r"[\r\n]+", said.decode(errors="replace"))
    text = "\n".join(line.strip() for line in lines if not line.startswith("remote: "))
    for pattern, meaning, hint in PERMANENT:
        if re.search(pattern, text):
            error = f"git could not fetch {address}: {meaning} ({last_line(text)})"
            return InputError(error, hint=hint)
    return TryAgain(f"git could not fetch {address}: {last_line(text)}")


def last_line(text: str) -> str:
    """Return the line in which git says why it ends, or its last one."""
    lines = [line for line in text.splitlines() if line]
    fatal = [line for line in lines if line.startswith("fatal: ")]
    found = (fatal or lines or ["no reason given"])[0 if fatal else -1]
    return found.removeprefix("fatal: ")[:200]
