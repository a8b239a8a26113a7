"""Reads the pickle inside a checkpoint with a machine that can build tensors and nothing else.

No module is imported and no callable is called on the pickle's behalf: a global is a name, looked
up in a short table, and what any other would make is a note of that name. What the numbers mean is
not judged here.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from release_tool.checkpoint.pickle_values import (
    CALLS,
    STORAGES,
    Foreign,
    Global,
    MalformedPickle,
    StorageRef,
    put,
)

MAX_OPCODES = 500_000
MAX_STACK = 200_000
MAX_TEXT_BYTES = 64 * 1024
MAX_LONG_BYTES = 16
MAX_NAME_BYTES = 120


class Mark:
    """The place on the stack where a collection begins."""


MARK = Mark()


@dataclass(slots=True)
class PickleMachine:
    """A stack machine for the opcodes that `torch.save` writes (protocols 2 to 5).

    `storages` are those that the pickles referred to, `foreign` the names of what is not built.
    """

    content: memoryview
    at: int = 0
    opcodes: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, StorageRef] = field(default_factory=dict)
    foreign: dict[str, None] = field(default_factory=dict)

    def run(self) -> Any:
        """Read one pickle and return its value; `at` is then the offset behind it."""
        self.stack.clear()
        self.memo.clear()
        while (code := self.take(1)[0]) != STOP:
            self.opcodes += 1
            if self.opcodes > MAX_OPCODES or len(self.stack) > MAX_STACK:
                raise MalformedPickle("the pickle is larger than a state dict can be")
            operation = OPERATIONS.get(code)
            if operation is None:
                raise MalformedPickle(
                    f"the pickle has the opcode {code:#04x}, which no state dict needs"
                )
            operation(self)
        return self.pop()

    def take(self, length: int) -> memoryview:
        """Take the next bytes, or say that the file ends too early."""
        if length > len(self.content) - self.at:
            raise MalformedPickle("the pickle ends too early")
        self.at += length
        return self.content[self.at - length : self.at]

    def skip(self, length: int) -> None:
        """Pass over bytes that say nothing about the value (a protocol's or a frame's header)."""
        self.take(length)

    def drop(self, _value: Any) -> None:
        """Forget a value that was taken from the stack."""

    def pack(self, length: int) -> None:
        """Put the topmost values down again as one tuple."""
        values = [self.pop() for _ in range(length)]
        self.push(tuple(reversed(values)))

    def append(self, values: list[Any]) -> None:
        """Put values at the end of the list on top of the stack."""
        target = self.top((list, Foreign))
        if isinstance(target, list):
            target.extend(values)

    def number(self, form: str) -> int:
        """Take one little-endian integer."""
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def text(self, length: int) -> str:
        """Take UTF-8 text of bounded length."""
        if length > MAX_TEXT_BYTES:
            raise MalformedPickle("the pickle has a text of absurd length")
        try:
            return str(self.take(length), "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedPickle("the pickle has a text that is not UTF-8") from error

    def line(self) -> str:
        """Take text up to a line feed, as protocol 0 writes names."""
        window = bytes(self.content[self.at : self.at + 1024])
        length = window.find(b"\n")
        if length < 0:
            raise MalformedPickle("the pickle has a name without an end")
        text = self.text(length)
        self.at += 1
        return text

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        """Take a value of a type from the stack."""
        if not self.stack or isinstance(self.stack[-1], Mark):
            raise MalformedPickle("the pickle takes more values than it has put down")
        value = self.stack.pop()
        if not isinstance(value, kind):
            raise MalformedPickle("the pickle has a value of another type than is needed there")
        return value

    def pop_mark(self) -> list[Any]:
        """Take all values above the last mark."""
        values: list[Any] = []
        while self.stack:
            value = self.stack.pop()
            if isinstance(value, Mark):
                values.reverse()
                return values
            values.append(value)
        raise MalformedPickle("the pickle ends a collection that it never began")

    def top(self, kind: type | tuple[type, ...]) -> Any:
        """Look at the topmost value, which must have a type."""
        value = self.pop(kind)
        self.push(value)
        return value

    def remember(self, index: int) -> None:
        """Note the topmost value under a number."""
        self.memo[index] = self.top(object)

    def recall(self, index: int) -> None:
        """Put a noted value on the stack."""
        if index not in self.memo:
            raise MalformedPickle("the pickle refers to a value that it never noted")
        self.push(self.memo[index])

    def set_items(self, values: list[Any]) -> None:
        """Put pairs into the dictionary on top of the stack."""
        target = self.top((dict, Foreign))
        if len(values) % 2:
            raise MalformedPickle("the pickle has a key without a value")
        if isinstance(target, Foreign):
            return
        for key, value in zip(values[::2], values[1::2], strict=True):
            put(target, key, value)

    def find_global(self, module: str, name: str) -> None:
        """Put a name on the stack, and note it if it is none of those that tensors need."""
        path = f"{module}.{name}"
        prefix, _, storage = path.rpartition(".")
        if not (path in CALLS or (prefix == "torch" and storage in STORAGES)):
            self.foreign[path[:MAX_NAME_BYTES]] = None
        self.push(Global(path))

    def reduce(self) -> None:
        """Build what one of the known calls would build; of any other keep its name."""
        arguments = self.pop((tuple, Foreign))
        call = self.pop((Global, Foreign))
        build = CALLS.get(call.name)
        if build is None or any(isinstance(each, Foreign) for each in arguments):
            self.push(Foreign(call.name))
            return
        # A noted list can be handed in again and again; what is copied counts like opcodes.
        self.opcodes += sum(len(item) for item in arguments if isinstance(item, list | tuple))
        self.push(build(arguments))

    def build(self) -> None:
        """Drop the attributes of a dictionary (`_metadata` of a state dict) or of a note."""
        self.pop()
        self.top((dict, Foreign))

    def make_object(self, parts: int) -> None:
        """Keep the name of the class that an object would be made of, for its arguments' sake."""
        for _ in range(parts - 1):
            self.pop()
        self.push(Foreign(self.pop((Global, Foreign)).name))

    def make_foreign(self, name: str, _content: object = None) -> None:
        """Put down a note of a value that no tensor is made of."""
        self.push(Foreign(name))

    def persistent(self) -> None:
        """Put down a reference to a storage: ('storage', type, key, location, elements, view)."""
        match self.pop(tuple):
            case ("module", Global(name), *_):  # a class, as the legacy format refers to it
                self.push(Foreign(name))
                return
            case ("storage", Global(name), str(key), str(), int(elements), *view) if (
                view in ([], [None]) and name.startswith("torch.") and 0 <= elements < 2**40
            ):
                dtype = STORAGES.get(name.removeprefix("torch."))
                if dtype is None:
                    self.push(Foreign(name))
                    return
                if len(key) <= 64:
                    storage = StorageRef(key, dtype, elements)
                    if self.storages.setdefault(key, storage) != storage:
                        raise MalformedPickle(f"the storage {key!r} has two descriptions")
                    self.push(storage)
                    return
        raise MalformedPickle("the pickle refers to something that is no storage of torch")

    def long(self) -> int:
        """Take an integer of bounded length."""
        length = self.number("<B")
        if length > MAX_LONG_BYTES:
            raise MalformedPickle("the pickle has a number of absurd length")
        return int.from_bytes(self.take(length), "little", signed=True)


