"""The place where a download waits for its verdict, kept only while resuming it makes sense."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from release_tool.core.errors import Interrupted, TryAgain
from release_tool.core.files import TEMPORARY_PREFIX, remove_tree, writable
from release_tool.core.locks import take_lock
from release_tool.core.names import Destination


@contextmanager
def open_quarantine(directory: Path, release: Destination) -> Iterator[Path]:
    """Yield the hidden directory inside `directory` where the files of `release` arrive.

    It is removed at the end, unless the network failed or somebody interrupted: then the next run
    resumes from it. Raises `TryAgain` while another run uses it.
    """
    name = f"{TEMPORARY_PREFIX}{release.repo.owner}-{release.repo.name}-{release.tag}"
    place = directory / name
    with writable(directory):
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        take_lock(descriptor, place, f"fetching {release}")
        with discarded_unless_resumable(place):
            yield place
    finally:
        os.close(descriptor)


@contextmanager
def discarded_unless_resumable(place: Path) -> Iterator[None]:
    """Remove the directory at the end, but keep it where a later run can go on from it."""
    try:
        yield
    except (TryAgain, Interrupted, KeyboardInterrupt):
        raise
    except BaseException:
        remove_tree(place)
        raise
    remove_tree(place)
