"""Reads a signed note, the form of a log checkpoint, to its last byte.

Whose signature counts, and what the text says, is for `log`. https://c2sp.org/signed-note
"""

import re
from dataclasses import dataclass

from release_tool.core.errors import CannotVerify, InputError
from release_tool.sigstore.check.fields import decode_octets
from release_tool.sigstore.check.refusal import show
from release_tool.sigstore.check.root import HINT_BYTES

LIMIT_CHARACTERS = 64 * 1024
MAX_SIGNATURES = 64
SIGNATURE_LINE = re.compile("\N{EM DASH} ([^\\s+]+) (\\S+)")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, a hint at the key, and the signature itself."""

    name: str
    hint: bytes
    signature: bytes


def split_note(content: str) -> tuple[str, str]:
    """Return the text that is signed, with its last line feed, and the lines of signatures."""
    text, blank, signatures = content.partition("\n\n")
    if not blank or len(content) > LIMIT_CHARACTERS or not signatures.endswith("\n"):
        raise CannotVerify("the log checkpoint is malformed")
    return f"{text}\n", signatures


def parse_signatures(text: str) -> tuple[NoteSignature, ...]:
    """Read signature lines and nothing else, no signer twice.

    Nothing signs the lines of signers that are unknown, so there is a limit to them.
    """
    signatures = tuple(parse_signature(line) for line in text.removesuffix("\n").split("\n"))
    signers = {(one.name, one.hint) for one in signatures}
    if len(signatures) > MAX_SIGNATURES or len(signers) != len(signatures):
        raise CannotVerify(
            f"the log checkpoint has a signer twice, or more than {MAX_SIGNATURES} signatures"
        )
    return signatures


def parse_signature(line: str) -> NoteSignature:
    """Read one signature line, without its line feed."""
    matched = SIGNATURE_LINE.fullmatch(line)
    if matched is None or not line.isprintable():
        raise CannotVerify(f"the log checkpoint has a malformed signature: {show(line)!r}")
    try:
        content = decode_octets(matched[2], "the log checkpoint's signature")
    except InputError as error:
        raise CannotVerify(error.message) from error
    if len(content) <= HINT_BYTES:
        raise CannotVerify("the log checkpoint has a signature that is too short")
    return NoteSignature(matched[1], content[:HINT_BYTES], content[HINT_BYTES:])
