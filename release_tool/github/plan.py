"""Decides what to do next: (what is wanted, what the server has) -> steps, or a conflict.

Pure: no clock, no network, no file. `transaction.py` carries the steps out and plans again, until
a plan holds nothing but the end. So a plan is always for the state that was read last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import ConflictError, InputError
from release_tool.core.names import Tag, check_asset_name
from release_tool.github.marker import Marker
from release_tool.github.remote import UPLOADED, RemoteAsset, RemoteRelease

UNTAGGED = "untagged-"
"""How the tag begins that GitHub gives a draft whose own was lost."""
MAX_ASSET_BYTES = 2 * 1024**3 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """The release that is to be: a tag and the exact set of its assets, the manifest among them."""

    tag: Tag
    artifacts: tuple[Artifact, ...]
    manifest_name: str

    def __post_init__(self) -> None:
        names = [artifact.name for artifact in self.artifacts]
        folded = {name.lower() for name in names}
        if self.manifest_name not in names or len(folded) != len(names):
            raise InputError("a release needs its manifest, and no name twice")
        for artifact in self.artifacts:
            check_asset_name(artifact.name)
            check_asset_size(artifact.name, artifact.size)

    @property
    def marker(self) -> Marker:
        """Give the marker that this release's draft carries."""
        manifest = next(item for item in self.artifacts if item.name == self.manifest_name)
        return Marker.of(self.tag, manifest, self.artifacts)


def check_asset_size(name: str, size: int) -> None:
    """Require a size in bytes that GitHub takes; raises `InputError`."""
    if not 0 < size <= MAX_ASSET_BYTES:
        raise InputError(
            f"{name} has {size} bytes; GitHub takes assets that are not empty and under 2 GiB",
            hint="a release cannot hold that file",
        )


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the server has for a tag, as it was read last.

    `drafts` may hold drafts of other tags; those are left alone. `measured` has the digests that
    were found by downloading, by asset id. `held` is the draft that this run works on already.
    """

    published: RemoteRelease | None = None
    drafts: tuple[RemoteRelease, ...] = ()
    measured: Mapping[int, Sha256] = field(default_factory=dict)
    held: int | None = None
    releases_other_things: bool = False

    def digest_of(self, asset: RemoteAsset) -> Sha256 | None:
        """Give an asset's digest, as measured or else as the server computed it."""
        return self.measured.get(asset.id, asset.digest)


@dataclass(frozen=True, slots=True)
class MakeDraft:
    """Make a draft that carries our marker."""


@dataclass(frozen=True, slots=True)
class RestoreTag:
    """Give a draft of ours its tag back."""

    draft: RemoteRelease


@dataclass(frozen=True, slots=True)
class RemoveAsset:
    """Remove an asset of our draft that is not what it should be; `why` says so.

    `patient` where it may be another run's upload that is still under way.
    """

    draft: RemoteRelease
    asset: RemoteAsset
    why: str
    patient: bool = False


@dataclass(frozen=True, slots=True)
class MeasureAsset:
    """Download an asset whose digest the server does not tell, and hash it."""

    asset: RemoteAsset


