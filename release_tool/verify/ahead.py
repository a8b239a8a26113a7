"""Hashes the files of one call in threads, while the main one loads libraries and judges.

Computing a digest releases the interpreter (`hashlib`). Nothing is decided here: who asks for a
digest gets it, or the error of its own file.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread

from release_tool.core.digest import Sha256
from release_tool.core.errors import ReleaseToolError
from release_tool.verify.locate import HashFile, hash_model

MAX_THREADS = 7


class Pending:
    """A file that is hashed once, by a thread or by who asks for its digest first."""

    def __init__(self, path: Path, hash_file: HashFile) -> None:
        self.path = path
        self.hash_file = hash_file
        self.lock = Lock()
        self.found: tuple[Sha256, int] | None = None

    def hash(self) -> tuple[Sha256, int]:
        """Return digest and size, waiting for a thread that is computing them.

        An error is not kept: whoever asks next reads the file again and gets its own.
        """
        with self.lock:
            if self.found is None:
                self.found = self.hash_file(self.path)
            return self.found


@contextmanager
def hashing_ahead(paths: Sequence[Path], hash_file: HashFile = hash_model) -> Iterator[HashFile]:
    """Begin to hash files in threads, and yield what returns a file's digest and size.

    The threads take the files in their order. With the block they end, each after the file that it
    is reading; the end of the process waits for none of them.
    """
    files = {path: Pending(path, hash_file) for path in paths}
    waiting = deque(files.values())

    def work() -> None:
        with suppress(IndexError):  # none is left
            while True:
                pending = waiting.popleft()
                with suppress(ReleaseToolError):
                    pending.hash()

    for _ in range(min(len(files), count_cores(), MAX_THREADS)):
        Thread(target=work, daemon=True).start()
    try:
        yield lambda path: files[path].hash() if path in files else hash_file(path)
    finally:
        waiting.clear()


def count_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
