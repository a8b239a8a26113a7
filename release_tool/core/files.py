"""File discipline: reads have limits, and files appear whole or not at all."""

import contextlib
import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from release_tool.core.errors import InputError, ReleaseToolError

TEMPORARY_PREFIX = ".release-tool-"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, never waiting for a FIFO or a device.

    Symbolic links are followed; raises `InputError` for whatever is not a readable regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    except ValueError as error:  # a null byte, which no file's name can have
        raise InputError(f"cannot read {str(path)!r}: {error}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"cannot read {path}: not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    # From here on the stream alone owns the descriptor, whatever interrupts.
    return os.fdopen(descriptor, "rb")


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """Read a regular file of at most `limit_bytes`; raises `InputError`."""
    with open_regular(path) as stream:
        try:
            content: bytes | None = stream.read(limit_bytes + 1)
        except OSError as error:
            raise InputError(f"cannot read {path}: {reason(error)}") from error
    if content is None:  # opened not to wait, and there is nothing to read yet (PEP 3116)
        raise InputError(f"cannot read {path}: it gives no bytes and does not end")
    if len(content) > limit_bytes:
        raise InputError(f"{path} is larger than {limit_bytes} bytes")
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all, and survives a power cut."""
    with new_file(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there once the block ends well.

    The temporary file is synchronised before the move and removed if the block fails.
    Raises `InputError` where the directory cannot be written or the disk is full.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{path.name}")
    try:
        with writable(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            synchronise(temporary)
            temporary.replace(path)
            synchronise(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def staging_directory(out: Path) -> Iterator[Path]:
    """Yield a temporary directory inside `out`, which is made if need be, and remove it.

    Where the block fails, an `out` that did not exist before is removed as well.
    """
    existed = out.exists()
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=out) as name:
                yield Path(name)
        except BaseException:
            if not existed:
                with contextlib.suppress(OSError):
                    out.rmdir()
            raise


def install_files(staged: Path, out: Path, *, last: str) -> None:
    """Move staged files into `out`, the one called `last` after all that it describes."""
    for path in sorted(staged.iterdir(), key=lambda path: path.name == last):
        synchronise(path)
        path.replace(out / path.name)
    synchronise(out)


@contextlib.contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into an `InputError` that says where."""
    try:
        yield
    except ReleaseToolError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room there" if full else "choose a directory that can be written"
        raise InputError(f"cannot write to {directory}: {reason(error)}", hint=hint) from error


def synchronise(path: Path) -> None:
    """Make a file's content, or a directory's entries, durable (POSIX fsync)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """Say in a few words what the operating system objected to."""
    return (error.strerror or str(error)).lower()
