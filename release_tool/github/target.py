"""At which commit a release's tag will stand, and what GitHub has to be told of that.

A new tag at a commit whose workflow files are not those of the default branch's head needs the
permission `workflows`, which GITHUB_TOKEN never has: GitHub answers 403, whatever else is granted.
Without a target, or where the git tag is there already, that does not arise.
"""

from dataclasses import dataclass
from typing import Any

from release_tool.core.errors import ConflictError, PublishError, ReleaseToolError
from release_tool.core.names import CommitId, RepoSlug, Tag
from release_tool.github.client import GitHub
from release_tool.github.failures import Forbidden, Refused
from release_tool.github.remote import an_object, field, parse_list


@dataclass(frozen=True, slots=True)
class Ready:
    """That a repository can take a release, and where its tag will stand.

    `commit` is the tag's, where it is known beforehand. `target` is what GitHub is told: None for
    the default `branch`, or where the git tag is there. `moved` says that the workflow files at
    `commit` are not those of the branch's head.
    """

    commit: CommitId | None
    branch: str
    target: str | None = None
    moved: bool = False

    @property
    def repeated(self) -> str:
        """Give what a change of the draft must repeat, lest GitHub take its tag away."""
        return self.target or self.branch


def find_target(github: GitHub, repo: RepoSlug, branch: str, tag: Tag, target: str | None) -> Ready:
    """Find out where the tag will stand; `branch` is the default one.

    Raises `PublishError` for a target that is not there, and `ConflictError` for a git tag that
    stands at another commit already: GitHub would then silently ignore the target.
    """
    commit = None if target is None else github.fetch_commit(repo, target)
    if target is not None and commit is None:
        raise PublishError(
            f"{repo} has no branch or commit {target[:120]!r}", hint="push the commit first"
        )
    existing = github.fetch_commit(repo, f"tags/{tag}")
    if existing is not None and commit is not None and existing != commit:
        raise ConflictError(
            f"the git tag {tag} stands at {existing} already, not at {commit}",
            hint="choose another tag, or release the commit that the tag is at",
        )
    if existing is not None or commit is None or target in (branch, f"refs/heads/{branch}"):
        return Ready(existing or commit, branch)
    moved = commit != github.fetch_commit(repo, branch) and (
        fetch_workflows(github, repo, commit.hex) != fetch_workflows(github, repo, branch)
    )
    return Ready(commit, branch, target, moved)


def fetch_workflows(github: GitHub, repo: RepoSlug, ref: str) -> str | None:
    """Ask for the git tree of the workflow files at a ref; None where there are none.

    None also where the token may not read them: then only the attempt tells.
    """
    url = github.url(repo, f"contents/.github?ref={ref}")
    try:
        return github.fetch_one("looking at the workflow files", url, parse_workflows, {404})
    except Refused:
        return None


def parse_workflows(value: Any) -> str | None:
    """Read the id of the tree `workflows` from the listing of its folder; raises `InputError`."""
    entries = parse_list(value, lambda item: an_object(item, "entry"))
    trees = [field(entry, "sha", str) for entry in entries if entry.get("name") == "workflows"]
    return next(iter(trees), None)


def explain_refusal(ready: Ready, repo: RepoSlug, tag: Tag, error: ReleaseToolError) -> None:
    """Raise the reason of a 403 where it is the workflow files and not a missing permission."""
    if not (ready.moved and isinstance(error, Forbidden)):
        return
    raise PublishError(
        f"GitHub lets this token make no tag at {ready.commit}, where the workflow files are not "
        f"those of {ready.branch}: that takes the permission `workflows`, which GITHUB_TOKEN never "
        f"has; {error.message}",
        hint=describe_ways_out(ready, repo, tag),
    ) from error


def describe_ways_out(ready: Ready, repo: RepoSlug, tag: Tag) -> str:
    """Say what helps where the workflow files have moved on."""
    return (
        f"push the tag by hand and run this again: git push https://github.com/{repo} "
        f"{ready.commit}:refs/tags/{tag}; or start a new run on {ready.branch}; or leave --target "
        f"out, and the tag will stand at the newest commit of {ready.branch}"
    )
