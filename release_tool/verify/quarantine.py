"""The place where a download waits for its verdict, kept only while resuming it makes sense."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from release_tool.core.errors import Interrupted, TryAgain
from release_tool.core.files import TEMPORARY_PREFIX, remove_tree, writable
from release_tool.core.locks import open_lockable, take_lock
from release_tool.core.names import Destination


@contextmanager
def open_quarantine(directory: Path, release: Destination) -> Iterator[Path]:
    """Yield the hidden directory inside `directory` where the files of `release` arrive.

    It is removed at the end, unless the network failed or somebody interrupted: then the next run
    resumes from it. What lies there already may have been put there by somebody else, to have the
    download overwrite another file: links are removed. Raises `TryAgain` while another run uses it.
    """
    name = f"{TEMPORARY_PREFIX}{release.repo.owner}-{release.repo.name}-{release.tag}"
    place = directory / name
    with writable(directory):
        if place.is_symlink():
            place.unlink()
        place.mkdir(parents=True, exist_ok=True)
        opened = open_lockable(place, follow=False)
    try:
        take_lock(opened, f"fetching {release}")
        with writable(place):
            remove_all_but_files(place)
        with discarded_unless_resumable(place):
            yield place
    finally:
        opened.close()


def remove_all_but_files(place: Path) -> None:
    """Remove what is no regular file of one name alone: links, directories, devices."""
    for path in place.iterdir():
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            remove_tree(path)
        elif not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            path.unlink()


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