@dataclass(frozen=True, slots=True)
class UploadAsset:
    """Upload an artifact that our draft lacks."""

    draft: RemoteRelease
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a draft that holds exactly what is wanted, under its own tag."""

    draft: RemoteRelease


@dataclass(frozen=True, slots=True)
class RemoveDraft:
    """Remove a draft of ours that nobody can publish any more, since its tag is published."""

    draft: RemoteRelease


Step = MakeDraft | RestoreTag | RemoveAsset | MeasureAsset | UploadAsset | Publish | RemoveDraft


@dataclass(frozen=True, slots=True)
class PublishingPlan:
    """The next steps; with `done`, the published release is there and holds what is wanted."""

    steps: tuple[Step, ...]
    done: RemoteRelease | None = None


def plan_release(wanted: Wanted, state: ServerState) -> PublishingPlan:
    """Decide the next steps towards the wanted release; raises `ConflictError`.

    1. What is published is compared and never changed.
    2. A draft that is not ours, or ours with other contents, is a conflict.
    3. Of several drafts with the very same contents the oldest is taken.
    4. The draft is filled, and published only when it was read as exactly what is wanted.
    5. Surplus drafts of ours go after publishing, when nobody can publish them any more: GitHub
       has no conditional requests, so removing one earlier might remove what another run has
       just published.
    """
    if state.published is not None:
        return plan_after_publishing(wanted, state, state.published)
    check_no_conflict(wanted.tag, wanted.marker.manifest, state.drafts)
    same = [draft for draft in state.drafts if is_same(wanted, draft)]
    if not same:
        return PublishingPlan((MakeDraft(),))
    draft = min(same, key=lambda draft: (draft.id != state.held, draft.id))
    steps = plan_draft(wanted, state, draft)
    return PublishingPlan(steps or (Publish(draft),))


def plan_after_publishing(
    wanted: Wanted, state: ServerState, published: RemoteRelease
) -> PublishingPlan:
    """Compare the published release; what is left of our drafts for its tag can go."""
    unknown = [
        asset
        for asset in published.assets
        if asset.state == UPLOADED and state.digest_of(asset) is None
    ]
    if unknown:
        return PublishingPlan(tuple(MeasureAsset(asset) for asset in unknown))
    difference = find_difference(wanted.artifacts, published.assets, state)
    if difference:
        raise ConflictError(
            f"{wanted.tag} is published already with other contents: {difference}",
            hint="choose another tag; what is published is never changed",
        )
    return PublishingPlan(
        tuple(RemoveDraft(draft) for draft in find_leftovers(wanted, state)), published
    )


def find_leftovers(wanted: Wanted, state: ServerState) -> list[RemoteRelease]:
    """Find the drafts of ours for the tag and manifest, however they were signed."""
    manifest = wanted.marker.manifest
    return [
        draft
        for draft in state.drafts
        if (marker := read_marker(wanted.tag, draft)) and marker.manifest == manifest
    ]


def find_difference(
    artifacts: Iterable[Artifact], assets: Iterable[RemoteAsset], state: ServerState
) -> str:
    """Say in a few words where a release departs from what is wanted; empty where nowhere."""
    found = {asset.name: asset for asset in assets}
    wanted = {artifact.name: artifact for artifact in artifacts}
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in wanted:
            return f"{name[:200]} is not ours"
        asset, artifact = found[name], wanted[name]
        if (asset.state, asset.size) != (UPLOADED, artifact.size):
            return f"{name} is {asset.state[:40]} with {asset.size} bytes, not {artifact.size}"
        if state.digest_of(asset) != artifact.digest:
            return f"{name} has the digest {state.digest_of(asset)}, not {artifact.digest}"
    return ""


def check_no_conflict(tag: Tag, manifest: Sha256 | None, drafts: Iterable[RemoteRelease]) -> None:
    """Refuse to work beside a draft for the tag that is a person's, or ours with other contents.

    Without the manifest's digest nothing is said of drafts of ours.
    """
    for draft in drafts:
        marker = read_marker(tag, draft)
        if marker is None and draft.tag == tag.name:
            raise ConflictError(
                f"somebody has made a draft of {tag}: {draft.url[:200]}",
                hint="publish or delete it on GitHub, or choose another tag",
            )
        if marker is not None and manifest is not None and marker.manifest != manifest:
            raise ConflictError(
                f"a draft of {tag} with another manifest is there: {draft.url[:200]}",
                hint="remove it with `release-tool abort`, or choose another tag",
            )


def read_marker(tag: Tag, draft: RemoteRelease) -> Marker | None:
    """Read the marker of a draft for `tag`; None for one that is not ours or not for it.

    A draft that a person moved to another tag is theirs; one whose tag GitHub lost is still ours.
    """
    marker = Marker.find(draft.body)
    ours = marker is not None and marker.tag == tag.name
    at_home = draft.tag == tag.name or draft.tag.startswith(UNTAGGED)
    return marker if draft.draft and ours and at_home else None


def is_same(wanted: Wanted, draft: RemoteRelease) -> bool:
    """Tell whether a draft is ours for these very contents, bundles included."""
    return read_marker(wanted.tag, draft) == wanted.marker


def plan_draft(wanted: Wanted, state: ServerState, draft: RemoteRelease) -> tuple[Step, ...]:
    """List what is between a draft and the wanted release; nothing if it is exactly that."""
    steps: list[Step] = []
    if draft.tag != wanted.tag.name:
        steps.append(RestoreTag(draft))
    missing = {artifact.name: artifact for artifact in wanted.artifacts}
    for asset in draft.assets:
        expected = missing.get(asset.name)
        step = plan_asset(wanted, state, draft, asset)
        if step is not None:
            steps.append(step)
        if expected is not None and not isinstance(step, RemoveAsset):
            del missing[asset.name]
    return (*steps, *(UploadAsset(draft, artifact) for artifact in missing.values()))


def plan_asset(
    wanted: Wanted, state: ServerState, draft: RemoteRelease, asset: RemoteAsset
) -> Step | None:
    """Decide about one asset of our draft: None where it is right."""
    digest = state.digest_of(asset)
    expected = next((item for item in wanted.artifacts if item.name == asset.name), None)
    if asset.state != UPLOADED:
        return RemoveAsset(draft, asset, "its upload broke off", patient=True)
    if digest is None:
        return MeasureAsset(asset)
    if expected is None:
        if any(digest == artifact.digest for artifact in wanted.artifacts):
            return RemoveAsset(draft, asset, "GitHub changed its name")
        raise ConflictError(
            f"the draft {draft.url[:200]} holds an asset that is not ours: {asset.name[:200]}",
            hint="remove that asset on GitHub, or the draft with `release-tool abort`",
        )
    if (asset.size, digest) != (expected.size, expected.digest):
        return RemoveAsset(draft, asset, f"its digest is {digest}, not {expected.digest}")
    return None
