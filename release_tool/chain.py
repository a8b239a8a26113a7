"""The order of the stages, and nothing else.

Each function here is one command's work; a stage knows none of its neighbours, this module knows
them all.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.artifact import Artifact
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.files import install_files, read_limited, staging_directory, write_whole
from release_tool.core.names import Destination
from release_tool.core.progress import SILENT, Progress
from release_tool.export.run import Export, export_model
from release_tool.gates.contract import check_contract
from release_tool.gates.proof import Proof, prove_export
from release_tool.provenance.attribution import make_attribution
from release_tool.provenance.compose import make_manifest
from release_tool.provenance.description import describe_release
from release_tool.provenance.exported import ExportedRelease, open_exported
from release_tool.provenance.manifest import (
    ContractClaim,
    GatesClaim,
    LineageClaim,
    OutputsClaim,
    ParityClaim,
)
from release_tool.provenance.statement import Builder, make_statement
from release_tool.publish.attestation import send_attestation
from release_tool.publish.github import GitHub
from release_tool.publish.preflight import check_publishable
from release_tool.publish.remote import DraftRelease, PublishedRelease
from release_tool.publish.transaction import publish_release
from release_tool.recipes.recipe import Recipe
from release_tool.signing.sign import open_session
from release_tool.signing.token import Identity
from release_tool.trust.instance import SigstoreInstance, TrustedRoot
from release_tool.trust.signer import ExpectedSigner
from release_tool.upstream.checkout import Checkout, open_checkout
from release_tool.upstream.checkpoint import Checkpoint, open_checkpoint
from release_tool.verify.bundle import BUNDLE_LIMIT_BYTES
from release_tool.verify.download import fetch_release
from release_tool.verify.evidence import open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.transfer import Source as ReleaseSource
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class Source:
    """What an export starts from; `pinned` demands the very checkpoint that the recipe pins."""

    upstream: Path
    checkpoint: Path
    pinned: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """An export on disk, and what was measured on the way to it."""

    release: ExportedRelease
    export: Export
    proof: Proof


@dataclass(frozen=True, slots=True)
class Plan:
    """One release from its sources to its tag; `out` is where its files stand meanwhile."""

    source: Source
    recipe: Recipe
    out: Path
    to: Destination
    keep_draft: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """The outside world of a release: who signs and where, where it goes and is read back from."""

    instance: SigstoreInstance
    identity: Identity
    builder: Builder
    github: GitHub
    source: ReleaseSource


def export_release(
    source: Source,
    recipe: Recipe,
    out: Path,
    environment: Mapping[str, str],
    *,
    full_parity: bool = False,
    progress: Progress = SILENT,
) -> Outcome:
    """Audit, export, prove, and only then put model, licence and manifest into `out`."""
    with progress.stage("audit"):
        checkout = open_checkout(source.upstream, recipe)
        checkpoint = open_checkpoint(source.checkpoint, recipe, pinned=source.pinned)
        progress.note(f"upstream {checkout.commit}, {len(checkpoint.tensors)} tensors")
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
        with progress.stage("manifest"):
            write_sidecars(temporary, recipe, checkout, checkpoint, export, proof)
            open_exported(temporary, recipe)
        drop_stale_bundles(temporary, out, recipe)
        install_files(temporary, out, last=recipe.names.manifest)
    return Outcome(open_exported(out, recipe), export, proof)


def write_sidecars(
    directory: Path,
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    export: Export,
    proof: Proof,
) -> None:
    """Write licence asset, NOTICE and manifest beside a model that passed its gates."""
    names = recipe.names
    notice = checkout.notice
    license_asset = make_attribution(
        recipe, checkpoint.digest, checkout.license, notice=notice is not None
    )
    write_whole(directory / names.license, license_asset)
    files = [
        ("model", export.model),
        ("license", Artifact.of_bytes(names.license, license_asset)),
    ]
    if notice is not None:
        write_whole(directory / names.notice, notice)
        files.append(("notice", Artifact.of_bytes(names.notice, notice)))
    manifest = make_manifest(
        recipe,
        checkout,
        checkpoint,
        OutputsClaim(
            onnx_path=names.model,
            onnx_sha256=export.model.digest,
            skeleton_sha256=proof.lineage.skeleton,
        ),
        claim_gates(recipe, proof),
        files,
        toolchain=dict(export.toolchain),
        model_metadata=dict(proof.contract.metadata),
    )
    write_whole(directory / names.manifest, manifest.encode())


def claim_gates(recipe: Recipe, proof: Proof) -> GatesClaim:
    """State what the gates measured, in the terms of the manifest."""
    contract, lineage, parity = proof.contract, proof.lineage, recipe.parity
    return GatesClaim(
        contract=ContractClaim(
            ir_version=contract.ir_version,
            opset=contract.opset,
            nodes=contract.nodes,
            initializers=contract.initializers,
            operators=dict(sorted(contract.operators)),
            size_bytes=contract.size,
        ),
        lineage=LineageClaim(tensors=lineage.tensors, in_place=lineage.in_place),
        parity=ParityClaim(
            float64_sizes=parity.float64_sizes,
            float64_difference_at_most=parity.float64_bound,
            float32_sizes=parity.float32_sizes,
            float32_difference_at_most=parity.float32_bound,
            unsaturated_share_at_least=parity.unsaturated_share,
        ),
    )


def drop_stale_bundles(new: Path, out: Path, recipe: Recipe) -> None:
    """Remove bundles in `out` that sign other bytes than the new ones, so that none looks valid."""
    names = recipe.names
    for name in (names.model, names.manifest, names.license):
        if not (out / name).exists() or (out / name).read_bytes() != (new / name).read_bytes():
            for bundle in (names.bundle, names.provenance):
                (out / bundle).unlink(missing_ok=True)


def sign_release(
    directory: Path,
    recipe: Recipe,
    instance: SigstoreInstance,
    identity: Identity,
    builder: Builder,
    *,
    progress: Progress = SILENT,
) -> VerifiedRelease:
    """Sign an exported release, unless bundles that cover its very bytes are there already."""
    exported = open_exported(directory, recipe)
    with progress.stage("gates"):
        check_contract(directory / exported.model.name, recipe)
    root = instance.trusted_root
    reused = find_signed(directory, recipe, identity.signer, root)
    if reused is not None:
        progress.note("reusing the signatures, they cover these bytes")
        return reused
    with progress.stage("sign"), open_session(instance, identity) as session:
        bundle = session.sign_artifact(exported.model)
        signed = Artifact.of_bytes(recipe.names.bundle, bundle)
        statement = make_statement((*exported.files, signed), exported.manifest, builder)
        provenance = session.sign_statement(statement)
        write_whole(directory / recipe.names.bundle, bundle)
        write_whole(directory / recipe.names.provenance, provenance)
    with progress.stage("verify own signatures"):
        return verify_release(open_evidence(directory, recipe), identity.signer, root)


def find_signed(
    directory: Path, recipe: Recipe, signer: ExpectedSigner, root: TrustedRoot
) -> VerifiedRelease | None:
    """Return the verdict on bundles that are there already, or None where they do not hold."""
    try:
        return verify_release(open_evidence(directory, recipe), signer, root)
    except (CannotVerify, NotVerified):
        return None


def upload_release(
    directory: Path,
    recipe: Recipe,
    github: GitHub,
    to: Destination,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    keep_draft: bool = False,
    progress: Progress = SILENT,
) -> PublishedRelease | DraftRelease:
    """Verify a signed release as a consumer would, and only then put it on GitHub."""
    exported = open_exported(directory, recipe)
    with progress.stage("verify before upload"):
        verified = verify_release(open_evidence(directory, recipe), signer, root)
    names = recipe.names
    files = [*(artifact.name for artifact in exported.files), names.bundle, names.provenance]
    with progress.stage("publish"):
        released = publish_release(
            github,
            to.repo,
            to.tag,
            {name: directory / name for name in files},
            manifest_name=names.manifest,
            target=to.target,
            title=f"{recipe.model_id} ({to.tag})",
            body=describe_release(recipe, verified.signer.identity, verified.signer.issuer),
            keep_draft=keep_draft,
            progress=progress,
        )
        if isinstance(released, PublishedRelease) and not released.already:
            provenance = read_limited(directory / names.provenance, BUNDLE_LIMIT_BYTES)
            kept = send_attestation(github, to.repo, provenance)
            progress.note("attestation stored" if kept else "the token may not store attestations")
    return released


def fetch_and_verify(
    source: ReleaseSource,
    to: Destination,
    recipe: Recipe,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    progress: Progress = SILENT,
) -> VerifiedRelease:
    """Download a published release into a directory of its own and verify it as a consumer."""
    with tempfile.TemporaryDirectory(prefix="release-tool-") as name:
        with progress.stage("fetch back"):
            quarantine = fetch_release(
                source.client,
                source.api,
                to.repo,
                to.tag,
                recipe,
                Path(name),
                progress=progress,
                token=source.token,
            )
        with progress.stage("verify as a consumer"):
            return verify_release(open_evidence(quarantine, recipe), signer, root)


def publish(
    plan: Plan, services: Services, environment: Mapping[str, str], *, progress: Progress = SILENT
) -> tuple[PublishedRelease | DraftRelease, VerifiedRelease]:
    """Take a release the whole way; run again, it goes on where an earlier run stopped."""
    recipe, github, to = plan.recipe, services.github, plan.to
    root = services.instance.trusted_root
    signer = services.identity.signer
    with progress.stage("preflight"):
        check_ready(github, to)
    export_release(plan.source, recipe, plan.out, environment, progress=progress)
    verified = sign_release(
        plan.out, recipe, services.instance, services.identity, services.builder, progress=progress
    )
    released = upload_release(
        plan.out, recipe, github, to, signer, root, keep_draft=plan.keep_draft, progress=progress
    )
    if isinstance(released, PublishedRelease):
        verified = fetch_and_verify(services.source, to, recipe, signer, root, progress=progress)
    return released, verified


def check_ready(github: GitHub, to: Destination) -> None:
    """Fail for what would stop the upload anyway, before anything costs time.

    The tag is left to the upload: what it holds matters only once the wanted bytes are known.
    """
    for finding in check_publishable(github, to.repo, to.tag, target=to.target):
        if finding.error is not None and finding.name != "tag":
            raise finding.error
