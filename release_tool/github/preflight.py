"""What must hold before anything irreversible, each as a check with a name.

`transaction.py` requires the decisive ones; a publication starts with all of them, and
`release-tool doctor` prints them.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import (
    ConflictError,
    InputError,
    PublishError,
    ReleaseToolError,
    TryAgain,
)
from release_tool.core.files import open_regular
from release_tool.core.names import RepoSlug, Tag, check_asset_name
from release_tool.github.access import check_repository, check_token
from release_tool.github.client import GitHub
from release_tool.github.finding import Finding, Found, Verdict, failure, find, leave_out, unknown
from release_tool.github.plan import (
    ServerState,
    Wanted,
    check_asset_size,
    check_no_conflict,
    is_same,
    plan_release,
    read_marker,
)
from release_tool.github.state import fetch_listed, fetch_state
from release_tool.github.target import Ready, describe_ways_out, find_target

MAX_CLOCK_SKEW_SECONDS = 300.0
"""Short-lived signing certificates and identity tokens bear no more."""
ON_GITHUB = ("target", "tag", "drafts", "immutable releases")


def check_ready(github: GitHub, repo: RepoSlug, tag: Tag, target: str | None) -> Ready | None:
    """Fail for what would stop any release of the tag, whatever its files; else say what is known.

    None where the tag is published at another commit than `target`: what then holds depends on the
    files. Raises `PublishError`, `ConflictError` or `TryAgain`.
    """
    branch = check_repository(github, repo).default_branch
    ready: Ready | None
    try:
        ready = find_target(github, repo, branch, tag, target)
    except ConflictError:
        if github.fetch_release_by_tag(repo, tag) is None:
            raise
        ready = None
    state = fetch_listed(github, repo, tag)
    describe_tag(state, tag, None, whole=True)
    describe_drafts(state, tag, None)
    describe_clock(github)
    return ready


def check_publishable(  # noqa: PLR0913 - one keyword a thing that may be known beforehand
    github: GitHub,
    repo: RepoSlug,
    tag: Tag,
    files: Mapping[str, Path] | None = None,
    *,
    artifacts: tuple[Artifact, ...] | None = None,
    manifest_name: str | None = None,
    target: str | None = None,
    whole: bool = True,
    bad_token: PublishError | None = None,
) -> tuple[Finding, ...]:
    """Go through everything that `publish_release` will need, changing nothing.

    `artifacts` are what the files must be, where the caller has measured them. Without `files` the
    names, sizes and contents are left out; without `whole` more files are to come, and only those
    given are compared. `bad_token` says what is wrong with the token where `github` was opened
    without it. Never raises an expected error: each becomes the finding of its check.
    """
    found = [*check_files(files), *check_access(github, repo, bad_token)]
    failed = next((item for item in found if item.verdict is Verdict.FAILED), None)
    blocked = next((item for item in found[2:] if item.verdict is Verdict.FAILED), None)
    if blocked is not None:
        not_asked = tuple(leave_out(name, blocked) for name in ON_GITHUB)
        return (*found, *not_asked, find("clock", lambda: describe_clock(github)))

    def want() -> Wanted | None:
        if files is None or manifest_name is None or failed is not None:
            return None
        if manifest_name not in files:
            return None
        return Wanted(tag, artifacts or measure(files), manifest_name)

    return (
        *found,
        find("target", lambda: describe_target(github, repo, tag, target)),
        *check_tag(github, repo, tag, want, whole=whole),
        find("immutable releases", lambda: describe_immutable(github, repo)),
        find("clock", lambda: describe_clock(github)),
    )


def check_files(files: Mapping[str, Path] | None) -> tuple[Finding, Finding]:
    """Check the names and sizes of the files that are to be assets."""
    return (
        find("asset names", lambda: describe_names(files)),
        find("asset sizes", lambda: describe_sizes(files)),
    )


def check_access(
    github: GitHub, repo: RepoSlug, bad_token: PublishError | None
) -> tuple[Finding, Finding]:
    """Check the token, and what it may do with the repository."""
    if bad_token is not None:
        blocked = failure("token", bad_token)
        return blocked, leave_out("repository", blocked)
    return (
        find("token", lambda: describe_token(github)),
        find("repository", lambda: describe_repository(github, repo)),
    )


def check_tag(
    github: GitHub, repo: RepoSlug, tag: Tag, want: Callable[[], Wanted | None], *, whole: bool
) -> tuple[Finding, Finding]:
    """Check what is published and what is drafted for the tag, from one reading of the server."""
    try:
        wanted, state = want(), fetch_state(github, repo, tag)
    except ReleaseToolError as error:
        text = "not compared: the tag could not be looked at"
        return failure("tag", error), Finding("drafts", Verdict.UNKNOWN, text, hint=error.hint)
    return (
        find("tag", lambda: describe_tag(state, tag, wanted, whole=whole)),
        find("drafts", lambda: describe_drafts(state, tag, wanted)),
    )


def measure(files: Mapping[str, Path]) -> tuple[Artifact, ...]:
    """Describe the files as they stand."""
    return tuple(Artifact.of_file(path, name) for name, path in files.items())


def describe_names(files: Mapping[str, Path] | None) -> Found | str:
    """Require names that GitHub stores as they are, none of them twice in other letters."""
    if files is None:
        return unknown("not checked: no files are at hand")
    for name in files:
        check_asset_name(name)
    if len({name.lower() for name in files}) != len(files):
        raise InputError("two files of the release differ in capital letters only")
    return f"GitHub keeps all {len(files)} as they are"


def describe_sizes(files: Mapping[str, Path] | None) -> Found | str:
    """Require files that can be read and have sizes that GitHub takes."""
    if files is None:
        return unknown("not checked: no files are at hand")
    total = 0
    for name, path in files.items():
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
        check_asset_size(name, size)
        total += size
    return f"{total} bytes in {len(files)} files, each under 2 GiB"


def describe_token(github: GitHub) -> str:
    """Say whose kind of token there is."""
    check_token(github)
    app = github.token is not None and github.token.belongs_to_an_app
    return "a token of an app, such as GITHUB_TOKEN" if app else "there"


def describe_repository(github: GitHub, repo: RepoSlug) -> Found | str:
    """Say whether the token may push."""
    found = check_repository(github, repo)
    if found.push is not True:
        return unknown(
            f"{found.full_name} is there; only trying tells who may push",
            "give the job `permissions: contents: write`",
        )
    if github.token is not None and not github.token.has_scopes:
        # GitHub states here what the person may do, not what was granted to the token.
        return unknown(
            f"{found.full_name} is there; only trying tells whether the token may push",
            "give the token the permission to write the repository's contents",
        )
    return f"{found.full_name} is there, and the token may push"


def describe_target(github: GitHub, repo: RepoSlug, tag: Tag, target: str | None) -> Found | str:
    """Say at which commit the tag will stand; where it is published, nothing moves it any more."""
    branch = github.fetch_repository(repo).default_branch
    try:
        ready = find_target(github, repo, branch, tag, target)
    except ConflictError:
        if github.fetch_release_by_tag(repo, tag) is None:
            raise
        return f"{tag} is published where it stands, and {target} has moved on since"
    if ready.commit is None:
        return unknown(
            f"the tag will stand at the newest commit of {branch}",
            "give --target to name the commit",
        )
    if ready.moved:
        return unknown(
            f"the tag will stand at {ready.commit}, whose workflow files are not those of "
            f"{branch}: a token without the permission `workflows`, such as GITHUB_TOKEN, will "
            "be refused",
            describe_ways_out(ready, repo, tag),
        )
    return f"the tag stands, or will stand, at {ready.commit}"


def describe_tag(
    state: ServerState, tag: Tag, wanted: Wanted | None, *, whole: bool
) -> Found | str:
    """Say whether the tag is free or published, and then whether with the same contents."""
    published = state.published
    if published is None:
        return f"no release of {tag} is published"
    if wanted is None:
        return unknown(
            f"{tag} is published already; its contents were not compared",
            "what is published is never changed: other files need another tag",
        )
    if not whole:
        names = {artifact.name for artifact in wanted.artifacts}
        same = tuple(asset for asset in published.assets if asset.name in names)
        state = replace(state, published=replace(published, assets=same))
    if plan_release(wanted, state).done is None:
        return unknown(
            f"{tag} is published already; GitHub does not state the digest of every asset",
            "publish and upload download those and compare",
        )
    return f"{tag} is published already, with {'these assets' if whole else 'these files'}"


def describe_drafts(state: ServerState, tag: Tag, wanted: Wanted | None) -> Found | str:
    """Say whose drafts there are for the tag, and what becomes of them."""
    ours = [draft for draft in state.drafts if read_marker(tag, draft)]
    theirs = [draft for draft in state.drafts if draft.tag == tag.name and draft not in ours]
    count = f"{len(ours)} draft{'s' * (len(ours) > 1)} of ours for {tag}"
    if state.published is not None:
        if ours:
            return unknown(f"{count} left over", "remove what is left by `release-tool abort`")
        return f"{tag} is published, and no draft of ours is left over"
    try:
        check_no_conflict(tag, wanted.marker.manifest if wanted else None, state.drafts)
    except ConflictError as error:
        several = len(ours) + len(theirs)
        more = f"; it is one of {several} drafts of that tag" if several > 1 else ""
        raise ConflictError(error.message + more, hint=error.hint) from error
    if not ours:
        return f"there is none for {tag}"
    if wanted is None:
        return unknown(
            f"{count} there, not compared with any manifest",
            "one of another version is in the way: remove it by `release-tool abort`",
        )
    resumed = any(is_same(wanted, draft) for draft in ours)
    gone_on = "one will be resumed" if resumed else "signed otherwise"
    last = "" if resumed and len(ours) == 1 else "; what is left over is removed after publishing"
    return f"{count} there, with this manifest: {gone_on}{last}"


def describe_immutable(github: GitHub, repo: RepoSlug) -> Found | str:
    """Say whether a published release could ever be corrected."""
    try:
        setting = github.fetch_immutable_setting(repo)
    except (PublishError, TryAgain) as error:
        return unknown(f"not known: {error.message}", error.hint)
    match setting:
        case True:
            return "on: what is published is frozen, and its tag is used up"
        case False:
            return "off: GitHub itself would let published assets be replaced"
        case None:
            return unknown(
                "off, or this token may not know", "see the repository's settings, under Releases"
            )


def describe_clock(github: GitHub) -> Found:
    """Compare the clock here with the Date of GitHub's last answer."""
    server = github.wire.server_time
    if server is None:
        return unknown("no answer of GitHub's carried a date to compare with")
    skew = github.patience.clock() - server
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        raise PublishError(
            f"the clock here is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} GitHub's",
            hint="set the clock; signing needs it",
        )
    return Found(f"{abs(skew):.0f} s apart from GitHub's")
