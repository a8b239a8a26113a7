"""File discipline: reads have limits, and files appear whole or not at all."""

import atexit
import contextlib
import errno
import functools
import operator
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from release_tool.core.errors import InputError, ReleaseToolError

TEMPORARY_PREFIX = ".release-tool-"
TEMPORARY: dict[Path, int] = {}
"""What exists for a while only, and which process made it."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, never waiting for a FIFO or a device.

    Symbolic links are followed; raises `InputError` for whatever is not a readable regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | flags("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
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
            # Room for what is there, not for the limit: that takes longer than to read it.
            expected = min(os.fstat(stream.fileno()).st_size, limit_bytes)
            content: bytes | None = stream.read(expected + 1)
            if content is not None and len(content) > expected:
                content += stream.read(limit_bytes - expected) or b""
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
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}-{path.name}")
    with removed_at_the_end(temporary), writable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        synchronise(temporary)
        temporary.replace(path)
        synchronise(path.parent)


@contextlib.contextmanager
def temporary_directory(
    parent: Path | None = None, prefix: str = "release-tool-"
) -> Iterator[Path]:
    """Yield a directory of our own, in `parent` or where the system keeps such, and remove it.

    Raises `InputError` where none can be made.
    """
    import tempfile  # noqa: PLC0415  (a consumer's verdict needs none)

    try:
        parent = parent or Path(tempfile.gettempdir())
    except OSError as error:
        raise InputError("there is no place for temporary files", hint="see TMPDIR") from error
    place = parent / f"{prefix}{os.urandom(8).hex()}"
    with removed_at_the_end(place):
        with writable(parent):
            place.mkdir(mode=0o700)
        yield place


@contextlib.contextmanager
def removed_at_the_end(path: Path) -> Iterator[None]:
    """Remove a path that the block may have made, however the block ends.

    It is on the list before it exists and until it is gone. A signal may come between any two
    steps of Python's, in the removal too; what it leaves over goes when the process ends.
    """
    try:
        TEMPORARY[path] = os.getpid()
        yield
    finally:
        remove_temporary(path)


def remove_temporary(path: Path) -> None:
    """Remove a file or a directory with all that is in it, as far as the system lets us."""
    remove_tree(path)
    TEMPORARY.pop(path, None)


def remove_tree(path: Path) -> None:
    """Remove what is there, not following links.

    `shutil.rmtree` closes a descriptor twice where ctrl-C comes at the wrong moment, and then ends
    in an `OSError` in its place. What it guards against, links put there by somebody else, cannot
    be: the directories are open to nobody but us.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        for name in os.listdir(path):  # noqa: PTH208  (ctrl-C may leave an iterator open)
            remove_tree(path / name)
        path.rmdir()


@atexit.register
def remove_leftovers() -> None:
    """Remove what interrupted removals left; a forked process leaves its parent's alone."""
    for path in [path for path, maker in TEMPORARY.items() if maker == os.getpid()]:
        remove_temporary(path)


@contextlib.contextmanager
def staging_directory(out: Path) -> Iterator[Path]:
    """Yield a temporary directory inside `out`, which is made if need be, and remove it.

    Where the block fails, an `out` that did not exist before is removed as well.
    """
    existed = out.exists()
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            with temporary_directory(out, TEMPORARY_PREFIX) as place:
                yield place
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


def flags(*names: str) -> int:
    """Return those of open(2)'s flags that this system has: Windows lacks most, others O_BINARY."""
    return functools.reduce(operator.or_, (getattr(os, name, 0) for name in names), 0)


def synchronise(path: Path) -> None:
    """Make a file's content, or a directory's entries, durable (POSIX fsync).

    Windows opens no directory, and flushes only what is open for writing.
    """
    windows = os.name == "nt"
    if windows and path.is_dir():
        return
    access = os.O_RDWR if windows else os.O_RDONLY
    descriptor = os.open(path, access | flags("O_CLOEXEC", "O_BINARY"))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """Say in a few words what the operating system objected to."""
    return (error.strerror or str(error)).lower()
