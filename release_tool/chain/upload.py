"""Uploads a signed release, reads it back as a consumer, and has GitHub keep its attestation."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from release_tool.chain.adopt import RUN_AGAIN
from release_tool.chain.signed import SignedRelease
from release_tool.core.errors import CannotVerify, InputError, PublishError, TryAgain
from release_tool.core.files import temporary_directory
from release_tool.core.names import Destination
from release_tool.core.progress import SILENT, Progress
from release_tool.github.attestation import keep_bundle
from release_tool.github.client import GitHub
from release_tool.github.download import fetch_release, fetch_release_attestations
from release_tool.github.remote import DraftRelease, PublishedRelease
from release_tool.github.target import Ready
from release_tool.github.transaction import publish_release
from release_tool.github.transfer import ReadApi
from release_tool.provenance.description import describe_release
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.attested import AttestedRelease, check_attestations, name_files
from release_tool.verify.evidence import Evidence, open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release


@dataclass(frozen=True, slots=True)
class Publication:
    """Where a release goes, read back by `source`; `unpinned` takes what no recipe pins."""

    github: GitHub
    source: ReadApi
    to: Destination
    keep_draft: bool = False
    unpinned: bool = False


def upload_release(
    signed: SignedRelease,
    recipe: Recipe,
    services: Publication,
    signer: ExpectedSigner,
    root: TrustedRoot,
    *,
    ready: Ready | None = None,
    progress: Progress = SILENT,
) -> tuple[PublishedRelease | DraftRelease, VerifiedRelease]:
    """Publish the very bytes that were verified, and read them back.

    Their digests decide: a file that changed in the directory since is not uploaded.
    """
    to, verified = services.to, signed.verified
    with progress.stage("publish"):
        released = publish_release(
            services.github,
            to.repo,
            to.tag,
            signed.files,
            artifacts=verified.described,
            manifest_name=recipe.names.manifest,
            target=to.target,
            title=f"{signed.manifest.model_id} ({to.tag})",
            body=describe_release(
                signed.manifest, verified.signer.identity, verified.signer.issuer
            ),
            keep_draft=services.keep_draft,
            latest=to.latest,
            ready=ready,
            progress=progress,
        )
    if isinstance(released, PublishedRelease):
        verified = fetch_and_verify(services, recipe, signer, root, progress=progress)
        with progress.stage("attestation"):
            keep_attestation(services.github, to, signed.evidence, progress)
            if released.immutable:
                check_attested(services, signed.evidence, root, progress)
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
                layout.limits(recipe.names, recipe.contract.limits.max_model_bytes),
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


def check_attested(
    services: Publication, evidence: Evidence, root: TrustedRoot, progress: Progress
) -> None:
    """Hold what was published against what GitHub attests of an immutable release.

    GitHub may take its time, and the trusted root need not name its instance: then it is said.
    Raises `NotVerified` where GitHub attests other bytes.
    """
    to = services.to
    found = fetch_release_attestations(services.source, to.repo, evidence.digest)
    release = AttestedRelease(to.repo, to.tag)
    said = check_attestations(found, release, name_files(evidence), root)
    progress.note(f"GitHub {said or 'does not attest the immutable release yet'}")


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
