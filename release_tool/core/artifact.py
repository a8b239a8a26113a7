"""Bytes with a name, a size and a digest; where they lie is somebody else's knowledge."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import open_regular
from release_tool.core.names import check_asset_name


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in memory with their digest, so that nobody hashes them again."""

    data: bytes
    digest: Sha256

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Hash bytes; only so does a content come about."""
        return cls(data, Sha256.of_bytes(data))

    def named(self, name: str) -> "Artifact":
        """Describe the bytes as a file of that name."""
        return Artifact(name, len(self.data), self.digest)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a release: a legal asset name, a size in bytes, a digest."""

    name: str
    size: int
    digest: Sha256

    def __post_init__(self) -> None:
        check_asset_name(self.name)
        if self.size < 0:
            raise InputError(f"{self.name} has a negative size")

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> Self:
        """Describe bytes that are in memory already."""
        return cls(name, len(content), Sha256.of_bytes(content))

    @classmethod
    def of_file(cls, path: Path, name: str | None = None) -> Self:
        """Describe a regular file, hashed in a stream; `name` defaults to the file's own."""
        with open_regular(path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = os.fstat(stream.fileno()).st_size
            if stream.tell() != size:
                raise InputError(f"{path} changed while it was read")
        return cls(name or path.name, size, Sha256(digest))
