"""Takes a release the whole way: exported, signed, uploaded, read back and attested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.chain.adopt import adopt_signatures
from release_tool.chain.evaluated import adopt_evaluation
from release_tool.chain.export import export_release
from release_tool.chain.readiness import require_signable
from release_tool.chain.sign import sign_release
from release_tool.chain.signed import find_signed
from release_tool.chain.upload import Publication, upload_release
from release_tool.core.patience import Patience
from release_tool.core.progress import SILENT, Progress
from release_tool.github.preflight import check_ready
from release_tool.github.remote import DraftRelease, PublishedRelease
from release_tool.github.target import Ready
from release_tool.provenance.exported import ExportedRelease, hold_pins
from release_tool.provenance.statement import Builder
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.sign.token import Identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.upstream.sources import Source
from release_tool.verify.release import VerifiedRelease


@dataclass(frozen=True, slots=True)
class Plan:
    """One release from its sources; `out` is where its files stand meanwhile.

    With `reuse` an export that is in `out` already is proved again instead of made again. Without
    `replay` the manifest says that upstream's published results were not made again. `evaluate`
    returns the directory of an evaluation of the model that it is given.
    """

    source: Source
    recipe: Recipe
    out: Path
    reuse: bool = True
    replay: bool = True
    evaluate: Callable[[Path], Path] | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The outside world of a release: who signs and where, where it goes, how long it waits."""

    instance: SigstoreInstance
    identity: Identity
    builder: Builder
    publication: Publication
    patience: Patience | None = None


def publish(
    plan: Plan, services: Services, environment: Mapping[str, str], *, progress: Progress = SILENT
) -> tuple[PublishedRelease | DraftRelease, VerifiedRelease]:
    """Take a release the whole way; run again, it goes on where an earlier run stopped."""
    target = services.publication
    with progress.stage("preflight"):
        to = target.to
        ready = check_ready(target.github, to.repo, to.tag, to.target)
    exported = export_release(
        plan.source,
        plan.recipe,
        plan.out,
        environment,
        reuse=plan.reuse,
        replay=plan.replay,
        progress=progress,
    ).release
    if plan.evaluate is not None:
        evaluation = plan.evaluate(plan.out / exported.model.name)
        exported = adopt_evaluation(evaluation, exported, plan.recipe)
    return release_exported(exported, plan.recipe, services, ready=ready, progress=progress)


def release_exported(
    exported: ExportedRelease,
    recipe: Recipe,
    services: Services,
    *,
    ready: Ready | None = None,
    progress: Progress = SILENT,
) -> tuple[PublishedRelease | DraftRelease, VerifiedRelease]:
    """Take an export the rest of the way: signed, published, verified and attested."""
    target, identity = services.publication, services.identity
    root, unpinned = services.instance.trusted_root, target.unpinned
    exported = hold_pins(exported, recipe, unpinned=unpinned)
    state = require_signable(target.github, target.to, exported)

    def hold() -> bool:
        return find_signed(exported, recipe, identity.signer, root) is not None

    if adopt_signatures(target.github, state, target.source, target.to, recipe, exported, hold):
        progress.note("took the signatures over from the release")
    signed = sign_release(
        exported,
        recipe,
        services.instance,
        identity,
        services.builder,
        unpinned=unpinned,
        patience=services.patience,
        progress=progress,
    )
    return upload_release(
        signed, recipe, target, identity.signer, root, ready=ready, progress=progress
    )
