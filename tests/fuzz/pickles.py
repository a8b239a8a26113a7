"""Makes pickles that are well-formed and absurd: values noted, recalled and packed into each other.

Mutated bytes hardly ever refer to a noted value that is there; here most opcodes find what they
need on the stack, so that what a few bytes can be blown up to is tried as well.
"""

import random
import struct

ODD = [
    b"cos\nsystem\n",
    b"ctorch\nSize\n",
    b"\x93",
    b"Q",
    b"u",
    b"e",
    b"s",
    b"b",
    b"R",
    b"\x81",
    b"\x90",
    b"\x92",
    b"a",
]
ORDERED = b"ccollections\nOrderedDict\n"
STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
)
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02K\x03\x86K\x03K\x01\x86"
    b"\x89ccollections\nOrderedDict\n)RtR"
)
NUMBER = b"\x8a\x10" + b"\xff" * 16
LEAVES = [
    b"N",
    b"\x8f",
    b"C\x00",
    b"\x88",
    b"K\x01",
    b"G" + b"\x7f" * 8,
    b"]",
    b")",
    b"}",
    NUMBER,
    TENSOR,
]
ALWAYS = [*LEAVES, b"](NNNe", b"}(K\x01Nu", ORDERED + b")R", ORDERED + b"](K\x01N\x86e\x85R"]
"""What needs nothing on the stack and puts one value down."""
ON_ONE = [b"\x94", b"2\x86", b"222\x87\x85", b"\x85", b"(22t", b"0]"]
"""What needs a value on the stack and leaves one there."""
ON_TWO = [b"\x86", b"\x86", b"\x86", b"0"]
"""What takes one of two values away."""


def text(source: random.Random) -> bytes:
    """Put down a text that is short, empty or as long as one may be."""
    length = source.choice((0, 1, 1, 1, 8, 300, 60_000))
    return b"X" + struct.pack("<I", length) + source.choice((b"a", b"0", b".")) * length


def make_pickle(source: random.Random) -> bytes:
    """Write one pickle of up to some thousand opcodes."""
    made, depth, noted = [b"\x80\x02"], 0, 0
    for _ in range(source.choice((3, 10, 40, 200))):
        step, change = make_step(source, depth, noted)
        times = source.choice((1, 1, 1, 2, 10, 1000)) if change >= 0 and len(step) < 20 else 1
        made.append(step * times)
        depth = max(depth + change * times, 0)
        noted += (step == b"\x94") * times
    made.append(source.choice((b".", b".", b".", b"0.", b"")))
    return b"".join(made)


def make_step(source: random.Random, depth: int, noted: int) -> tuple[bytes, int]:
    """Choose opcodes that find what they need, mostly, and say by how much the stack grows."""
    recalled = b"h" + bytes([source.randrange(min(noted, 256) or 1)])
    if source.random() < 0.02:
        return source.choice((*ODD, bytes([source.randrange(256)]))), 0
    steps = [(source.choice(ALWAYS), 1), (text(source), 1)]
    if noted:
        steps += [(recalled, 1), (b"](" + recalled * source.choice((1, 2, 50)) + b"e\x94", 1)]
    if depth:
        steps += [(source.choice(ON_ONE), 0)] * 2 + [(b"2", 1)]
    if depth > 1:
        steps += [(source.choice(ON_TWO), -1)] * 2
    return source.choice(steps)


def make_checkpoint(source: random.Random, head: bytes, tail: bytes) -> bytes:
    """Put a pickle in the place of a legacy checkpoint's own."""
    body = make_pickle(source)
    if source.random() < 0.3:
        body = b"\x80\x02}(" + text(source) + body.removeprefix(b"\x80\x02").rstrip(b".") + b"u."
    return head + body + source.choice((tail, b"\x80\x02]."))
