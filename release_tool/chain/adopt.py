"""Takes the signatures of a release over that an earlier run, perhaps elsewhere, made and uploaded.

Whatever is taken over is unverified.
"""

from collections.abc import Callable
from pathlib import Path

from release_tool.core.errors import CannotVerify, TryAgain
from release_tool.core.files import write_whole
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.core.names import Destination
from release_tool.github.client import GitHub
from release_tool.github.plan import ServerState, read_marker
from release_tool.github.remote import RemoteRelease
from release_tool.github.transfer import OCTETS, ReadApi, read_body
from release_tool.provenance.exported import ExportedRelease
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe

RUN_AGAIN = "run the same command again: it leaves the release as it is, and goes on from there"


def adopt_signatures(
    github: GitHub,
    state: ServerState,
    source: ReadApi,
    to: Destination,
    recipe: Recipe,
    exported: ExportedRelease,
    hold: Callable[[], bool],
) -> bool:
    """Fetch the bundles of a release or draft of ours with this manifest, unless ours `hold`.

    So a run on another machine, or after one that died between two files, neither signs twice nor
    conflicts with itself. What arrives is unverified. That nothing else is published under the tag
    is the caller's to find out before.
    """
    release = state.published or find_draft(state, to, exported)
    if release is None or hold():
        return False
    return adopt_from(release, github, source, to, recipe, exported.directory)


def find_draft(
    state: ServerState, to: Destination, exported: ExportedRelease
) -> RemoteRelease | None:
    """Find a draft of ours that was made for this very manifest."""
    manifest = exported.files[-1].digest
    for draft in state.drafts:
        marker = read_marker(to.tag, draft)
        if marker is not None and marker.manifest == manifest:
            return draft
    return None


def adopt_from(
    release: RemoteRelease,
    github: GitHub,
    source: ReadApi,
    to: Destination,
    recipe: Recipe,
    out: Path,
) -> bool:
    """Write both bundles of a release beside the model, unless one is missing there.

    Without those of a published release nothing can go on, since it is signed for good: raises
    `TryAgain`. A draft is signed anew. Whoever dies between the two files leaves a pair that does
    not hold, and the next run fetches both again.
    """
    assets = {asset.name: asset for asset in release.assets if asset.state == "uploaded"}
    signed, optional = layout.signature_names(recipe.names), layout.optional_names(recipe.names)
    names = [name for name in signed if name in assets or name not in optional]
    if not assets.keys() >= set(names):
        return False

    def fetch() -> dict[str, bytes]:
        place = f"{source.api}/repos/{to.repo}/releases/assets"
        return {
            name: read_body(source, f"{place}/{assets[name].id}", OCTETS, BUNDLE_LIMIT_BYTES)
            for name in names
        }

    try:
        contents = github.patience.insist(fetch, TryAgain)
    except CannotVerify as error:
        if release.draft:
            return False
        text = f"{to} is published, but its signatures do not come: {error.message}"
        raise TryAgain(text, hint=RUN_AGAIN) from error
    for name, content in contents.items():
        write_whole(out / name, content)
    return True
