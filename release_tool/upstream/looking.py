"""Looks at a checkout that nothing pins yet, for whoever writes the recipe that will.

What is read here was audited by nobody: it is for the eyes of a person and for a first export.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import CommitId
from release_tool.upstream.checkout import MAX_SOURCE_BYTES, listed, read_source
from release_tool.upstream.git import GitRefusal, open_repository, run_git
from release_tool.upstream.license import identify

LICENSE = re.compile(r"(licen[sc]e|copying)([.-].*)?", re.IGNORECASE)
GITHUB = re.compile(
    r"(?:git@github\.com:|(?:ssh://git@|https://)github\.com/)([\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
MAX_MODULES = 5000


@dataclass(frozen=True, slots=True)
class SeenCheckout:
    """What a checkout holds: its commit, every Python file, and its licence.

    `origin` is where it was cloned from, if that is an https address; `spdx` the licence's
    identifier, if its text is one that is recognised.
    """

    directory: Path
    commit: CommitId
    origin: str | None
    modules: dict[str, bytes]
    license_path: str
    license_sha256: Sha256
    license_text: str
    spdx: str | None


def look_at_checkout(directory: Path, checkpoint: Path) -> SeenCheckout:
    """Read a clean checkout; raises `InputError`. The checkpoint may lie in it."""
    with open_repository(directory) as repository:
        top = repository.directory
        changes = [p for p in repository.changes() if (top / p).resolve() != checkpoint.resolve()]
        if changes:
            raise InputError(
                f"the checkout is not clean: {listed(changes)}",
                hint="commit what belongs to the network, so that a commit pins it",
            )
        paths = repository.python_files()
        if len(paths) > MAX_MODULES:
            raise InputError(f"the checkout has more than {MAX_MODULES} Python files")
        modules = {path: read_source(top, path) for path in paths}
        name, text = read_license(top, [blob.path for blob in repository.blobs()])
        return SeenCheckout(
            directory=top,
            commit=repository.commit,
            origin=read_origin(top),
            modules=modules,
            license_path=name,
            license_sha256=Sha256.of_bytes(text),
            license_text=text.decode(errors="replace"),
            spdx=identify(text),
        )


def read_license(directory: Path, names: list[str]) -> tuple[str, bytes]:
    """Read the licence at the top of a tree, of several the first that is recognised."""
    found = [(name, read_source(directory, name)) for name in names if LICENSE.fullmatch(name)]
    if not found:
        raise InputError(
            "the checkout has no LICENSE at its top",
            hint="nobody may pass on what has no licence; ask its authors",
        )
    known = [each for each in found if identify(each[1][:MAX_SOURCE_BYTES]) is not None]
    return (known or found)[0]


def read_origin(directory: Path) -> str | None:
    """Return the https address of the repository that a checkout was cloned from, if it has one."""
    asked = ["config", "--file", str(directory / ".git" / "config"), "--get", "remote.origin.url"]
    try:
        url = run_git(asked, directory, {}).decode(errors="replace").strip()
    except GitRefusal:
        return None
    found = GITHUB.fullmatch(url)
    if found:
        return f"https://github.com/{found[1]}"
    return url if url.startswith("https://") and "@" not in url else None
