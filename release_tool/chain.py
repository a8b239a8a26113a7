"""The order of the stages, and nothing else.

Each function here is one command's work; a stage knows none of its neighbours, this module knows
them all.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, InputError, NotVerified, TryAgain
from release_tool.core.files import (
    install_files,
    staging_directory,
    temporary_directory,
    write_whole,
)
from release_tool.core.names import Destination
from release_tool.core.progress import SILENT, Progress
from release_tool.evaluate.gate import hold_replay
from release_tool.export.run import Export, export_model
from release_tool.gates.contract import check_contract
from release_tool.gates.proof import Proof, prove_export
from release_tool.github.client import GitHub
from release_tool.github.download import fetch_release
from release_tool.github.preflight import check_ready
from release_tool.github.remote import DraftRelease, PublishedRelease
from release_tool.github.target import Ready
from release_tool.github.transaction import publish_release
from release_tool.github.transfer import ReadApi
from release_tool.provenance.description import describe_release
from release_tool.provenance.exported import (
    EXPORT_AGAIN,
    ExportedRelease,
    hold_pins,
    open_exported,
)
from release_tool.provenance.statement import Builder, make_statement
from release_tool.readiness import find_signed, open_signed, require_signable
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.resume import (
    RUN_AGAIN,
    adopt_signatures,
    drop_stale,
    keep_attestation,
    prove_earlier_export,
)
from release_tool.sidecars import make_sidecars, write_sidecars
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import Identity, check_builder
from release_tool.sigstore.trust.instance import SigstoreInstance, TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.upstream.checkout import Checkout, open_checkout
from release_tool.upstream.sources import Source
from release_tool.verify.contents import check_metadata
from release_tool.verify.evidence import open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class Outcome:
    """An export on disk and what was proved of it; `export` is None where it was reused."""

    release: ExportedRelease
    export: Export | None
    proof: Proof


@dataclass(frozen=True, slots=True)
class Plan:
    """One release from its sources; `out` is where its files stand meanwhile.

    With `reuse` an export that is in `out` already is proved again instead of made again. Without
    `replay` the manifest says that upstream's published results were not made again.
    """

    source: Source
    recipe: Recipe
    out: Path
    reuse: bool = True
    replay: bool = True


@dataclass(frozen=True, slots=True)
class Publication:
    """Where a release goes, read back by `source`; `unpinned` takes what no recipe pins."""

    github: GitHub
    source: ReadApi
    to: Destination
    keep_draft: bool = False
    unpinned: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """The outside world of a release: who signs and where, and where it goes."""

    instance: SigstoreInstance
    identity: Identity
    builder: Builder
    publication: Publication


def export_release(
    source: Source,
    recipe: Recipe,
    out: Path,
    environment: Mapping[str, str],
    *,
    full_parity: bool = False,
    reuse: bool = False,
    replay: bool = True,
    progress: Progress = SILENT,
) -> Outcome:
    """Audit, export, prove, and only then put model, licence and manifest into `out`.

    With `reuse` an export that is there already is proved again instead of made again. Without
    `replay` upstream's published results are not made again, and the manifest says so.
    """
    with progress.stage("audit"):
        checkout = open_checkout(source.upstream, recipe)
        checkpoint = open_checkpoint(source.checkpoint, recipe, pinned=source.pinned)
        progress.note(f"upstream {checkout.commit}, {len(checkpoint.tensors)} tensors")
    if reuse:
        earlier = reuse_export(out, recipe, checkout, checkpoint, replay=replay, progress=progress)
        if earlier is not None:
            progress.note("reusing the export, it is proved to be what would be made again")
            return earlier
    with staging_directory(out) as temporary:
        model = temporary / recipe.names.model
        with progress.stage("export"):
            export = export_model(
                checkout,
                checkpoint,
                recipe,
                model,
                full_parity=full_parity,
                progress=progress,
                environment=environment,
            )
        with progress.stage("gates"):
            torch = dict(export.toolchain)["torch"]
            proof = prove_export(model, checkpoint, recipe, torch=torch, claimed=export.skeleton)
            for measured in export.parity.inputs:
                progress.note(str(measured))
        replayed = replay and hold_replay(model, recipe.replay, checkout.published, progress)
        with progress.stage("manifest"):
            toolchain = export.toolchain
            write_sidecars(
                temporary, recipe, checkout, checkpoint, proof, toolchain, replayed=replayed
            )
            open_exported(temporary, recipe)
        drop_stale(temporary, out, recipe)
        install_files(temporary, out, last=recipe.names.manifest)
    return Outcome(open_exported(out, recipe), export, proof)


def reuse_export(
    out: Path,
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    *,
    replay: bool,
    progress: Progress,
) -> Outcome | None:
    """Return an earlier export whose every file is what would be made again, or None."""
    earlier = prove_earlier_export(out, recipe, checkpoint)
    if earlier is None:
        return None
    exported, proof = earlier
    toolchain = tuple(exported.manifest.toolchain.items())
    sidecars = make_sidecars(
        recipe, checkout, checkpoint, proof, exported.model, toolchain, replayed=replay
    )
    digests = {file.name: file.digest for file in exported.files}
    if any(Sha256.of_bytes(content) != digests.get(name) for name, content in sidecars.items()):
        return None
    if replay:
        hold_replay(out / recipe.names.model, recipe.replay, checkout.published, progress)
    return Outcome(exported, None, proof)


def sign_release(
    directory: Path,
    recipe: Recipe,
    instance: SigstoreInstance,
    identity: Identity,
    builder: Builder,
    *,
    unpinned: bool = False,
    progress: Progress = SILENT,
) -> VerifiedRelease:
    """Sign an exported release, unless bundles that cover its very bytes are there already.

    What the recipe does not pin is refused, or with `unpinned` marked as such in the manifest; a
    model that contradicts its manifest is refused in any case.
    """
    exported = hold_pins(open_exported(directory, recipe), recipe, unpinned=unpinned)
    with progress.stage("gates"):
        contract = check_contract(directory / exported.model.name, recipe)
        try:
            check_metadata(exported.manifest, dict(contract.metadata), recipe)
        except NotVerified as error:
            raise InputError(error.message, hint=EXPORT_AGAIN) from error
    root = instance.trusted_root
    reused = find_signed(directory, recipe, identity.signer, root)
    if reused is not None:
        progress.note("reusing the signatures, they cover these bytes")
        return reused
    check_builder(identity, builder.id)
    with progress.stage("sign"), open_session(instance, identity) as session:
        bundle = session.sign_artifact(exported.model)
        signed = Artifact.of_bytes(recipe.names.bundle, bundle)
        statement = make_statement((*exported.files, signed), exported.manifest, builder)
        provenance = session.sign_statement(statement.payload)
        write_whole(directory / recipe.names.bundle, bundle)
        write_whole(directory / recipe.names.provenance, provenance)
    with progress.stage("verify own signatures"):
        return verify_release(open_evidence(directory, recipe), identity.signer, root)


def upload_release(
    directory: Path,
    recipe: Recipe,
    services: Publication,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    ready: Ready | None = None,
    progress: Progress = SILENT,
) -> tuple[PublishedRelease | DraftRelease, VerifiedRelease]:
    """Verify a signed release as a consumer would, publish those very bytes, and read them back."""
    to = services.to
    with progress.stage("verify before upload"):
        # From here on the verified digests decide: a file that changes meanwhile is not uploaded.
        signed = open_signed(directory, recipe, signer, root, unpinned=services.unpinned)
        verified, by = signed.verified, signed.verified.signer
    with progress.stage("publish"):
        released = publish_release(
            services.github,
            to.repo,
            to.tag,
            signed.files,
            artifacts=signed.artifacts,
            manifest_name=recipe.names.manifest,
            target=to.target,
            title=f"{signed.manifest.model_id} ({to.tag})",
            body=describe_release(signed.manifest, by.identity, by.issuer),
            keep_draft=services.keep_draft,
            latest=to.latest,
            ready=ready,
            progress=progress,
        )
    if isinstance(released, PublishedRelease):
        verified = fetch_and_verify(services, recipe, signer, root, progress=progress)
        with progress.stage("attestation"):
            keep_attestation(services.github, to, signed.evidence, progress)
    return released, verified


def fetch_and_verify(
    services: Publication,
    recipe: Recipe,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    progress: Progress = SILENT,
) -> VerifiedRelease:
    """Download a published release into a directory of its own and verify it as a consumer.

    It is out by now, so whatever does not come may come later: raises `TryAgain`.
    """
    source, to = services.source, services.to
    with ExitStack() as stack:

        def fetch() -> Path:
            return fetch_release(
                source,
                to.repo,
                to.tag,
                layout.limits(recipe.names, recipe.graph.max_model_bytes),
                place,
                optional=layout.optional_names(recipe.names),
                progress=progress,
            )

        try:
            with progress.stage("fetch back"):
                place = stack.enter_context(temporary_directory())
                quarantine = services.github.patience.insist(fetch, CannotVerify, TryAgain)
        except (CannotVerify, InputError, TryAgain) as error:
            text = f"{to} is published, but cannot be read back yet: {error.message}"
            raise TryAgain(text, hint=RUN_AGAIN) from error
        with progress.stage("verify as a consumer"):
            return verify_release(open_evidence(quarantine, recipe), signer, root)


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
    target, out = services.publication, exported.directory
    exported = hold_pins(exported, recipe, unpinned=target.unpinned)
    state = require_signable(target.github, target.to, exported)
    identity, instance = services.identity, services.instance

    def hold() -> bool:
        return find_signed(out, recipe, identity.signer, instance.trusted_root) is not None

    if adopt_signatures(target.github, state, target.source, target.to, recipe, exported, hold):
        progress.note("took the signatures over from the release")
    builder, unpinned = services.builder, target.unpinned
    sign_release(out, recipe, instance, identity, builder, unpinned=unpinned, progress=progress)
    return upload_release(
        out, recipe, target, identity.signer, instance.trusted_root, ready=ready, progress=progress
    )
