"""Reads what the server has for a tag; the only judgement is which of two answers is fresher."""

from collections.abc import Mapping
from dataclasses import replace

from release_tool.core.digest import Sha256
from release_tool.core.names import RepoSlug, Tag
from release_tool.github.client import GitHub
from release_tool.github.failures import NotFound
from release_tool.github.marker import Marker
from release_tool.github.plan import ServerState
from release_tool.github.remote import RemoteRelease


def fetch_state(
    github: GitHub,
    repo: RepoSlug,
    tag: Tag,
    measured: Mapping[int, Sha256] | None = None,
    held: RemoteRelease | None = None,
) -> ServerState:
    """Read the published release of the tag and every draft, with their assets listed afresh.

    A draft that was made seconds ago may be missing from GitHub's list; `held` is read by its id.
    """
    published = github.fetch_release_by_tag(repo, tag)
    listed = github.fetch_releases(repo)
    found = [release for release in listed if not release.draft and release.tag == tag.name]
    published = published or next(iter(found), None)
    if published is not None:
        published = replace(published, assets=github.fetch_assets(repo, published.id))
    drafts = {release.id: release for release in listed if release.draft}
    if held is not None and (published is None or published.id != held.id):
        drafts.pop(held.id, None)
        fresh = fetch_draft(github, repo, held.id)
        drafts |= {fresh.id: fresh} if fresh else {}
    return ServerState(
        published,
        tuple(drafts.values()),
        measured or {},
        held.id if held is not None else None,
        any(not release.draft and Marker.find(release.body) is None for release in listed),
    )


def fetch_listed(github: GitHub, repo: RepoSlug, tag: Tag) -> ServerState:
    """Read what the list of releases says of the tag, which is enough for an early warning.

    What was published or drafted moments ago may be missing from it.
    """
    listed = github.fetch_releases(repo)
    published = [release for release in listed if not release.draft and release.tag == tag.name]
    drafts = tuple(release for release in listed if release.draft)
    return ServerState(next(iter(published), None), drafts)


def fetch_draft(github: GitHub, repo: RepoSlug, release_id: int) -> RemoteRelease | None:
    """Read a draft with its assets; None where it has gone or is a draft no more."""
    fresh = github.fetch_release(repo, release_id)
    if fresh is None or not fresh.draft:
        return None
    try:
        return replace(fresh, assets=github.fetch_assets(repo, release_id))
    except NotFound:  # another run removed it in this very moment
        return None
