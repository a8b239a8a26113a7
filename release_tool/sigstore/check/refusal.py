"""How a step says no: expected and actual in one line, and what a parser throws made an error.

Decides nothing; the numbered steps of the verdict call it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from release_tool.core.errors import (
    CannotVerify,
    GateError,
    InputError,
    NotVerified,
    ReleaseToolError,
)

MAX_SHOWN = 300


def mismatch(
    what: str, *, expected: object, actual: object, hint: str | None = None
) -> NotVerified:
    """Make the refusal of a step that compared two values."""
    return NotVerified(f"{what}: expected {show(expected)}, actual {show(actual)}", hint=hint)


def show(value: object) -> str:
    """Write a value that may come from an attacker: one line, printable, of bounded length."""
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in str(value)[: MAX_SHOWN + 1]
    )
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever a library throws at malformed bytes into `CannotVerify`.

    The parsers beneath (ASN.1, PKCS #7, X.509) document neither all their exceptions nor keep them
    in one tree, and a verdict must not end in a traceback because of its input. So the catch is
    wide, and the blocks it surrounds are small: calls into those parsers and nothing of ours.
    A panic of the Rust ones is no `Exception`, but no wish to stop the program either.
    """
    try:
        yield
    except (InputError, GateError) as error:
        raise CannotVerify(error.message, hint=error.hint) from error
    except ReleaseToolError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        detail = show(error).strip() or type(error).__name__
        raise CannotVerify(f"{what} is malformed: {detail}") from error
