"""What an earlier run left behind that this one goes on from: an export, signatures, a release.

The state is the output directory and the release on the server, and no other file; whatever is
taken over is proved again first.
"""

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.digest import Sha256
from release_tool.core.errors import (
    CannotVerify,
    GateError,
    InputError,
    PublishError,
    TryAgain,
)
from release_tool.core.files import write_whole
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.core.names import Destination
from release_tool.core.progress import Progress
from release_tool.export.child import NEEDED
from release_tool.gates.proof import Proof, prove_export
from release_tool.github.attestation import keep_bundle
from release_tool.github.client import GitHub
from release_tool.github.plan import ServerState, read_marker
from release_tool.github.remote import RemoteRelease
from release_tool.github.transfer import OCTETS, ReadApi, read_body
from release_tool.provenance.exported import ExportedRelease, open_exported
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.verify.evidence import Evidence

RUN_AGAIN = "run the same command again: it leaves the release as it is, and goes on from there"


def installed_toolchain() -> dict[str, str]:
    """Name the versions that an export would have here, without importing any of them."""
    try:
        packages = {name: version(name) for name in NEEDED}
    except PackageNotFoundError:
        return {}
    return {"python": platform.python_version(), **packages, "torch": torch_version()}


def torch_version() -> str:
    """Read what torch calls itself; its build (`+cpu`) stands there, in its metadata not always."""
    package = find_spec("torch")
    if package is None or package.origin is None:
        return ""
    said: str = run_path(str(Path(package.origin).with_name("version.py")))["__version__"]
    return said


def prove_earlier_export(
    out: Path, recipe: Recipe, checkpoint: Checkpoint
) -> tuple[ExportedRelease, Proof] | None:
    """Return an export that is in `out` already if it is the one that would be made again.

    Only a pinned graph can tell: with it the model's every byte is proved to be skeleton +
    checkpoint. Whether the manifest says the same of it is the caller's to compare.
    """
    toolchain = installed_toolchain()
    if recipe.skeleton_for(toolchain.get("torch", "")) is None:
        return None
    try:
        exported = open_exported(out, recipe)
        if exported.manifest.toolchain != toolchain:
            return None
        claimed = exported.manifest.outputs.skeleton_sha256
        model, torch = out / recipe.names.model, toolchain["torch"]
        return exported, prove_export(model, checkpoint, recipe, torch=torch, claimed=claimed)
    except (InputError, GateError):
        return None


def drop_stale(new: Path, out: Path, recipe: Recipe) -> None:
    """Remove from `out` what belongs to other bytes than the new ones: bundles, and a NOTICE."""
    names = recipe.names
    if not (new / names.notice).exists():
        (out / names.notice).unlink(missing_ok=True)
    for path in new.iterdir():
        try:
            same = Sha256.of_file(out / path.name) == Sha256.of_file(path)
        except InputError:
            same = False
        if not same:
            for bundle in layout.signature_names(names):
                (out / bundle).unlink(missing_ok=True)


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
    names = layout.signature_names(recipe.names)
    assets = {asset.name: asset for asset in release.assets if asset.state == "uploaded"}
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


def keep_attestation(
    github: GitHub, to: Destination, evidence: Evidence, progress: Progress
) -> None:
    """Store the provenance with GitHub's attestations, unless it is there already.

    The release is out by now, so a refusal is a remark and no failure. Raises `TryAgain` where a
    later run may succeed.
    """
    provenance = evidence.sidecars.provenance if evidence.sidecars else None
    if provenance is None:
        return
    try:
        progress.note(keep_bundle(github, to.repo, evidence.digest, provenance.data).value)
    except TryAgain as error:
        text = f"{to} is published, but its attestation is not stored yet: {error.message}"
        raise TryAgain(text, hint=RUN_AGAIN) from error
    except PublishError as error:
        progress.note(f"the attestation was refused, the release stands without: {error.message}")
