"""One process at a time in a directory; the lock goes with the process, however it ends.

What is done in the directory, and whether to wait for it, is the caller's.
"""

import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from release_tool.core.errors import TryAgain
from release_tool.core.files import flags, writable

try:
    import fcntl
except ModuleNotFoundError:  # Windows, which opens and locks no directories
    import tempfile

    import filelock

WAIT_SECONDS = 0.1


class LockedThemselves:
    """A directory that is opened and locked itself (flock(2)); it must still be that of its name.

    Making one raises `OSError` where the directory cannot be opened.
    """

    def __init__(self, directory: Path, *, follow: bool = True) -> None:
        self.directory = directory
        names = (
            ("O_DIRECTORY", "O_CLOEXEC") if follow else ("O_DIRECTORY", "O_CLOEXEC", "O_NOFOLLOW")
        )
        self.descriptor = os.open(directory, os.O_RDONLY | flags(*names))

    def take(self) -> bool:
        """Lock it, unless another process has it; raises `OSError` where nobody could lock it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(self.descriptor), self.directory.stat())
        except (BlockingIOError, FileNotFoundError):
            return False

    def close(self) -> None:
        """Give it up."""
        os.close(self.descriptor)


class LockedByName:
    """A directory for which a file is locked, outside it, where a system locks no directories.

    Making one raises `OSError` for what is no directory, or a link where none is to be followed.
    """

    def __init__(self, directory: Path, *, follow: bool = True) -> None:
        if not directory.is_dir() or (directory.is_symlink() and not follow):
            raise NotADirectoryError(f"not a directory: {directory}")
        self.directory = directory
        name = hashlib.sha256(os.fsencode(os.path.normcase(directory.resolve()))).hexdigest()
        place = os.path.join(tempfile.gettempdir(), f"release-tool-{name[:32]}.lock")  # noqa: PTH118
        self.lock = filelock.FileLock(place)

    def take(self) -> bool:
        """Lock it, unless another process has it; raises `OSError` where nobody could lock it."""
        try:
            self.lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        return self.directory.is_dir()

    def close(self) -> None:
        """Give it up."""
        self.lock.release()


Lockable = LockedThemselves | LockedByName


def open_lockable(directory: Path, *, follow: bool = True) -> Lockable:
    """Open an existing directory to lock it; raises `OSError`."""
    locked = LockedThemselves if "fcntl" in globals() else LockedByName
    return locked(directory, follow=follow)


@contextlib.contextmanager
def only_one(directory: Path, what: str) -> Iterator[None]:
    """Let no other process do `what` in `directory` meanwhile, which is made if need be.

    The lock is on the directory itself and goes with the process, however it ends; it leaves no
    file, and no directory if nothing came into it. Raises `TryAgain` while another has it.
    """
    made: set[Path] = set()
    opened = open_directory(directory, made)
    try:
        take_lock(opened, what)
        with empty_ones_removed(made):
            yield
    finally:
        opened.close()


@contextlib.contextmanager
def in_turn(directory: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process is at work in `directory`, and let none begin meanwhile.

    It is the same lock as that of `only_one`. Says once that it waits. Where the file system locks
    no directories there is no waiting.
    """
    made: set[Path] = set()
    for attempt in itertools.count():
        opened = open_directory(directory, made)
        try:
            try:
                free = opened.take()
            except OSError:
                free = True
            if free:
                with empty_ones_removed(made):
                    yield
                return
        finally:
            opened.close()
        if attempt == 0:
            say(f"another process is at work in {directory}, waiting for it to finish")
        time.sleep(WAIT_SECONDS)


def open_directory(directory: Path, made: set[Path]) -> Lockable:
    """Open a directory, which is made if need be; what did not exist before goes into `made`."""
    with writable(directory):
        while True:
            made.update(path for path in (directory, *directory.parents) if not path.exists())
            directory.mkdir(parents=True, exist_ok=True)
            # Who had it before may remove it at this very moment.
            with contextlib.suppress(FileNotFoundError):
                return open_lockable(directory)


@contextlib.contextmanager
def empty_ones_removed(made: set[Path]) -> Iterator[None]:
    """Remove those directories that have nothing in them once the block ends, however it does."""
    try:
        yield
    finally:
        for path in sorted(made, reverse=True):  # what is inside another comes before it
            with contextlib.suppress(OSError):
                path.rmdir()


def take_lock(opened: Lockable, what: str) -> None:
    """Lock an open directory, which must still be the one of that name; raises `TryAgain`."""
    try:
        if opened.take():
            return
        cause = None
    except OSError as error:
        cause = error
    raise TryAgain(
        f"another process is {what} in {opened.directory}",
        hint="let it finish, or name another directory",
    ) from cause
