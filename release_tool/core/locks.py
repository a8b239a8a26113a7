"""One process at a time in a directory; the lock goes with the process, however it ends.

What is done in the directory, and whether to wait for it, is the caller's.
"""

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from release_tool.core.errors import TryAgain
from release_tool.core.files import writable

WAIT_SECONDS = 0.1


@contextlib.contextmanager
def only_one(directory: Path, what: str) -> Iterator[None]:
    """Let no other process do `what` in `directory` meanwhile, which is made if need be.

    The lock is on the directory itself and goes with the process, however it ends; it leaves no
    file, and no directory if nothing came into it. Raises `TryAgain` while another has it.
    """
    made: set[Path] = set()
    descriptor = open_directory(directory, made)
    try:
        take_lock(descriptor, directory, what)
        with empty_ones_removed(made):
            yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def in_turn(directory: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process is at work in `directory`, and let none begin meanwhile.

    It is the same lock as that of `only_one`. Says once that it waits. Where the file system locks
    no directories there is no waiting.
    """
    made: set[Path] = set()
    for attempt in itertools.count():
        descriptor = open_directory(directory, made)
        try:
            try:
                free = try_lock(descriptor, directory)
            except OSError:
                free = True
            if free:
                with empty_ones_removed(made):
                    yield
                return
        finally:
            os.close(descriptor)
        if attempt == 0:
            say(f"another process is at work in {directory}, waiting for it to finish")
        time.sleep(WAIT_SECONDS)


def open_directory(directory: Path, made: set[Path]) -> int:
    """Open a directory, which is made if need be; what did not exist before goes into `made`."""
    with writable(directory):
        while True:
            made.update(path for path in (directory, *directory.parents) if not path.exists())
            directory.mkdir(parents=True, exist_ok=True)
            # Who had it before may remove it at this very moment.
            with contextlib.suppress(FileNotFoundError):
                return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextlib.contextmanager
def empty_ones_removed(made: set[Path]) -> Iterator[None]:
    """Remove those directories that have nothing in them once the block ends, however it does."""
    try:
        yield
    finally:
        for path in sorted(made, reverse=True):  # what is inside another comes before it
            with contextlib.suppress(OSError):
                path.rmdir()


def take_lock(descriptor: int, directory: Path, what: str) -> None:
    """Lock an open directory, which must still be the one of that name; raises `TryAgain`."""
    try:
        if try_lock(descriptor, directory):
            return
        cause = None
    except OSError as error:
        cause = error
    raise TryAgain(
        f"another process is {what} in {directory}", hint="let it finish, or name another directory"
    ) from cause


def try_lock(descriptor: int, directory: Path) -> bool:
    """Lock an open directory, unless another process has it or it is no more that of its name.

    Raises `OSError` where nobody could lock it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
