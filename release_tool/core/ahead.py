"""Asks the processes that hash files ahead for what they found, and lends them a hand.

Starting them is for `hashers`; what becomes of the digests is the caller's.
"""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import ReleaseToolError
from release_tool.core.hasher import RESULT, TASK
from release_tool.core.hashers import Hashers

HashFile = Callable[[Path], tuple[Sha256, int]]
"""What hashes a file and returns its digest and its size in bytes; raises `ReleaseToolError`."""


class Ahead:
    """What is known by now of the files that are being hashed.

    `hash_file` hashes one here: a file whose turn it is while nothing else is to be done, one that
    no process could hash, so that it ends in its own error, and one that nobody was told of.
    """

    def __init__(self, hashers: Hashers, hash_file: HashFile) -> None:
        self.hashers = hashers
        self.hash_file = hash_file
        self.places = {Path(path): place for place, path in enumerate(hashers.paths)}
        self.found: dict[int, tuple[Sha256, int] | None] = {}
        self.poll = select.poll()
        self.poll.register(hashers.results, select.POLLIN)

    def hash(self, path: Path) -> tuple[Sha256, int]:
        """Return a file's digest and size, waiting for a process that is at it."""
        place = self.places.get(path)
        while place is not None and place not in self.found:
            if not self.go_on():
                break
        known = None if place is None else self.found.get(place)
        return known or self.hash_file(path)

    def go_on(self) -> bool:
        """Take in a result, else hash the next file, else wait; False when no more will come."""
        answered = self.poll.poll(0)
        task = b"" if answered else os.read(self.hashers.tasks, TASK.size)
        if task:
            (place,) = TASK.unpack(task)
            self.found[place] = None
            with suppress(ReleaseToolError):
                self.found[place] = self.hash_file(Path(self.hashers.paths[place]))
            return True
        result = os.read(self.hashers.results, RESULT.size)
        if not result:
            return False
        place, hashed, size, digest = RESULT.unpack(result)
        self.found[place] = (Sha256(digest.hex()), size) if hashed else None
        return True
