"""Step 10: the signed statements, of which the model's own bundle may be one.

Each statement that is at hand is verified by the same ladder, then held against every file that it
speaks of. Loaded only where there is a statement.
"""

from dataclasses import dataclass, replace

from release_tool.core.errors import NotVerified
from release_tool.provenance.statement import Statement
from release_tool.sigstore.check.bundle import Envelope, parse_bundle
from release_tool.sigstore.check.refusal import mismatch
from release_tool.sigstore.check.root import Anchors
from release_tool.sigstore.check.signature import VerifiedSignature, verify_signature
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.contents import (
    builder_of,
    certified_builders,
    check_builder,
    check_named_bundle,
    check_subjects,
    open_statement,
)
from release_tool.verify.evidence import Evidence
from release_tool.verify.ladder import Ladder


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement whose signature holds; `builder_certified` if the certificate names its builder.

    One of `ours` always has such a builder; that of any other is what the statement says, no more.
    """

    statement: Statement
    ours: bool
    builder: str | None
    builder_certified: bool


def open_signed(signature: VerifiedSignature) -> SignedStatement:
    """Read the statement of a DSSE bundle that was verified; its builder must be certified too."""
    statement = open_statement(signature.payload or b"", signature.payload_type)
    check_builder(statement, signature.claims)
    builder = builder_of(statement)
    certified = builder is not None and builder in certified_builders(signature.claims)
    return SignedStatement(statement, statement.ours, builder, certified)


def check_provenance(
    evidence: Evidence,
    content: bytes,
    model: VerifiedSignature,
    signer: ExpectedSigner,
    roots: tuple[Anchors, ...],
    ladder: Ladder,
) -> SignedStatement:
    """(10) Verify the provenance bundle by the same ladder, then hold the files against it."""
    bundle = parse_bundle(content, "the provenance bundle")
    if not isinstance(bundle.content, Envelope):
        raise NotVerified("the provenance bundle signs a file, not a statement")
    signature = verify_signature(bundle, None, signer, roots, ladder.report)
    signed = open_signed(signature)
    if evidence.sidecars is not None:
        ladder.report(10, check_subjects(signed.statement, evidence, evidence.sidecars))
        if model.payload is None:
            check_named_bundle(signed.statement, evidence)
    check_dates(signature, model, evidence, signed.statement)
    return signed


def check_dates(
    provenance: VerifiedSignature,
    model: VerifiedSignature,
    evidence: Evidence,
    statement: Statement,
) -> None:
    """(10) Refuse bundles that were signed together and are dated by different services.

    Of the model's bundle the statement has the digest; from its own, which nothing else signs, a
    time stamp could be taken without a trace. Two bundles of one statement are one and its copy.
    """
    listed = evidence.bundle.digest in (one.digest for one in statement.subjects)
    signed_together = listed or provenance.payload == model.payload
    if signed_together and provenance.dated_by != model.dated_by:
        raise mismatch(
            "who dates the provenance",
            expected=", ".join(sorted(model.dated_by)),
            actual=", ".join(sorted(provenance.dated_by)),
            hint="one of its time stamps is missing; fetch the release again",
        )


def check_stated(evidence: Evidence, model: VerifiedSignature, ladder: Ladder) -> SignedStatement:
    """(10) Hold the files at hand against a release's statement that is itself the model's bundle.

    Another project's statement speaks of the model alone. The bundle is no subject of itself.
    """
    signed = open_signed(model)
    if signed.ours and evidence.sidecars is not None:
        sidecars = replace(evidence.sidecars, bundle_listed=False)
        found = check_subjects(signed.statement, evidence, sidecars)
        ladder.report(10, f"the model's bundle is the provenance; {found}")
    return signed
