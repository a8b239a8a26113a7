"""Reads the protobuf wire form of an ONNX model strictly, straight from mapped memory.

It knows which bytes may stand where (encoding.html of the protobuf documentation, onnx.proto), and
nothing of what a model must look like: that is the contract's task.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from release_tool.core.errors import GateError
from release_tool.core.files import open_regular
from release_tool.gates.schema import SCHEMA, FieldSpec

MAX_FILE_BYTES = 2**31 - 1
"""protobuf itself ends at 2 GiB."""
MAX_FIELDS = 80_000
"""U2NET has about 25,000; each costs some 500 bytes of memory, its place in words included."""
MAX_STRING_BYTES = 64 * 1024
MAX_TEXT_BYTES = 8 * 1024 * 1024
"""All strings together; one of wide characters takes four times its bytes in memory."""
MAX_DEPTH = 64
VARINT, FIXED32, LENGTH_DELIMITED = 0, 5, 2


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it stands in the file: `start` is its tag, `stop` the byte behind it."""

    number: int
    name: str
    start: int
    stop: int
    value: Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its fields in the order of the file; `path` says where it stands."""

    kind: str
    path: str
    fields: tuple[Field, ...]
    by_name: dict[str, list[Any]]

    def has(self, name: str) -> bool:
        """Tell whether a field is written, be it with its default value."""
        return name in self.by_name

    def one(self, name: str, default: Any = None) -> Any:
        """Return a singular field's value, or the default where it is not written."""
        values = self.by_name.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[Any]:
        """Return a repeated field's values in order."""
        return self.by_name.get(name, [])


@dataclass(frozen=True, slots=True)
class Model:
    """The bytes of a model, mapped or in memory, and what stands where in them."""

    content: memoryview
    message: Message


def open_model(path: Path) -> Model:
    """Map a model and read its wire form; raises `GateError`, or `InputError` if unreadable."""
    return parse_model(map_file(path))


def map_file(path: Path) -> memoryview:
    """Map a regular file of at most 2 GiB for reading; the map lives as long as the view."""
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
        if size == 0:
            raise GateError(f"{path.name} is empty")
        if size > MAX_FILE_BYTES:
            raise GateError(f"{path.name} is larger than the 2 GiB that protobuf allows")
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def parse_model(content: bytes | memoryview) -> Model:
    """Read the wire form of a whole `ModelProto`; raises `GateError` for any other form.

    Canonical means: known fields in ascending order, singular ones once, numbers in their
    shortest form, strings in UTF-8, nothing behind the last field.
    """
    view = memoryview(content)
    return Model(view, Reader(view).message("ModelProto", 0, len(view), "model", 0))


def parse_head(content: bytes | memoryview) -> Message:
    """Read the top-level fields of a `ModelProto` as strictly, its graph left as unread bytes.

    Of mapped content only the pages that hold those fields are touched, however large the graph.
    """
    view = memoryview(content)
    reader = Reader(view, unread=frozenset({"GraphProto"}))
    return reader.message("ModelProto", 0, len(view), "model", 0)


