"""Starts processes that hash files, and ends them; `ahead` asks for what they find.

Imports next to nothing, since it is called before anything else is loaded.
"""

import os
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from release_tool.core import hasher

MAX_PROCESSES = 7
WORTH_BYTES = 16 * 1024 * 1024
"""What takes about as long to hash as a process to start."""
INHERITED = ("LD_", "DYLD_")
"""What decides how programs are loaded begins so; the environment has more, and tokens among it."""


class Hashers:
    """Processes that take one file after the other from a list, and where both ends are read.

    `tasks` holds the places of the files in `paths`, in their order, for whoever reads next;
    `results` what was found, as `hasher` writes it, until the last process is gone.
    """

    def __init__(self, paths: Sequence[str], limit_bytes: int) -> None:
        self.paths = paths
        self.limit_bytes = limit_bytes
        self.processes: list[int] = []
        self.results, self.answers = os.pipe()
        try:
            self.tasks = pipe_of_tasks(len(paths))
        except OSError:
            os.close(self.results)
            os.close(self.answers)
            raise

    def start(self, count: int) -> None:
        """Start so many processes, or as many as the system lets us."""
        arguments = [hasher.__file__, str(os.getpid()), str(self.limit_bytes), *self.paths]
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(INHERITED)
        }
        streams = [
            (os.POSIX_SPAWN_DUP2, self.tasks, 0),
            (os.POSIX_SPAWN_DUP2, self.answers, 1),
            # Where ctrl-C finds it starting, Python would have something to say.
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        with suppress(OSError):
            for _ in range(count):
                process = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-I", "-S", *arguments],
                    environment,
                    file_actions=streams,
                )
                self.processes.append(process)
        os.close(self.answers)  # so that the results end when the last process does

    def stop(self) -> None:
        """End the processes, whatever they are at."""
        os.close(self.tasks)
        os.close(self.results)
        for process in self.processes:
            # Where children are ignored (SIGCHLD), there is none to wait for, and none to kill.
            with suppress(ChildProcessError):
                if os.waitpid(process, os.WNOHANG) == (0, 0):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)


@contextmanager
def hashing(paths: Sequence[str], limit_bytes: int) -> Iterator[Hashers | None]:
    """Begin to hash files, of at most `limit_bytes` each; the processes end with the block.

    Yields None where nothing is gained, by few bytes or on one core, and where none can be started.
    """
    sizes = {path: size for path in paths if (size := size_of(path))}
    worth = sum(sizes.values()) // WORTH_BYTES
    count = min(count_cores() - 1, len(sizes), worth, MAX_PROCESSES)
    hashers = None
    if count > 0 and sys.executable:
        with suppress(OSError):  # no more descriptors
            hashers = Hashers(list(sizes), limit_bytes)
    if hashers is None:
        yield None
        return
    try:
        hashers.start(count)
        yield hashers
    finally:
        hashers.stop()


def pipe_of_tasks(count: int) -> int:
    """Return a pipe that holds the places of all files, in their order, or as many as go in.

    Nobody writes to it any more: whoever reads gets one or nothing, and never waits.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        for place in range(count):
            os.write(writing, hasher.TASK.pack(place))
    os.close(writing)
    return reading


def size_of(path: str) -> int:
    """Return a regular file's size in bytes, zero for what is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  (pathlib would have to be loaded first)
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def count_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
