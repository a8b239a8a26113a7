"""Asks git about a directory that may be hostile, so that nothing in it is ever executed.

A repository's own configuration can name programs (file-system monitors, clean filters, lazy
fetches). So nearly everything is asked through a git directory of our own, made for the occasion,
with an empty configuration, that borrows the repository's objects and index.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.errors import InputError
from release_tool.core.files import temporary_directory, writable
from release_tool.core.names import CommitId
from release_tool.core.programs import absolute_path, find_git

TIMEOUT_SECONDS = 120
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
# Passed to every call. `safe.directory` only lifts git's refusal to read another user's
# repository; that refusal exists because of the configuration that is not obeyed here anyway.
SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.excludesFile=/dev/null",
    "core.attributesFile=/dev/null",
    "protocol.allow=never",
    "submodule.recurse=false",
    "safe.directory=*",
)


class GitRefusal(InputError):
    """Git itself says that it cannot do what it was asked."""


def git_environment() -> dict[str, str]:
    """Return the few variables that git is given: none of the user's own but PATH."""
    return {
        "PATH": absolute_path(os.environ),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def run_git(arguments: list[str], directory: Path, variables: dict[str, str]) -> bytes:
    """Run git with a scrubbed environment; raises `InputError` with git's own last line."""
    settings = [part for setting in SETTINGS for part in ("-c", setting)]
    command = [find_git(os.environ), "--no-pager", *settings, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=git_environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed, so the checkout cannot be audited") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"git could not read {directory}: {error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise GitRefusal(f"git could not read {directory}: {lines[-1][:200]}")
    if len(done.stdout) > MAX_OUTPUT_BYTES:
        raise InputError(f"git says too much about {directory}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a commit: its path, object id and mode."""

    path: str
    object_id: str
    mode: str


@dataclass(frozen=True, slots=True)
class WorkingCopy:
    """A working copy at one commit, and the borrowed git directory through which it is read."""

    directory: Path
    commit: CommitId
    variables: dict[str, str]

    def ask(self, *arguments: str) -> bytes:
        """Run git on this working copy."""
        return run_git(list(arguments), self.directory, self.variables)

    def changes(self) -> list[str]:
        """Return the paths that differ from the commit: staged, changed, untracked."""
        # Submodules are compared by commit only: looking into one would obey its configuration.
        output = self.ask(
            "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all",
            "--ignore-submodules=dirty",
        )  # fmt: skip
        return [entry[3:] for entry in output.decode(errors="replace").split("\0") if entry]

    def hidden(self) -> list[str]:
        """Return the paths whose changes the index hides: assumed unchanged, or skipped but there.

        A sparse checkout skips files too, but then they are not in the working copy.
        """
        output = self.ask("ls-files", "-v", "-z").decode(errors="replace")
        flagged = [(entry[:1], entry[2:]) for entry in output.split("\0") if entry]
        return [
            path
            for flag, path in flagged
            if flag.islower() or (flag == "S" and os.path.lexists(self.directory / path))
        ]

    def blobs(self) -> list[Blob]:
        """Return the files at the top of the commit's tree."""
        blobs = []
        for entry in (
            self.ask("ls-tree", "-z", self.commit.hex).decode(errors="replace").split("\0")
        ):
            meta, tab, path = entry.partition("\t")
            mode, _, rest = meta.partition(" ")
            kind, _, object_id = rest.partition(" ")
            if tab and kind == "blob":
                blobs.append(Blob(path, object_id, mode))
        return blobs

    def python_files(self) -> list[str]:
        """Return the paths of all Python files of the commit."""
        output = self.ask("ls-tree", "-r", "-z", "--name-only", self.commit.hex)
        paths = output.decode(errors="replace").split("\0")
        return [path for path in paths if path.endswith(".py")]

    def read(self, blob: Blob, limit_bytes: int) -> bytes:
        """Read a file from the commit, not from the working copy."""
        size = int(self.ask("cat-file", "-s", blob.object_id))
        if size > limit_bytes:
            raise InputError(f"{blob.path} of the checkout is larger than {limit_bytes} bytes")
        return self.ask("cat-file", "blob", blob.object_id)


@contextlib.contextmanager
def open_repository(directory: Path) -> Iterator[WorkingCopy]:
    """Open the repository whose top is `directory`; raises `InputError` for anything else."""
    if not directory.is_dir():
        raise InputError(f"there is no checkout at {directory}: not a directory")
    # `rev-parse` reads paths and one ref; it runs nothing and reads no object. Searching upwards
    # is stopped at the directory: a subfolder of another repository is no checkout.
    fence = {"GIT_CEILING_DIRECTORIES": str(directory.resolve().parent)}
    try:
        paths = run_git(
            ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-path", "objects",
             "--git-path", "index"],
            directory,
            fence,
        )  # fmt: skip
        head = run_git(["rev-parse", "--verify", "--end-of-options", "HEAD"], directory, fence)
    except GitRefusal as error:
        raise InputError(
            f"{directory} is not a git repository with a commit",
            hint="give the top directory of a clone of the upstream project",
        ) from error
    top, objects, index = paths.decode(errors="surrogateescape").splitlines()[:3]
    if Path(top).resolve() != directory.resolve():
        raise InputError(f"{directory} is not the top of its git repository, {top} is")
    commit = CommitId.parse(head.decode().strip())
    with temporary_directory() as borrowed, writable(borrowed):
        yield WorkingCopy(
            directory.resolve(),
            commit,
            borrow(borrowed, directory.resolve(), commit)
            | {
                "GIT_OBJECT_DIRECTORY": objects,
                "GIT_INDEX_FILE": index,
            },
        )


def borrow(place: Path, directory: Path, commit: CommitId) -> dict[str, str]:
    """Make a git directory with an empty configuration and the commit as its detached HEAD."""
    for name in ("objects", "refs"):
        (place / name).mkdir()
    (place / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n")
    (place / "HEAD").write_text(f"{commit.hex}\n")
    return {"GIT_DIR": str(place), "GIT_WORK_TREE": str(directory)}