@dataclass(slots=True)
class Reader:
    """A walk over mapped bytes that counts what it builds, and descends into no `unread` kind."""

    content: memoryview
    unread: frozenset[str] = frozenset()
    built: int = field(default=0)
    text: int = field(default=0)

    def message(self, kind: str, start: int, stop: int, path: str, depth: int) -> Message:
        """Read one message between two offsets."""
        if depth > MAX_DEPTH:
            raise GateError(f"{path} is nested more than {MAX_DEPTH} messages deep")
        fields: list[Field] = []
        by_name: dict[str, list[Any]] = {}
        previous = 0
        while start < stop:
            read = self.field(kind, start, stop, path, by_name, depth)
            if read.number < previous:
                raise GateError(f"{path}.{read.name} stands out of order")
            previous = read.number
            fields.append(read)
            by_name.setdefault(read.name, []).append(read.value)
            start = read.stop
        return Message(kind, path, tuple(fields), by_name)

    def field(
        self, kind: str, start: int, stop: int, path: str, seen: dict[str, list[Any]], depth: int
    ) -> Field:
        """Read one field: tag, then a value of the type that the schema gives it."""
        self.built += 1
        if self.built > MAX_FIELDS:
            raise GateError(f"the model has more than {MAX_FIELDS} fields")
        tag, at = self.varint(start, stop, path)
        number, wire_type = tag >> 3, tag & 7
        spec = SCHEMA[kind].get(number)
        if spec is None:
            raise GateError(f"{path} has a field that ONNX does not know, number {number}")
        where = f"{path}.{spec.name}"
        if spec.repeated:
            where = f"{where}[{len(seen.get(spec.name, ()))}]"
        elif spec.name in seen:
            raise GateError(f"{where} stands twice; a reader would take the last one only")
        if wire_type != spec.wire_type:
            raise GateError(f"{where} has wire type {wire_type} instead of {spec.wire_type}")
        value, end = self.value(spec, at, stop, where, depth)
        return Field(number, spec.name, start, end, value)

    def value(self, spec: FieldSpec, at: int, stop: int, where: str, depth: int) -> tuple[Any, int]:
        """Read the value behind a tag; return it with the offset behind it."""
        if spec.wire_type == VARINT:
            number, end = self.varint(at, stop, where)
            return signed(number, spec.kind, where), end
        if spec.wire_type == FIXED32:
            if stop - at < 4:
                raise GateError(f"{where} is cut off")
            return struct.unpack_from("<f", self.content, at)[0], at + 4
        length, at = self.varint(at, stop, where)
        if length > stop - at:
            raise GateError(f"{where} is cut off")
        end = at + length
        match spec.kind:
            case "string":
                return self.string(at, end, where), end
            case "bytes" | "unread":
                return self.content[at:end], end
            case kind if kind in self.unread:
                return self.content[at:end], end
            case message:
                return self.message(message, at, end, where, depth + 1), end

    def string(self, at: int, end: int, where: str) -> str:
        """Read UTF-8 text of bounded length."""
        if end - at > MAX_STRING_BYTES:
            raise GateError(f"{where} is longer than {MAX_STRING_BYTES} bytes")
        self.text += end - at
        if self.text > MAX_TEXT_BYTES:
            raise GateError(f"the model has more than {MAX_TEXT_BYTES} bytes of text")
        try:
            return str(self.content[at:end], "utf-8")
        except UnicodeDecodeError as error:
            raise GateError(f"{where} is not UTF-8") from error

    def varint(self, at: int, stop: int, where: str) -> tuple[int, int]:
        """Read a base-128 number of at most 64 bits in its shortest form."""
        number = shift = 0
        while at < stop:
            byte = self.content[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number >= 2**64 or (byte == 0 and shift):
                    raise GateError(f"{where} has a number that is not in its shortest form")
                return number, at
            shift += 7
            if shift > 63:
                raise GateError(f"{where} has a number of more than 64 bits")
        raise GateError(f"{where} is cut off")


def signed(number: int, kind: str, where: str) -> int:
    """Give a number of the wire its sign (two's complement, also for int32 in 64 bits)."""
    value = number - 2**64 if number >= 2**63 else number
    if kind != "int64" and not -(2**31) <= value < 2**31:
        raise GateError(f"{where} does not fit into 32 bits")
    return value


def encode_varint(number: int) -> bytes:
    """Write a number that is not negative in its shortest form."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def header(number: int, length: int) -> bytes:
    """Write the tag and the length that precede `length` bytes of field `number`."""
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(length)


def encode_metadata(entries: Iterator[tuple[str, str]]) -> bytes:
    """Write `metadata_props` as they stand at the end of a `ModelProto` (field 14)."""
    encoded = bytearray()
    for key, value in entries:
        parts = (key.encode(), value.encode())
        entry = b"".join(header(i, len(part)) + part for i, part in enumerate(parts, start=1))
        encoded += header(14, len(entry)) + entry
    return bytes(encoded)
