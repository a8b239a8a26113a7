"""Audits a working copy of the upstream project: right commit, clean tree, pinned files.

What was audited leaves here as bytes, so that what is used later is what was looked at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.core.names import CommitId
from release_tool.recipes.recipe import Picture, Recipe
from release_tool.upstream.git import WorkingCopy, open_repository
from release_tool.upstream.license import check_license, find_notice

MAX_SOURCE_BYTES = 4 * 1024 * 1024
LINE_ENDINGS_HINT = (
    "clone it without converting line endings: git clone -c core.autocrlf=false ADDRESS; "
    "or leave --upstream-dir out, then it is fetched so"
)
REGULAR_MODES = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """An audited checkout; what it holds are the very bytes that were checked.

    `pictures` are the parity gate's, `published` what a replay needs, by their path.
    `notice_path` names the NOTICE at the top of the tree, also where there is none; `recognised`
    tells whether the licence is word by word the one that the recipe names.
    """

    directory: Path
    repo: str
    commit: CommitId
    module: bytes
    license: bytes
    notice: bytes | None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    notice_path: str = "NOTICE"
    recognised: bool = True
    published: Mapping[str, bytes] = field(default_factory=dict)


def open_checkout(directory: Path, recipe: Recipe) -> Checkout:
    """Audit a checkout against a recipe; raises `InputError` naming the first thing that is wrong.

    The only untracked file that may lie in it is the checkpoint, where upstream wants it to be.
    """
    pin = recipe.upstream
    with open_repository(directory) as repository:
        # 1. The commit, as git knows it.
        if repository.commit != pin.commit:
            raise InputError(
                f"the checkout is at commit {repository.commit}, the recipe pins {pin.commit}",
                hint=f"git -C {directory} checkout {pin.commit}",
            )
        # 2. The pinned files, read once; from here on these bytes are what counts.
        module = read_source(repository.directory, pin.module_path)
        check_digest(module, pin.module_path, pin.module_sha256)
        # 3. The licence is what the release will say it is, and the very file that was audited.
        license_text = read_source(repository.directory, recipe.license.path)
        recognised = check_license(license_text, recipe.license)
        check_digest(license_text, recipe.license.path, recipe.license.sha256)
        # 4. The pictures on which the export will be compared.
        pictures = read_pictures(repository.directory, recipe.parity.pictures)
        published = read_published(repository.directory, recipe)
        # 5. Nothing else was changed, openly or with the index told to look away.
        check_clean(repository, recipe)
        # 6. The NOTICE comes from the commit: no digest pins it.
        notice, name = read_notice(repository)
        return Checkout(
            directory,
            pin.repo,
            repository.commit,
            module,
            license_text,
            notice,
            pictures,
            name,
            recognised,
            published,
        )


def read_source(directory: Path, inner: str) -> bytes:
    """Read a file of the checkout that does not lead out of it."""
    path = directory / inner
    if not path.resolve().is_relative_to(directory):
        raise InputError(f"{inner} of the checkout leads out of it")
    return read_limited(path, MAX_SOURCE_BYTES)


def read_pictures(directory: Path, pictures: Iterable[Picture]) -> dict[str, bytes]:
    """Read the pictures that a recipe pins, each once."""
    read = {}
    for picture in pictures:
        content = read_source(directory, picture.path)
        check_digest(content, picture.path, picture.sha256)
        read[picture.path] = content
    return read


def read_published(directory: Path, recipe: Recipe) -> dict[str, bytes]:
    """Read upstream's published results and their pictures, where the recipe pins any."""
    read = {}
    for path, digest in recipe.replay.files if recipe.replay else ():
        read[path] = read_source(directory, path)
        check_digest(read[path], path, digest)
    return read


def check_digest(content: bytes, inner: str, expected: Sha256) -> None:
    """Compare a file of the checkout with its pin."""
    found = Sha256.of_bytes(content)
    if found != expected and Sha256.of_bytes(content.replace(b"\r\n", b"\n")) == expected:
        raise InputError(
            f"{inner} of the checkout has other line endings than the audited file, CRLF for LF: "
            "git was told to convert them",
            hint=LINE_ENDINGS_HINT,
        )
    if found != expected:
        raise InputError(
            f"{inner} of the checkout is not the audited one: it has {found}, "
            f"the recipe pins {expected}"
        )


def check_clean(repository: WorkingCopy, recipe: Recipe) -> None:
    """Check that the working copy is the commit and nothing but the commit."""
    hidden = repository.hidden()
    if hidden:
        raise InputError(
            f"the checkout's index hides changes to {listed(hidden)}",
            hint="git update-index --no-assume-unchanged --no-skip-worktree FILE",
        )
    changes = [path for path in repository.changes() if path != recipe.checkpoint.path]
    if changes:
        raise InputError(
            f"the checkout is not clean: {listed(changes)}",
            hint=f"git -C {repository.directory} status shows what differs from the commit",
        )


def listed(paths: list[str]) -> str:
    """Name the first few of some paths."""
    shown = ", ".join(repr(path[:80]) for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def read_notice(repository: WorkingCopy) -> tuple[bytes | None, str]:
    """Read the NOTICE at the top of the commit, if upstream has one, and its name."""
    blobs = {blob.path: blob for blob in repository.blobs()}
    name = find_notice(list(blobs))
    if name is None:
        return None, "NOTICE"
    if blobs[name].mode not in REGULAR_MODES:
        raise InputError(f"{name} of the checkout is not a regular file")
    return repository.read(blobs[name], MAX_SOURCE_BYTES), name
