"""Publishes a release so that it is whole or not there: read, plan, act, and read again.

The state is the draft on the server and the files here, so a run that was cut off anywhere is
finished by running again. What to do next is decided in `plan.py`, how in `steps.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import ConflictError, PublishError, TryAgain
from release_tool.core.names import Latest, RepoSlug, Tag
from release_tool.core.progress import Progress
from release_tool.github.access import check_repository
from release_tool.github.client import GitHub
from release_tool.github.plan import (
    Publish,
    PublishingPlan,
    Wanted,
    find_leftovers,
    plan_release,
    read_marker,
)
from release_tool.github.preflight import describe_clock
from release_tool.github.remote import DraftRelease, PublishedRelease, RemoteRelease
from release_tool.github.steps import PublishingJob, Run, remove_draft
from release_tool.github.target import Ready

MAX_ROUNDS = 40


def publish_release(  # noqa: PLR0913 - one keyword a decision of the caller's
    github: GitHub,
    repo: RepoSlug,
    tag: Tag,
    files: Mapping[str, Path],
    *,
    target: str | None,
    title: str,
    body: str,
    manifest_name: str,
    progress: Progress,
    artifacts: tuple[Artifact, ...] | None = None,
    keep_draft: bool = False,
    latest: Latest | None = None,
    ready: Ready | None = None,
) -> PublishedRelease | DraftRelease:
    """Publish exactly `files` (asset name to path) as the release of `tag`, or keep it a draft.

    `artifacts` are what the files must be, where the caller has verified them; else they are
    described as they stand.
    `target` is the branch or commit that the tag is made at (None: the default branch), `latest`
    whether the repository shows the release as its latest (None: only where it releases nothing
    but what this tool released). `ready` is what `check_ready` found for
    this repository, tag and target, where it was asked already. The result says `already` where an
    earlier run had published the very same bytes. Raises `InputError` for files that no release
    can hold, `ConflictError` where the tag holds something else, `PublishError` where nothing
    became visible, and `TryAgain` where a later run may succeed or must find out.
    """
    if artifacts is None:
        artifacts = tuple(Artifact.of_file(path, name) for name, path in files.items())
    wanted = Wanted(tag, artifacts, manifest_name)
    text = wanted.marker.append_to(body)
    if ready is None:
        branch = check_repository(github, repo).default_branch
        describe_clock(github)
    else:
        branch = ready.branch
    job = PublishingJob(repo, wanted, dict(files), target, title, text, latest)
    run = Run(github, job, progress, branch, ready=ready)
    try:
        return finish(run, keep_draft=keep_draft)
    except (PublishError, TryAgain) as error:
        if run.maybe_published is None:
            raise
        known = "is published" if run.state.published else "may or may not have been published"
        raise TryAgain(
            f"{tag} {known}: {error}", hint="run the same command again; it finds out and goes on"
        ) from error


def finish(run: Run, *, keep_draft: bool) -> PublishedRelease | DraftRelease:
    """Read, plan and act until the release is there, or its draft is complete and kept."""
    tag = run.job.wanted.tag
    for _ in range(MAX_ROUNDS):
        run.read()
        plan = make_plan(run)
        if plan.done is not None:
            run.act(plan)
            return conclude(run, plan.done)
        if run.is_settling():
            continue
        if run.adopt():
            continue
        match plan.steps:
            case (Publish(draft),) if keep_draft:
                return DraftRelease(draft.id, tag, draft.url)
        run.act(plan)
    raise TryAgain(f"the draft of {tag} does not come to rest; another run may be working on it")


def make_plan(run: Run) -> PublishingPlan:
    """Plan the next steps; a run that lost the race for its tag takes its own draft along."""
    try:
        return plan_release(run.job.wanted, run.state)
    except ConflictError:
        if run.state.published is not None:
            for draft in find_leftovers(run.job.wanted, run.state):
                run.clear_away(draft)
        raise


def conclude(run: Run, published: RemoteRelease) -> PublishedRelease:
    """Check last of all that the tag stands at the commit that was meant."""
    job = run.job
    already = published.id != run.maybe_published
    meant = run.ready.commit if run.ready is not None else None
    if not already and meant is not None:
        commit = run.github.fetch_commit(job.repo, f"tags/{job.wanted.tag}")
        if commit is not None and commit != meant:
            raise ConflictError(
                f"{job.wanted.tag} was published at {commit}, not at {meant}",
                hint="somebody made the git tag at the same time; look at the release on GitHub",
            )
    wanted, immutable = job.wanted.tag, published.immutable
    return PublishedRelease(published.id, wanted, published.url, already, immutable)


def abort_draft(github: GitHub, repo: RepoSlug, tag: Tag) -> bool:
    """Remove the drafts that this tool made for `tag`; tell whether there was one.

    Published releases and drafts that people made are left alone.
    """
    check_repository(github, repo)
    ours = [draft for draft in github.fetch_releases(repo) if read_marker(tag, draft)]
    removed = [remove_draft(github, repo, tag, draft) for draft in ours]
    return any(removed)
