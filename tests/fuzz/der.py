"""Every small change of a structure in DER, with the lengths around it made to fit.

Shares no code with the reader under test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NULL = b"\x05\x00"
SEQUENCE, INTEGER, OCTETS, OID = 0x30, 0x02, 0x04, 0x06
RSA = (bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01010b"))
"""The OIDs of RSA, and of RSA with SHA-256, either of which may name a signature's algorithm."""
CONSTRUCTED = 0x20
ORDERS = (
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
)
"""Of the groups of P-256 and P-384: (r, s) and (r, order - s) sign the same."""


Node = tuple[int, Any]
"""An element of DER: its tag, and its octets or the elements inside."""
Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A changed document: in which field, what was done there, and the new bytes of all of it."""

    place: str
    how: str
    content: bytes


def is_der(content: bytes) -> bool:
    """Tell whether octets are one constructed element of DER."""
    try:
        tag, start, end = header(content, 0)
    except IndexError:
        return False
    return bool(tag & CONSTRUCTED) and end == len(content) > start


def header(content: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of an element, and where its body begins and ends."""
    length, start = content[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(content[at + 2 : start], "big")
    return content[at], start, start + length


def parse(content: bytes) -> Node:
    """Read one element and what is inside it; an OCTET STRING may hold elements too."""
    tag, start, _ = header(content, 0)
    body = content[start:]
    if not tag & CONSTRUCTED and tag != OCTETS:
        return tag, body
    parts, at = [], 0
    try:
        while at < len(body):
            _, _, end = header(body, at)
            parts.append(parse(body[at:end]))
            at = end
    except IndexError:
        at = -1
    return (tag, parts) if at == len(body) and parts else (tag, body)


def encode(node: Node | bytes) -> bytes:
    """Write an element in DER, or as it is where it was written already."""
    if isinstance(node, bytes):
        return node
    tag, inner = node
    body = inner if isinstance(inner, bytes) else b"".join(map(encode, inner))
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def parts_of(node: Node) -> list[Node]:
    """Return the elements inside one."""
    return [] if isinstance(node[1], bytes) else node[1]


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Yield every element with the path to it."""
    yield path, node
    if not isinstance(node[1], bytes):
        for at, inner in enumerate(node[1]):
            yield from walk(inner, (*path, at))


def graft(node: Node, path: Path, *new: Node | bytes) -> Node:
    """Return an element with others in the place of the one at a path."""
    tag, inner = node
    at, *rest = path
    put_there = (graft(inner[at], tuple(rest), *new),) if rest else new
    return tag, [*inner[:at], *put_there, *inner[at + 1 :]]


def changes_of_der(content: bytes) -> Iterator[Change]:
    """Change an element and every one inside it, with the lengths around it made to fit."""
    root = (0, [parse(content)])  # an element around it, so that it can be changed as all others
    found = [(path, node) for path, node in walk(root) if path]
    for path, node in found:
        place = describe(root, path)
        for how, new in edits_of_der(node):
            yield Change(place, how, body_of(graft(root, path, *new)))
        *way, at = path
        above = dict(found).get(tuple(way), root)
        if at + 1 < len(above[1]):
            swapped = (above[0], [*above[1][:at], above[1][at + 1], node, *above[1][at + 2 :]])
            yield Change(
                place, "swap", body_of(graft(root, tuple(way), swapped) if way else swapped)
            )
    yield from changes_of_algorithms(root, found)


def body_of(root: Node) -> bytes:
    """Write what is inside the element that was put around all others."""
    return b"".join(map(encode, root[1]))


def describe(root: Node, path: Path) -> str:
    """Name an element by the tags that lead to it."""
    tags, node = [], root
    for at in path:
        node = node[1][at]
        tags.append(f"/{node[0]:02x}")
    return "".join(tags)


def edits_of_der(node: Node) -> Iterator[tuple[str, tuple[Node | bytes, ...]]]:
    """Delete, repeat and write otherwise one element, or put another beside it."""
    tag, inner = node
    written = encode(node)
    _, start, _ = header(written, 0)
    body = written[start:]
    yield "delete", ()
    yield "duplicate", (node, node)
    yield "insert", (node, NULL)
    yield "insert", (NULL, node)
    yield "lengthen", (bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body,)
    yield "unbound", (bytes([tag, 0x80]) + body + b"\0\0",)
    if tag == INTEGER:
        yield "lengthen", ((tag, b"\0" + body),)
    if tag == SEQUENCE and [one[0] for one in parts_of(node)] == [INTEGER, INTEGER]:
        yield from (("twin", (twin,)) for twin in twins(*inner))


def changes_of_algorithms(root: Node, found: list[tuple[Path, Node]]) -> Iterator[Change]:
    """Write algorithms otherwise, at one place and at two: with NULL or without, by another OID."""
    named = [(path, node) for path, node in found if is_algorithm(node)]
    for number, (path, node) in enumerate(named):
        for other in respell(node):
            once = graft(root, path, other)
            yield Change(describe(root, path), "respell", body_of(once))
            for further, same in named[number + 1 :]:
                if same == node:
                    twice = graft(once, further, other)
                    yield Change(describe(root, path), "respell twice", body_of(twice))


def is_algorithm(node: Node) -> bool:
    """Tell whether an element is an AlgorithmIdentifier without parameters, or with NULL."""
    return node[0] == SEQUENCE and [one[0] for one in parts_of(node)] in ([OID], [OID, NULL[0]])


def respell(node: Node) -> Iterator[Node]:
    """Write an AlgorithmIdentifier with or without NULL, and by an OID that says more or less."""
    tag, (name, *parameters) = node
    yield tag, [name] if parameters else [name, (NULL[0], b"")]
    if name[1] in RSA:
        yield from ((tag, [(OID, other), *parameters]) for other in RSA if other != name[1])


def twins(first: Node, second: Node) -> Iterator[Node]:
    """Give the other signature that an ECDSA signature (r, s) leads to, on each curve."""
    number = int.from_bytes(second[1], "big")
    for order in ORDERS:
        if 0 < number < order:
            other = order - number
            body = other.to_bytes(other.bit_length() // 8 + 1, "big")
            yield SEQUENCE, [first, (INTEGER, body)]
