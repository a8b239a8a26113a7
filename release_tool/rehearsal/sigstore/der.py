"""Just enough DER (X.690) for timestamps, precertificates and extensions, written and read.

Definite lengths and single-byte tags only; certificates as a whole are `cryptography`'s business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from release_tool.core.errors import InputError

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
NULL = 0x05
OID = 0x06
UTF8_STRING = 0x0C
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

MAX_LENGTH_BYTES = 4


def context(number: int) -> int:
    """Return the tag `[number]`, constructed."""
    return 0xA0 | number


def encode(tag: int, *contents: bytes) -> bytes:
    """Write one element around the concatenated contents."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*contents: bytes) -> bytes:
    """Write a SEQUENCE."""
    return encode(SEQUENCE, *contents)


def set_of(*contents: bytes) -> bytes:
    """Write a SET OF, its elements in DER's ascending order."""
    return encode(SET, *sorted(contents))


def integer(value: int) -> bytes:
    """Write a non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octet_string(content: bytes) -> bytes:
    """Write an OCTET STRING."""
    return encode(OCTET_STRING, content)


def utf8_string(text: str) -> bytes:
    """Write a UTF8String."""
    return encode(UTF8_STRING, text.encode())


def oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER given as dotted decimals."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(groups))
    return encode(OID, body)


def generalized_time(moment: datetime) -> bytes:
    """Write a GeneralizedTime in UTC, to the second (RFC 3161 §2.4.2 allows no trailing zeros)."""
    return encode(GENERALIZED_TIME, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


@dataclass(frozen=True, slots=True)
class Element:
    """One element that was read: its tag, its content, and all its bytes as they came."""

    tag: int
    content: bytes
    whole: bytes

    def children(self) -> list["Element"]:
        """Read the content as a run of elements; raises `InputError`."""
        return list(read_elements(self.content))

    def to_int(self) -> int:
        """Read an INTEGER's value."""
        if self.tag != INTEGER or not self.content:
            raise InputError("malformed DER: no INTEGER where one belongs")
        return int.from_bytes(self.content, "big", signed=True)


def read_elements(content: bytes) -> Iterator[Element]:
    """Read a run of elements from untrusted bytes; raises `InputError` where they are not DER."""
    position = 0
    while position < len(content):
        header, length = read_header(content, position)
        end = position + header + length
        if end > len(content):
            raise InputError("malformed DER: an element is cut short")
        yield Element(content[position], content[position + header : end], content[position:end])
        position = end


def read_header(content: bytes, position: int) -> tuple[int, int]:
    """Return the sizes in bytes of the header and of the content of the element at `position`."""
    head = content[position : position + 2 + MAX_LENGTH_BYTES]
    if len(head) < 2 or head[0] & 0x1F == 0x1F:
        raise InputError("malformed DER: no element where one belongs")
    if head[1] < 0x80:
        return 2, head[1]
    count = head[1] & 0x7F
    digits = head[2 : 2 + count]
    if not 0 < count <= MAX_LENGTH_BYTES or len(digits) < count:
        raise InputError("malformed DER: a length cannot be read")
    length = int.from_bytes(digits, "big")
    if length < 0x80 or digits[0] == 0:
        raise InputError("malformed DER: a length is not in its shortest form")
    return 2 + count, length


def read_one(content: bytes, tag: int) -> Element:
    """Read bytes that are exactly one element of the given tag; raises `InputError`."""
    elements = list(read_elements(content))
    if len(elements) != 1 or elements[0].tag != tag:
        raise InputError("malformed DER: not the one element that was expected")
    return elements[0]
