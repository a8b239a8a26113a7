"""The verdict: a ladder of numbered steps from evidence to a `VerifiedRelease`, or a refusal.

Reads no file but the model's metadata, opens no socket, and knows no cache and no clock: what
counts is when something was signed. The steps themselves are in the modules beside this one.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from release_tool.core.digest import Sha256
from release_tool.core.errors import NotVerified
from release_tool.sigstore.check.bundle import Bundle, Envelope, MessageSignature, parse_bundle
from release_tool.sigstore.check.refusal import mismatch, reading, show
from release_tool.sigstore.check.root import Anchors, parse_root
from release_tool.sigstore.check.signature import VerifiedSignature, verify_signature
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import Evidence, Sidecars
from release_tool.verify.release import Step, VerifiedFile, VerifiedRelease, VerifiedSigner

if TYPE_CHECKING:
    from release_tool.provenance.manifest import Manifest
    from release_tool.provenance.statement import Statement

STEPS = {
    1: "digest",
    2: "bundle",
    3: "certificate chain",
    4: "certificate transparency",
    5: "log inclusion",
    6: "time stamps",
    7: "validity windows",
    8: "signature",
    9: "identity and issuer",
    10: "provenance subjects",
    11: "manifest and licence",
    12: "embedded metadata",
}


@dataclass(slots=True)
class Ladder:
    """Collects what each step found; a step that two bundles take is reported for both."""

    found: dict[int, list[str]] = field(default_factory=dict)

    def report(self, number: int, outcome: str) -> None:
        """Note a step that held."""
        said = self.found.setdefault(number, [])
        if outcome not in said:
            said.append(outcome)

    def steps(self) -> tuple[Step, ...]:
        """Return all steps in the order of the ladder."""
        return tuple(
            Step(number, name, "; ".join(self.found[number])) for number, name in STEPS.items()
        )


def verify_release(
    evidence: Evidence, signer: ExpectedSigner, root: TrustedRoot
) -> VerifiedRelease:
    """Reach the verdict on a model.

    Raises `NotVerified` (8) where the evidence says no, `CannotVerify` (9) where it cannot be read,
    and `InputError` (3) where the trusted root is none.
    """
    anchors, ladder = parse_root(root), Ladder()
    # (2) before (1), since the digest that was signed stands in the bundle.
    bundle = parse_bundle(evidence.bundle, "the bundle")
    ladder.report(2, "well-formed")
    name = check_digest(bundle, evidence)
    said = f"{evidence.digest} is the digest that was signed"
    ladder.report(1, said if name is None else f"{said}, as that of {show(name)!r}")
    # (3) to (9)
    signature = verify_signature(bundle, evidence.digest, signer, anchors, ladder.report)
    # (10) to (12)
    if evidence.sidecars is None:
        statement, manifest = None, None
        for number in (10, 11, 12):
            ladder.report(number, "not asked: only a digest was given")
    else:
        statement = check_provenance(evidence, signature, signer, anchors, ladder)
        statement = statement or check_stated(evidence, signature, ladder)
        manifest = check_contents(evidence, evidence.sidecars, statement, ladder)
    if signature.payload is not None:
        stated = open_signed(signature)
        statement = statement or stated
    return make_release(evidence, signature, ladder, (statement, manifest))


def check_digest(bundle: Bundle, evidence: Evidence) -> str | None:
    """(1) Refuse a bundle for other bytes before anything else, so that the reason is plain.

    Returns the name that a statement gives the model, or None where a file was signed.
    """
    digest = evidence.digest
    match bundle.content:
        case MessageSignature(digest=stated) if stated is not None and stated != digest:
            raise mismatch(
                "the file's digest",
                expected=f"{stated}, which the bundle signs",
                actual=digest,
                hint="the file was changed, or the bundle belongs to another one",
            )
        case Envelope(payload=payload, payload_type=payload_type):
            from release_tool.verify.contents import (  # noqa: PLC0415  (only for statements)
                check_model_subject,
                open_statement,
            )

            recipe = evidence.recipe
            if recipe is None and evidence.sidecars is not None:
                recipe = evidence.sidecars.recipe
            return check_model_subject(open_statement(payload, payload_type), digest, recipe)
    return None


def open_signed(signature: VerifiedSignature) -> "Statement":
    """Read the statement of a DSSE bundle that was verified; its builder must be certified too."""
    from release_tool.verify.contents import check_builder, open_statement  # noqa: PLC0415

    statement = open_statement(signature.payload or b"", signature.payload_type)
    check_builder(statement, signature.claims)
    return statement


def check_provenance(
    evidence: Evidence,
    model: VerifiedSignature,
    signer: ExpectedSigner,
    anchors: Anchors,
    ladder: Ladder,
) -> "Statement | None":
    """(10) Verify the provenance bundle by the same ladder, then hold the files against it."""
    sidecars = evidence.sidecars
    if sidecars is None or sidecars.provenance is None:
        ladder.report(10, "not checked: there is no provenance beside the model")
        return None
    from release_tool.verify.contents import (  # noqa: PLC0415
        check_named_bundle,
        check_subjects,
    )

    bundle = parse_bundle(sidecars.provenance, "the provenance bundle")
    if not isinstance(bundle.content, Envelope):
        raise NotVerified("the provenance bundle signs a file, not a statement")
    signature = verify_signature(bundle, None, signer, anchors, ladder.report)
    statement = open_signed(signature)
    ladder.report(10, check_subjects(statement, evidence, sidecars))
    if model.payload is None:
        check_named_bundle(statement, evidence, sidecars)
    signed_together = Sha256.of_bytes(evidence.bundle) in (one.digest for one in statement.subjects)
    if signed_together and signature.dated_by != model.dated_by:
        # Of the model's bundle the statement has the digest; from its own, which nothing else
        # signs, a time stamp could be taken without a trace.
        raise mismatch(
            "who dates the provenance",
            expected=", ".join(sorted(model.dated_by)),
            actual=", ".join(sorted(signature.dated_by)),
            hint="one of its time stamps is missing; fetch the release again",
        )
    return statement


def check_stated(
    evidence: Evidence, model: VerifiedSignature, ladder: Ladder
) -> "Statement | None":
    """(10) Hold the files at hand against a release's statement that is itself the model's bundle.

    Another project's statement speaks of the model alone. The bundle is no subject of itself.
    """
    if evidence.sidecars is None or model.payload is None:
        return None
    from release_tool.verify.contents import check_subjects, is_ours  # noqa: PLC0415

    statement = open_signed(model)
    if not is_ours(statement):
        return None
    sidecars = replace(evidence.sidecars, bundle_listed=False)
    found = check_subjects(statement, evidence, sidecars)
    ladder.found[10] = [f"the model's bundle is the provenance; {found}"]
    return statement


def check_contents(
    evidence: Evidence, sidecars: Sidecars, statement: "Statement | None", ladder: Ladder
) -> "Manifest | None":
    """(11) and (12) Hold manifest, licence and metadata against the model."""
    if sidecars.manifest is None:
        for number in (11, 12):
            ladder.report(number, "not checked: there is no manifest beside the model")
        return None
    if statement is None:
        # Without a signed statement the manifest is anybody's; it neither helps nor hurts.
        for number in (11, 12):
            ladder.report(number, "not checked: nothing signs the manifest beside the model")
        return None
    from release_tool.provenance.manifest import Manifest  # noqa: PLC0415  (pydantic is slow)
    from release_tool.verify.contents import check_manifest, check_metadata  # noqa: PLC0415

    with reading("the manifest"):
        manifest = Manifest.parse(sidecars.manifest)
    ladder.report(11, check_manifest(manifest, statement, evidence, sidecars))
    ladder.report(12, check_metadata(manifest, evidence))
    return manifest


def make_release(
    evidence: Evidence,
    signature: VerifiedSignature,
    ladder: Ladder,
    said: "tuple[Statement | None, Manifest | None]",
) -> VerifiedRelease:
    """Put the verdict together."""
    summary = None
    provenance = None if evidence.sidecars is None else evidence.sidecars.provenance
    if said[0] is not None:
        from release_tool.verify.contents import is_ours, summarise  # noqa: PLC0415

        summary = summarise(*said)
        if provenance is None and is_ours(said[0]):
            provenance = evidence.bundle
    claims = signature.claims
    return VerifiedRelease(
        artifacts=verified_files(evidence, provenance),
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
        log_id=signature.log.key_id.hex(),
        log_url=signature.log.url,
        steps=ladder.steps(),
        provenance=summary,
    )


def verified_files(evidence: Evidence, provenance: bytes | None) -> tuple[VerifiedFile, ...]:
    """List the files that the verdict covers, the model first.

    Without provenance, as a file of its own or as the model's bundle, nothing signs a file beside
    the model, so none is listed.
    """
    model = VerifiedFile("model", evidence.name, evidence.digest, evidence.size)
    sidecars = evidence.sidecars
    if sidecars is None or provenance is None:
        return (model,)
    names = sidecars.recipe.names
    listed = sidecars.bundle_listed and provenance is not evidence.bundle
    others = (
        ("bundle", names.bundle, evidence.bundle if listed else None),
        ("provenance", names.provenance, provenance),
        ("manifest", names.manifest, sidecars.manifest),
        ("license", names.license, sidecars.license),
        ("notice", names.notice, sidecars.notice),
    )
    return (
        model,
        *(
            VerifiedFile(role, name, Sha256.of_bytes(content), len(content))
            for role, name, content in others
            if content is not None
        ),
    )
