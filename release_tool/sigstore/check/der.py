"""Walks over the elements of a structure in DER; what they mean is known elsewhere.

Definite lengths in their shortest form and tags of one octet only (X.690 §8.1 and §10.1).
"""

from release_tool.core.errors import CannotVerify

SEQUENCE, SET, INTEGER, OID, OCTETS, UTF8_STRING = 0x30, 0x31, 0x02, 0x06, 0x04, 0x0C
CONTEXT_0 = 0xA0
MAX_CHILDREN = 64
STAMP = "a time stamp"


def split(element: bytes, tag: int, *counts: int) -> list[bytes]:
    """Return the elements inside a constructed one, of which there must be so many."""
    parts = children(element, tag)
    if len(parts) not in counts:
        raise CannotVerify(f"a time stamp has {len(parts)} parts where there should be {counts[0]}")
    return parts


def children(element: bytes, tag: int, *, least: int = 1) -> list[bytes]:
    """Return the elements inside a constructed one, each with its own header."""
    start, stop = header(element, 0)
    if element[0] != tag or stop != len(element):
        raise CannotVerify("a time stamp is malformed")
    parts: list[bytes] = []
    while start < stop:
        _, end = header(element, start)
        parts.append(element[start:end])
        start = end
    if not least <= len(parts) <= MAX_CHILDREN:
        raise CannotVerify("a time stamp is malformed")
    return parts


def body(element: bytes, tag: int, what: str = STAMP) -> bytes:
    """Return what is inside one element, which must be of this kind and all of `what`."""
    start, stop = header(element, 0, what)
    if element[0] != tag or stop != len(element):
        raise CannotVerify(f"{what} is malformed")
    return element[start:]


def header(content: bytes, start: int, what: str = STAMP) -> tuple[int, int]:
    """Return where the body of the element at `start` begins and ends."""
    if len(content) < start + 2:
        raise CannotVerify(f"{what} is truncated")
    length, first = content[start + 1], start + 2
    if length & 0x80:
        octets = length & 0x7F
        first += octets
        length = int.from_bytes(content[start + 2 : first], "big")
        if not 0 < octets <= 3 or length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise CannotVerify(f"{what} has a malformed length")
    if len(content) < first + length:
        raise CannotVerify(f"{what} is truncated")
    return first, first + length
