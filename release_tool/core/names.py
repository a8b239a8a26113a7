"""Names from outside, parsed once at the border: repositories, tags, commits, asset names.

The character sets are GitHub's and git's; nothing here knows what a name refers to.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self

from release_tool.core.errors import InputError, UsageError
from release_tool.core.hexadecimal import HexText

OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
COMMIT = re.compile(r"[0-9a-f]{40}")
NUMBER = re.compile(r"[1-9][0-9]{0,19}")
ASSET_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class RepoSlug:
    """A GitHub repository as `owner/name`, in the letters that the user gave."""

    owner: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `owner/name`; raises `UsageError` for anything else."""
        owner, slash, name = text.partition("/")
        legal = OWNER.fullmatch(owner) and REPOSITORY.fullmatch(name) and name not in {".", ".."}
        if not slash or not legal:
            raise UsageError(
                f"not a repository: {text[:120]!r}", hint="write it as OWNER/NAME, as on GitHub"
            )
        return cls(owner, name)

    @property
    def url(self) -> str:
        """The repository's address on github.com, as Fulcio writes it into certificates."""
        return f"https://github.com/{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class Tag:
    """A release's tag: one path segment that git, GitHub and a URL all take unchanged."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a tag; raises `UsageError` where git or GitHub would refuse or change it."""
        # A tag that looks like a commit, or is git's own name for one, would be confused with it.
        confusing = text in {"HEAD", "refs"} or COMMIT.fullmatch(text.lower())
        legal = TAG.fullmatch(text) and ".." not in text and not text.endswith((".", ".lock"))
        if not legal or confusing:
            raise UsageError(
                f"not a tag that can be released: {text[:120]!r}",
                hint="use letters, digits, '.', '_', '+' and '-', starting with a letter or digit",
            )
        return cls(text)

    def __str__(self) -> str:
        return self.name


class Latest(StrEnum):
    """Whether GitHub shows a release as the repository's latest, in the words of its API.

    `LEGACY` leaves it to GitHub, which compares dates and versions.
    https://docs.github.com/en/rest/releases/releases#update-a-release, `make_latest`
    """

    YES = "true"
    NO = "false"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a release is or goes: a repository, a tag, and the commitish a new tag will name.

    Without `latest` the repository decides: a model never takes the place of other releases.
    """

    repo: RepoSlug
    tag: Tag
    target: str | None = None
    latest: Latest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `OWNER/NAME@TAG`; raises `UsageError`."""
        repo, at, tag = text.partition("@")
        if not at:
            raise UsageError(f"not a release: {text[:200]!r}", hint="write it as OWNER/NAME@TAG")
        return cls(RepoSlug.parse(repo), Tag.parse(tag))

    def __str__(self) -> str:
        return f"{self.repo}@{self.tag}"


class CommitId(HexText):
    """A git commit, as 40 lowercase hexadecimal digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a full commit id; raises `InputError` for an abbreviation or anything else."""
        if not COMMIT.fullmatch(text):
            raise InputError(f"not a full git commit id: {text[:80]!r}")
        return cls(text)


def check_number(text: str | None) -> None:
    """Refuse what is no id of GitHub's, a positive number; None is not looked at."""
    if text is not None and not NUMBER.fullmatch(text):
        raise UsageError(f"not a numeric id: {text[:80]!r}")


def check_asset_name(name: str) -> str:
    """Return `name` if GitHub stores it unchanged, else raise `InputError`.

    GitHub silently changes characters outside `[A-Za-z0-9._-]` and leading dots.
    """
    if not ASSET_NAME.fullmatch(name):
        raise InputError(
            f"GitHub would change the asset name {name[:120]!r}",
            hint="use letters, digits, '.', '_' and '-', not starting with '.'",
        )
    return name


def check_inner_path(path: str) -> str:
    """Return a path inside the upstream tree, or raise `InputError` if it could leave it."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise InputError(f"not a path inside the upstream tree: {path[:120]!r}")
    return path
