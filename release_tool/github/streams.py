"""Bytes on their way to and from GitHub, hashed as they pass, in bounded memory.

A file that is not what was promised never reaches its end; what is promised is decided elsewhere.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import InputError, PublishError
from release_tool.core.files import open_regular
from release_tool.core.progress import Advance

CHUNK_BYTES = 256 * 1024


@contextlib.contextmanager
def open_upload(
    artifact: Artifact, path: Path, advance: Advance, tick: Callable[[], None]
) -> Iterator[Iterator[bytes]]:
    """Open a file as the chunks of an upload; raises `PublishError` where it has gone."""
    try:
        stream = open_regular(path)
    except InputError as error:
        raise changed(artifact) from error
    with stream:
        yield read_checked(stream, artifact, path, advance, tick)


def read_checked(
    stream: BufferedReader,
    artifact: Artifact,
    path: Path,
    advance: Advance,
    tick: Callable[[], None],
) -> Iterator[bytes]:
    """Yield a file's bytes, the last of them only if all together are the artifact.

    The server is told the length beforehand, so holding the end back keeps a file that was
    changed in the middle from ever becoming an asset.
    """
    hasher = hashlib.sha256()
    left = artifact.size
    while left:
        chunk = stream.read(min(CHUNK_BYTES, left))
        hasher.update(chunk)
        left -= len(chunk)
        tick()
        if not chunk or (not left and not is_whole(stream, hasher.hexdigest(), artifact, path)):
            raise changed(artifact)
        yield chunk
        advance(len(chunk))


def is_whole(stream: BufferedReader, digest: str, artifact: Artifact, path: Path) -> bool:
    """Check at a file's end: nothing follows, the digest is right, the name still leads here."""
    try:
        same = os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        same = False
    return same and not stream.read(1) and digest == artifact.digest.hex


def changed(artifact: Artifact) -> PublishError:
    """Word the refusal of a file that is no longer the one that was signed."""
    return PublishError(
        f"{artifact.name} was changed or removed while it was being published",
        hint="nothing is visible; restore the file, or sign again, and run the same command",
    )
