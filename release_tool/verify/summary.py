"""Puts the verdict together from what the steps found; checks nothing any more."""

from typing import TYPE_CHECKING

from release_tool.recipes import layout
from release_tool.sigstore.check.signature import VerifiedSignature
from release_tool.verify.evidence import Evidence
from release_tool.verify.ladder import Ladder
from release_tool.verify.release import (
    EvaluationSummary,
    ProvenanceSummary,
    VerifiedFile,
    VerifiedRelease,
    VerifiedSigner,
)

if TYPE_CHECKING:
    from release_tool.provenance.manifest import Manifest
    from release_tool.verify.stated import SignedStatement


def make_release(
    evidence: Evidence,
    signature: VerifiedSignature,
    ladder: Ladder,
    signed: "SignedStatement | None",
    manifest: "Manifest | None",
    unpinned: tuple[str, ...],
    evaluation: EvaluationSummary | None,
) -> VerifiedRelease:
    """Make the value whose existence is the verdict."""
    claims = signature.claims
    return VerifiedRelease(
        artifacts=verified_files(evidence, signed),
        signer=VerifiedSigner(
            identity=claims.identity,
            issuer=claims.issuer,
            repo=claims.repo,
            commit=claims.commit,
            workflow=claims.workflow,
            ref=claims.ref,
            trigger=claims.trigger,
            runner=claims.runner,
            run_url=claims.run_url,
        ),
        signed_at=signature.signed_at,
        log_index=signature.log_index,
        log_id=None if signature.log is None else signature.log.key_id.hex(),
        log_url=None if signature.log is None else signature.log.url,
        steps=ladder.steps(),
        provenance=summarise(signed, manifest),
        unpinned=unpinned,
        evaluation=evaluation,
    )


def summarise(
    signed: "SignedStatement | None", manifest: "Manifest | None"
) -> ProvenanceSummary | None:
    """Put what statement and manifest say of the model's making into one value."""
    if signed is None:
        return None
    upstream = None if manifest is None else manifest.upstream
    args = {} if manifest is None else manifest.run_provenance.args
    return ProvenanceSummary(
        recipe=args.get("recipe"),
        predicate_type=signed.statement.predicate_type,
        builder=signed.builder,
        builder_certified=signed.builder_certified,
        upstream_repo=None if upstream is None else upstream.repo,
        upstream_commit=None if upstream is None else str(upstream.commit),
        checkpoint=None if upstream is None else str(upstream.checkpoint_sha256),
    )


def verified_files(
    evidence: Evidence, signed: "SignedStatement | None"
) -> tuple[VerifiedFile, ...]:
    """List the files that the verdict covers, the model first.

    A file beside the model is covered by a provenance beside it, or by one of ours that is the
    model's bundle; another project's that is, and a mere file signature, cover the model alone.
    """
    model = VerifiedFile("model", evidence.name, evidence.digest, evidence.size)
    sidecars = evidence.sidecars
    beside = None if sidecars is None else sidecars.provenance
    names = names_of(evidence, signed)
    provenance = beside or (evidence.bundle if signed is not None else None)
    files = [(layout.PROVENANCE.role, names[layout.PROVENANCE.role], provenance)]
    if sidecars is not None and signed is not None and (beside is not None or signed.ours):
        covered = {**sidecars.files, layout.PROVENANCE.role: provenance}
        if sidecars.bundle_listed and beside is not None:
            covered[layout.BUNDLE.role] = evidence.bundle
        files = [(role, name, covered.get(role)) for role, name in names.items()]
    return (
        model,
        *(
            VerifiedFile(role, name, content.digest, len(content.data))
            for role, name, content in files
            if content is not None
        ),
    )


def names_of(evidence: Evidence, signed: "SignedStatement | None") -> dict[str, str]:
    """Map the roles of a release's files to their names, in the order in which they are listed."""
    if evidence.recipe is not None:
        return layout.file_names(evidence.recipe.names)
    if signed is None or not signed.ours:
        return {layout.PROVENANCE.role: "the bundle"}
    stated = signed.statement.roles
    model = stated[layout.MODEL.role].name
    names = {layout.PROVENANCE.role: layout.PROVENANCE.beside(model)}
    names |= {role: subject.name for role, subject in stated.items()}
    return {row.role: names[row.role] for row in layout.FILES if row.role in names}
