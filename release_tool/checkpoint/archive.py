"""Finds the members of a zip checkpoint in mapped memory, stored and whole, and nothing else.

`zipfile` would do more than is wanted here: decompress, guess, and trust the central directory.
"""

import itertools
import struct
from dataclasses import dataclass

from release_tool.core.errors import InputError

MAX_MEMBERS = 50_000
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
STORED = 0
ENCRYPTED = 0x1
# APPNOTE.TXT 4.3.16, 4.3.15, 4.3.14, 4.3.12 and 4.3.7
END = struct.Struct("<4s4H2LH")
ZIP64_LOCATOR = struct.Struct("<4sLQL")
ZIP64_END = struct.Struct("<4sQ2H2L4Q")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
ZIP64_EXTRA = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the central directory."""

    name: str
    size: int
    start: int
    stored: bool


class MalformedArchive(InputError):
    """The zip is cut off, or is made otherwise than torch makes it."""


def read_archive(content: memoryview) -> dict[str, memoryview]:
    """Return name -> bytes of every member, views into `content`; raises `MalformedArchive`.

    Members must be stored (so that a file is never larger than it looks), have names that stay
    inside the archive, and must not overlap.
    """
    entries, directory_start = read_directory(content)
    members: dict[str, memoryview] = {}
    spans: list[tuple[int, int]] = []
    for entry in entries:
        check_member_name(entry.name)
        if not entry.stored:
            raise MalformedArchive(
                f"the zip's member {entry.name[:120]!r} is compressed or encrypted, "
                "which torch never does"
            )
        if entry.name in members:
            raise MalformedArchive(f"the zip has two members called {entry.name[:120]!r}")
        start = member_start(content, entry)
        if start + entry.size > directory_start:
            raise MalformedArchive(f"the zip's member {entry.name[:120]!r} is cut off")
        members[entry.name] = content[start : start + entry.size]
        spans.append((entry.start, start + entry.size))
    spans.sort()
    for (_, stop), (start, _) in itertools.pairwise(spans):
        if start < stop:
            raise MalformedArchive("the zip has members that overlap")
    return members


def read_names(content: memoryview) -> list[str]:
    """Return the names of all members, whatever they are; raises `MalformedArchive`."""
    return [entry.name for entry in read_directory(content)[0]]


def read_directory(content: memoryview) -> tuple[list[Entry], int]:
    """Read the central directory; return its entries and its offset."""
    count, size, start = read_end(content)
    if count > MAX_MEMBERS or size > MAX_DIRECTORY_BYTES:
        raise MalformedArchive("the zip has more members than a checkpoint can have")
    if start + size > len(content):
        raise MalformedArchive("the zip is cut off")
    directory = bytes(content[start : start + size])
    entries = []
    at = 0
    for _ in range(count):
        entry, at = read_entry(directory, at)
        entries.append(entry)
    return entries, start


def read_end(content: memoryview) -> tuple[int, int, int]:
    """Read the end record, and the zip64 one where there is one: members, size and offset."""
    at = len(content) - END.size
    if at < 0 or bytes(content[at : at + 4]) != b"PK\x05\x06":
        raise MalformedArchive("the zip is cut off: it does not end with its table of contents")
    count, size, start = END.unpack_from(content, at)[4:7]
    locator = at - ZIP64_LOCATOR.size
    if locator < 0 or bytes(content[locator : locator + 4]) != b"PK\x06\x07":
        return count, size, start
    end64 = ZIP64_LOCATOR.unpack_from(content, locator)[2]
    if end64 + ZIP64_END.size > locator or bytes(content[end64 : end64 + 4]) != b"PK\x06\x06":
        raise MalformedArchive("the zip's 64-bit end record is missing")
    count, size, start = ZIP64_END.unpack_from(content, end64)[7:10]
    return count, size, start


def read_entry(directory: bytes, at: int) -> tuple[Entry, int]:
    """Read one entry of the central directory; return it with the offset behind it."""
    if at + ENTRY.size > len(directory) or directory[at : at + 4] != b"PK\x01\x02":
        raise MalformedArchive("the zip's table of contents is damaged")
    fields = ENTRY.unpack_from(directory, at)
    flags, method = fields[3], fields[4]
    packed, size, name_length, extra_length, comment_length = fields[8:13]
    start = fields[16]
    name_at = at + ENTRY.size
    extra_at = name_at + name_length
    try:
        name = directory[name_at:extra_at].decode()
    except UnicodeDecodeError as error:
        raise MalformedArchive("the zip has a member name that is not UTF-8") from error
    extra = directory[extra_at : extra_at + extra_length]
    size, packed, start = widen(extra, size, packed, start)
    stored = method == STORED and not flags & ENCRYPTED and packed == size
    return Entry(name, size, start, stored), extra_at + extra_length + comment_length


def widen(extra: bytes, size: int, packed: int, start: int) -> tuple[int, int, int]:
    """Replace numbers that are all ones by those of the zip64 extra field (4.5.3)."""
    wide: list[int] = []
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == ZIP64_EXTRA:
            wide = [value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
        at += 4 + length
    numbers = []
    for number in (size, packed, start):
        if number == 0xFFFFFFFF:
            if not wide:
                raise MalformedArchive("the zip lacks a 64-bit size")
            number = wide.pop(0)  # noqa: PLW2901 - the narrow number is only a marker
        numbers.append(number)
    return numbers[0], numbers[1], numbers[2]


def member_start(content: memoryview, entry: Entry) -> int:
    """Return the offset of a member's bytes, behind a local header that names the same member."""
    if entry.start + LOCAL.size > len(content):
        raise MalformedArchive(f"the zip's member {entry.name[:120]!r} is cut off")
    fields = LOCAL.unpack_from(content, entry.start)
    name_at = entry.start + LOCAL.size
    name = bytes(content[name_at : name_at + fields[9]])
    if fields[0] != b"PK\x03\x04" or name != entry.name.encode() or fields[3] != STORED:
        raise MalformedArchive(
            f"the zip's member {entry.name[:120]!r} is not what its table of contents says"
        )
    return int(name_at + fields[9] + fields[10])


def check_member_name(name: str) -> None:
    """Refuse names that would leave the archive if anybody unpacked it."""
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]:
        raise MalformedArchive(
            f"the zip has a member whose name leaves the archive: {name[:120]!r}"
        )
    if not name.isprintable():
        raise MalformedArchive("the zip has a member whose name cannot be printed")
