"""Hashes files for another process: a program of its own, that `hashers` starts.

    python -I -S hasher.py PARENT LIMIT PATH... < places > results

Imports nothing of ours and next to nothing of Python's, so that it is at work at once.
"""

import os
import stat
import struct
import sys

TASK = struct.Struct("=I")
"""The place of a file in the list."""
RESULT = struct.Struct("=I?Q32s")
"""Its place, whether it could be hashed, its size in bytes and its SHA-256 digest (FIPS 180-4).

Both are smaller than PIPE_BUF: what several processes write never mixes (POSIX, write).
"""
WINDOW_BYTES = 16 * 1024 * 1024
FAILED = (False, 0, b"")


class Orphaned(Exception):
    """Who waits for the results has ended."""


def hash_all(tasks: int, results: int, parent: int, limit_bytes: int, paths: list[str]) -> None:
    """Hash what is next on the list, until nothing is left or nobody waits for it."""
    while task := os.read(tasks, TASK.size):
        (place,) = TASK.unpack(task)
        try:
            found = (True, *hash_path(paths[place], parent, limit_bytes))
        except (OSError, ValueError):
            found = FAILED
        os.write(results, RESULT.pack(place, *found))


def hash_path(path: str, parent: int, limit_bytes: int) -> tuple[int, bytes]:
    """Return the size and the digest of a regular file; raises `OSError` or `ValueError`.

    Raises `Orphaned` once nobody waits for it.
    Maps the file window by window, which saves copying it. Where a mapped file shrinks meanwhile,
    its process ends (SIGBUS): here that is not the one that reaches the verdict.
    """
    from hashlib import sha256  # noqa: PLC0415  (neither for who only wants the forms above)
    from mmap import PROT_READ, mmap  # noqa: PLC0415

    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        # Files that are made as they are read, like those of /proc, state no size.
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= limit_bytes:
            raise ValueError("not a regular file of a size within the limit")
        hasher = sha256()
        for start in range(0, status.st_size, WINDOW_BYTES):
            if os.getppid() != parent:
                raise Orphaned
            length = min(WINDOW_BYTES, status.st_size - start)
            with mmap(descriptor, length, prot=PROT_READ, offset=start) as window:
                hasher.update(window)
        if os.fstat(descriptor).st_size != status.st_size:
            raise ValueError("it changed while it was read")
    finally:
        os.close(descriptor)
    return status.st_size, hasher.digest()


def main() -> None:
    """Run as a program."""
    from resource import RLIMIT_CORE, setrlimit  # noqa: PLC0415

    setrlimit(RLIMIT_CORE, (0, 0))  # a file that shrinks is no reason to leave another one
    try:
        hash_all(0, 1, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    except (Orphaned, BrokenPipeError):
        sys.exit(1)


if __name__ == "__main__":
    main()
