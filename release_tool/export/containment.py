"""Keeps upstream's code from files and connections while its network is built and run.

It is for honest code that would make an export depend on its surroundings; what code with bad
intentions could do, the worker's empty environment and the gates outside of it are for.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from release_tool.core.errors import InputError

CONNECTIONS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto"}
)
PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})
DEVICES = ("/dev/", "/proc/", "/sys/", "<")


class Watch:
    """What is refused, and the first thing that was."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        self.active = False
        self.refused: InputError | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse an event of the interpreter (PEP 578) while the watch is on."""
        if not self.active:
            return
        if event in CONNECTIONS:
            self.refuse("opens a connection", "an export needs no network")
        if event in PROGRAMS:
            self.refuse("starts a program", "an export starts none")
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - no file is looked at
            if not path.startswith(self.allowed):
                self.refuse(f"opens {path[:200]}", "only pinned modules are there for it")

    def refuse(self, what: str, hint: str) -> None:
        """Stop what is going on, and remember why, in case the code goes on without it."""
        self.refused = self.refused or InputError(f"upstream's code {what}", hint=hint)
        raise self.refused


def make_watch(directory: Path) -> Watch:
    """Make a watch that allows the interpreter's own files and a private directory."""
    places = {sys.prefix, sys.base_prefix, str(directory), *sysconfig.get_paths().values()}
    places |= {str(Path(path).absolute()) for path in (*sys.path, *site.getsitepackages()) if path}
    watch = Watch((*(f"{place}/" for place in places), *DEVICES))
    sys.addaudithook(watch)
    return watch


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Refuse files and connections while upstream's code runs; raises `InputError`."""
    watch.active = True
    try:
        yield
    finally:
        watch.active = False
        if watch.refused is not None:
            raise watch.refused
