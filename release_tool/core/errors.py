"""Every error that the tool raises on purpose; printing them is the command line's task.

ReleaseToolError                 exit
├── UsageError                     2   the command is wrong
├── InputError                     3   an input is not what was pinned, or is malformed
├── GateError                      4   the export or a gate failed
├── SigningError                   5   no identity, or a Sigstore service refused
├── PublishError                   6   publishing failed; nothing became visible
├── ConflictError                  7   the tag already holds other bytes
├── NotVerified                    8   the evidence says no
├── CannotVerify                   9   evidence is missing or unreadable
├── TryAgain                      75   network, 5xx, rate limit
└── Interrupted                  130   ctrl-C or a request to terminate

Anything outside this tree is a bug of ours: exit 1, with its traceback.
"""

from typing import ClassVar


class ReleaseToolError(Exception):
    """An expected failure: what happened and, where it is known, what to do next.

    The first argument is one line without a final full stop; `hint` is one line of advice.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(ReleaseToolError):
    """The command line or the configuration asks for something that makes no sense."""

    exit_code = 2


class InputError(ReleaseToolError):
    """An input is missing, malformed, or not the one that the recipe pins."""

    exit_code = 3


class GateError(ReleaseToolError):
    """The export failed, or a gate refused its result."""

    exit_code = 4


class SigningError(ReleaseToolError):
    """There is no signing identity, or a Sigstore service refused."""

    exit_code = 5


class PublishError(ReleaseToolError):
    """Publishing failed before anything became visible."""

    exit_code = 6


class ConflictError(ReleaseToolError):
    """The tag already holds other bytes, or a release that is not ours."""

    exit_code = 7


class NotVerified(ReleaseToolError):
    """The evidence was read and says no: the file must not be used."""

    exit_code = 8


class CannotVerify(ReleaseToolError):
    """There is no verdict: the evidence is missing or unreadable."""

    exit_code = 9


class TryAgain(ReleaseToolError):
    """The network or a service failed in a way that a later attempt may not."""

    exit_code = 75


class Interrupted(ReleaseToolError):
    """A person or the system asked the program to stop."""

    exit_code = 130


EXIT_CODES: dict[int, tuple[str, str]] = {
    0: ("done; for `verify`: verified", "go on"),
    1: ("a bug of ours", "report it"),
    2: ("usage", "fix the command"),
    3: ("an input is not what was pinned, or is malformed", "stop"),
    4: ("export or a gate failed", "stop"),
    5: ("signing failed: no identity, or a Sigstore service refused", "stop"),
    6: ("publishing failed; nothing became visible", "run it again"),
    7: ("the tag already holds other bytes", "choose a tag"),
    8: ("**not verified**: the evidence says no", "do not use the file"),
    9: ("cannot verify: evidence missing or unreadable", "do not use it; investigate"),
    75: ("try again: network, 5xx, rate limit", "retry later"),
    130: ("interrupted", ""),
}
"""Exit code -> (meaning, what a script should do); the README's table is kept equal to it."""
