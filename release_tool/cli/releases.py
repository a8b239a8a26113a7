"""How the outcome of an upload looks."""

from release_tool.cli.state import State
from release_tool.github.remote import DraftRelease, PublishedRelease


def show_release(state: State, release: PublishedRelease | DraftRelease) -> None:
    """Print where the release is, and whether anybody can see it."""
    if isinstance(release, DraftRelease):
        status = "draft, complete and unpublished"
    else:
        status = "already published, with the same bytes" if release.already else "published"
    document = {
        "status": "draft" if isinstance(release, DraftRelease) else "published",
        "already": isinstance(release, PublishedRelease) and release.already,
        "release_id": release.id,
        "tag": str(release.tag),
        "url": release.url,
    }
    state.print_result(
        document, [("release", status), ("tag", str(release.tag)), ("url", release.url)]
    )
