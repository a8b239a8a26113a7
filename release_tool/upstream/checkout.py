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
from release_tool.recipes.recipe import Recipe
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

    `modules` are the files that may be executed, `files` the parity gate's and `published` what a
    replay needs, by their paths; `others` are the paths of all other Python files of the commit.
    `adapter` is the maintainer's.
    `notice_path` names the NOTICE at the top of the tree, also where there is none; `recognised`
    tells whether the licence is word by word the one that the recipe names.
    """

    directory: Path
    repo: str
    commit: CommitId
    modules: Mapping[str, bytes]
    license: bytes
    notice: bytes | None
    files: Mapping[str, bytes] = field(default_factory=dict)
    notice_path: str = "NOTICE"
    recognised: bool = True
    published: Mapping[str, bytes] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    adapter: bytes | None = None


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
        modules = read_pinned(repository.directory, pin.modules)
        adapter = read_adapter(recipe)
        # 3. The licence is what the release will say it is, and the very file that was audited.
        license_text = read_source(repository.directory, recipe.license.path)
        recognised = check_license(license_text, recipe.license)
        check_digest(license_text, recipe.license.path, recipe.license.sha256)
        # 4. The files on which the export will be compared.
        samples = ((file.path, file.sha256) for file in recipe.parity.files)
        files = read_pinned(repository.directory, samples)
        results = recipe.replay.files if recipe.replay else ()
        published = read_pinned(repository.directory, results)
        # 5. Nothing else was changed, openly or with the index told to look away.
        check_clean(repository, recipe)
        # 6. The NOTICE comes from the commit: no digest pins it.
        notice, name = read_notice(repository)
        others = tuple(path for path in repository.python_files() if path not in modules)
        return Checkout(
            directory=directory,
            repo=pin.repo,
            commit=repository.commit,
            modules=modules,
            license=license_text,
            notice=notice,
            files=files,
            notice_path=name,
            recognised=recognised,
            published=published,
            others=others,
            adapter=adapter,
        )


def read_source(directory: Path, inner: str) -> bytes:
    """Read a file of the checkout that does not lead out of it."""
    path = directory / inner
    if not path.resolve().is_relative_to(directory):
        raise InputError(f"{inner} of the checkout leads out of it")
    return read_limited(path, MAX_SOURCE_BYTES)


def read_pinned(directory: Path, pins: Iterable[tuple[str, Sha256]]) -> dict[str, bytes]:
    """Read files of the checkout and hold each against its pin."""
    read = {}
    for path, digest in pins:
        read[path] = read_source(directory, path)
        check_digest(read[path], path, digest)
    return read


def read_adapter(recipe: Recipe) -> bytes | None:
    """Read the maintainer's own module, which lies beside the recipe, if the recipe has one."""
    pin = recipe.adapter
    if pin is None:
        return None
    if recipe.place is None:
        raise InputError(f"{pin.path} lies beside the recipe, which was read from no file")
    content = read_source(recipe.place.resolve(), pin.path)
    found = Sha256.of_bytes(content)
    if found != pin.sha256:
        raise InputError(f"the adapter {pin.path} has {found}, the recipe pins {pin.sha256}")
    return content


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
