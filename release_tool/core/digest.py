"""A digest as a type, so that a hex string is never mistaken for one."""

import hashlib
import string
from io import BufferedReader
from pathlib import Path
from typing import Self

from release_tool.core.errors import InputError
from release_tool.core.files import open_regular
from release_tool.core.hexadecimal import HexText

HEX_DIGITS = frozenset(string.hexdigits.lower())
PREFIX = "sha256:"
CHUNK_BYTES = 1024 * 1024


class Sha256(HexText):
    """The SHA-256 digest of some bytes (FIPS 180-4), as 64 lowercase hexadecimal digits."""

    __slots__ = ()

    def __init__(self, digits: str) -> None:
        if len(digits) != 64 or not HEX_DIGITS.issuperset(digits):
            raise InputError(f"not a SHA-256 digest: {digits[:80]!r}")
        super().__init__(digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:<64 lowercase hex digits>`, the only form that is written."""
        if not text.startswith(PREFIX):
            raise InputError(f"not a digest of the form sha256:<hex>: {text[:80]!r}")
        return cls(text.removeprefix(PREFIX))

    @classmethod
    def of_bytes(cls, content: bytes | memoryview) -> Self:
        """Hash bytes that are in memory already."""
        return cls(hashlib.sha256(content).hexdigest())

    @classmethod
    def of_stream(cls, stream: BufferedReader, limit_bytes: int | None = None) -> Self:
        """Hash the rest of an open binary file, in bounded memory.

        Raises `InputError` for more than `limit_bytes`, and for a file that has no end but nothing
        to give either: some of those in /proc are regular ones by their kind.
        """
        hasher, total = hashlib.sha256(), 0
        buffer = memoryview(bytearray(CHUNK_BYTES))
        while size := read_into(stream, buffer):
            total += size
            if limit_bytes is not None and total > limit_bytes:
                raise InputError(f"the file is larger than {limit_bytes} bytes")
            hasher.update(buffer[:size])
        return cls(hasher.hexdigest())

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Hash a regular file of any size, in bounded memory; raises `InputError`."""
        with open_regular(path) as stream:
            return cls.of_stream(stream)

    def __str__(self) -> str:
        return PREFIX + self.hex


def read_into(stream: BufferedReader, buffer: memoryview) -> int:
    """Read once; opened not to wait, a stream without bytes answers None (PEP 3116), not zero."""
    size: int | None = stream.readinto(buffer)
    if size is None:
        raise InputError("the file gives no bytes and does not end")
    return size