STOP = ord(".")
Operation = Callable[[PickleMachine], None]
# The opcodes of pickletools that a training loop's file needs, and no other: nothing here can
# instantiate a class, and only `c` and `\x93` can name one.
OPERATIONS: dict[int, Operation] = {
    0x80: lambda m: m.skip(1),
    0x95: lambda m: m.skip(8),
    ord("("): lambda m: m.push(MARK),
    ord("0"): lambda m: m.drop(m.pop()),
    ord("1"): lambda m: m.drop(m.pop_mark()),
    ord("2"): lambda m: m.push(m.top(object)),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(value=True),
    0x89: lambda m: m.push(value=False),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    0x8A: lambda m: m.push(m.long()),
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    ord("X"): lambda m: m.push(m.text(m.number("<I"))),
    0x8C: lambda m: m.push(m.text(m.number("<B"))),
    ord("T"): lambda m: m.push(m.text(m.number("<I"))),
    ord("U"): lambda m: m.push(m.text(m.number("<B"))),
    ord("]"): lambda m: m.push([]),
    ord("a"): lambda m: m.append([m.pop()]),
    ord("e"): lambda m: m.append(m.pop_mark()),
    ord(")"): lambda m: m.push(()),
    ord("t"): lambda m: m.push(tuple(m.pop_mark())),
    0x85: lambda m: m.push((m.pop(),)),
    0x86: lambda m: m.pack(2),
    0x87: lambda m: m.pack(3),
    ord("}"): lambda m: m.push({}),
    ord("s"): lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    ord("u"): lambda m: m.set_items(m.pop_mark()),
    ord("q"): lambda m: m.remember(m.number("<B")),
    ord("r"): lambda m: m.remember(m.number("<I")),
    0x94: lambda m: m.remember(len(m.memo)),
    ord("h"): lambda m: m.recall(m.number("<B")),
    ord("j"): lambda m: m.recall(m.number("<I")),
    ord("c"): lambda m: m.find_global(m.line(), m.line()),
    0x93: lambda m: m.find_global(*[m.pop(str), m.pop(str)][::-1]),
    ord("R"): PickleMachine.reduce,
    ord("b"): PickleMachine.build,
    0x81: lambda m: m.make_object(2),
    0x92: lambda m: m.make_object(3),
    ord("C"): lambda m: m.make_foreign("bytes", m.take(m.number("<B"))),
    ord("B"): lambda m: m.make_foreign("bytes", m.take(m.number("<I"))),
    0x8E: lambda m: m.make_foreign("bytes", m.take(m.number("<Q"))),
    0x96: lambda m: m.make_foreign("bytearray", m.take(m.number("<Q"))),
    0x8F: lambda m: m.make_foreign("set"),
    0x90: lambda m: m.append(m.pop_mark()),
    0x91: lambda m: m.make_foreign("frozenset", m.pop_mark()),
    ord("Q"): PickleMachine.persistent,
}
