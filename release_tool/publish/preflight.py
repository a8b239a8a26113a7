"""What must hold before anything irreversible, each as a check with a name.

`transaction.py` requires the decisive ones; `release-tool doctor` prints all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import ConflictError, PublishError, ReleaseToolError
from release_tool.core.names import CommitId, RepoSlug, Tag
from release_tool.publish.github import GitHub
from release_tool.publish.plan import ServerState, Wanted, is_same, plan_release, read_marker
from release_tool.publish.remote import RemoteRepository
from release_tool.publish.state import fetch_state

MAX_CLOCK_SKEW_SECONDS = 300.0
"""Short-lived signing certificates and identity tokens bear no more."""


class Verdict(StrEnum):
    """How a check came out; `UNKNOWN` stops nobody."""

    OK = "ok"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist; `error` is what a publication would end with."""

    name: str
    verdict: Verdict
    text: str
    error: ReleaseToolError | None = None


def check_publishable(
    github: GitHub,
    repo: RepoSlug,
    tag: Tag,
    files: Mapping[str, Path] | None = None,
    *,
    manifest_name: str | None = None,
    target: str | None = None,
) -> tuple[Finding, ...]:
    """Go through everything that `publish_release` will need, changing nothing.

    Without `files` the names, sizes and contents are left out. Never raises an expected error:
    each becomes the finding of its check.
    """
    wanted: list[Wanted] = []
    findings = []
    if files is not None and manifest_name is not None:
        findings.append(find("files", lambda: describe_files(files, tag, manifest_name, wanted)))
    findings.append(find("token", lambda: describe_token(github)))
    findings.append(find("repository", lambda: describe_repository(github, repo)))
    if any(finding.verdict is Verdict.FAILED for finding in findings[-2:]):
        return tuple(findings)
    return (
        *findings,
        find("target", lambda: describe_target(github, repo, tag, target)),
        find("tag", lambda: describe_tag(github, repo, tag, wanted[0] if wanted else None)),
        find("immutable releases", lambda: describe_immutable(github, repo)),
        find("clock", lambda: describe_clock(github)),
    )


def find(name: str, check: Callable[[], str | tuple[Verdict, str]]) -> Finding:
    """Run one check; an expected failure is its finding."""
    try:
        found = check()
    except ReleaseToolError as error:
        return Finding(name, Verdict.FAILED, error.message, error)
    verdict, text = (Verdict.OK, found) if isinstance(found, str) else found
    return Finding(name, verdict, text)


def check_token(github: GitHub) -> None:
    """Require a token; raises `PublishError`."""
    if github.token is None:
        raise PublishError("there is no GitHub token", hint="set GH_TOKEN or GITHUB_TOKEN")


def check_repository(github: GitHub, repo: RepoSlug) -> RemoteRepository:
    """Require a repository under its present name, to which the token may push.

    GitHub answers `push: false` to every token of an app, GITHUB_TOKEN in Actions among them,
    whatever it may do; for those only the attempt tells.
    """
    check_token(github)
    found = github.fetch_repository(repo)
    if found.full_name.lower() != str(repo).lower():
        raise PublishError(
            f"{repo} is called {found.full_name[:200]} now", hint="give the present name"
        )
    if found.archived:
        raise PublishError(f"{repo} is archived and cannot be written")
    app = github.token is not None and github.token.belongs_to_an_app
    if found.push is False and not app:
        raise PublishError(
            f"the token may not push to {repo}",
            hint="it needs the permission to write the repository's contents",
        )
    return found


def check_target(github: GitHub, repo: RepoSlug, tag: Tag, target: str | None) -> CommitId | None:
    """Return the commit that the tag will stand for, where it is known beforehand.

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
    return existing or commit


def describe_files(
    files: Mapping[str, Path], tag: Tag, manifest_name: str, wanted: list[Wanted]
) -> str:
    """Check names and sizes; leaves what is wanted in `wanted`."""
    artifacts = tuple(Artifact.of_file(path, name) for name, path in files.items())
    wanted.append(Wanted(tag, artifacts, manifest_name))
    return f"{len(artifacts)} files with legal names, {sum(item.size for item in artifacts)} bytes"


def describe_token(github: GitHub) -> str:
    """Say whose kind of token there is."""
    check_token(github)
    app = github.token is not None and github.token.belongs_to_an_app
    return "a token of an app, such as GITHUB_TOKEN" if app else "there"


def describe_repository(github: GitHub, repo: RepoSlug) -> tuple[Verdict, str]:
    """Say whether the token may push."""
    found = check_repository(github, repo)
    if found.push is not True:
        return Verdict.UNKNOWN, f"{found.full_name} is there; only trying tells who may push"
    return Verdict.OK, f"{found.full_name} is there, and the token may push"


def describe_target(
    github: GitHub, repo: RepoSlug, tag: Tag, target: str | None
) -> tuple[Verdict, str]:
    """Say at which commit the tag will stand."""
    commit = check_target(github, repo, tag, target)
    if commit is None:
        return Verdict.UNKNOWN, "the tag will stand at the default branch's newest commit"
    return Verdict.OK, f"the tag stands, or will stand, at {commit}"


def describe_tag(
    github: GitHub, repo: RepoSlug, tag: Tag, wanted: Wanted | None
) -> tuple[Verdict, str]:
    """Say whether the tag is free, ours, or published already."""
    state = fetch_state(github, repo, tag)
    if wanted is None:
        return describe_tag_without_files(state, tag)
    plan_release(wanted, state)
    if state.published is not None:
        return Verdict.OK, f"{tag} is published already, with these assets"
    if any(is_same(wanted, draft) for draft in state.drafts):
        return Verdict.OK, f"a draft of ours for {tag} is there and will be resumed"
    return Verdict.OK, f"{tag} is free"


def describe_tag_without_files(state: ServerState, tag: Tag) -> tuple[Verdict, str]:
    """Say what is there for the tag, where its contents cannot be compared."""
    if state.published is not None:
        return Verdict.UNKNOWN, f"{tag} is published already; its contents were not compared"
    if any(read_marker(tag, draft) for draft in state.drafts):
        return Verdict.OK, f"a draft of ours for {tag} is there"
    if any(draft.tag == tag.name for draft in state.drafts):
        raise ConflictError(f"somebody has made a draft of {tag}", hint="choose another tag")
    return Verdict.OK, f"{tag} is free"


def describe_immutable(github: GitHub, repo: RepoSlug) -> tuple[Verdict, str]:
    """Say whether a published release could ever be corrected."""
    match github.fetch_immutable_setting(repo):
        case True:
            return Verdict.OK, "on: what is published is frozen, and its tag is used up"
        case False:
            return Verdict.OK, "off: GitHub itself would let published assets be replaced"
        case None:
            return Verdict.UNKNOWN, "off, or this token may not know"


def describe_clock(github: GitHub) -> tuple[Verdict, str]:
    """Compare the clock here with the Date of GitHub's last answer."""
    server = github.wire.server_time
    if server is None:
        return Verdict.UNKNOWN, "GitHub's answers carry no date"
    skew = github.patience.clock() - server
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        raise PublishError(
            f"the clock here is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} GitHub's",
            hint="set the clock; signing needs it",
        )
    return Verdict.OK, f"{abs(skew):.0f} s apart from GitHub's"
