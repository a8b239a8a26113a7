"""The verdict: a ladder of numbered steps from evidence to a `VerifiedRelease`, or a refusal.

Reads no file but the model's metadata, opens no socket, and knows no cache and no clock: what
counts is when something was signed. The steps themselves are in the modules beside this one.
"""

from typing import TYPE_CHECKING

from release_tool.core.errors import NotVerified
from release_tool.recipes import layout
from release_tool.sigstore.check.bundle import (
    Bundle,
    Envelope,
    FileDigest,
    MessageSignature,
    parse_bundle,
)
from release_tool.sigstore.check.refusal import mismatch, reading, show
from release_tool.sigstore.check.root import Anchors, parse_roots
from release_tool.sigstore.check.signature import VerifiedSignature, verify_signature
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.demands import Demands, embedded_metadata
from release_tool.verify.evidence import Evidence, Sidecars
from release_tool.verify.ladder import Contradicted, Ladder
from release_tool.verify.release import EvaluationSummary, VerifiedRelease
from release_tool.verify.summary import make_release

if TYPE_CHECKING:
    from release_tool.provenance.manifest import Manifest
    from release_tool.provenance.statement import Statement
    from release_tool.verify.stated import SignedStatement

NOTHING_MORE = Demands()


def verify_release(
    evidence: Evidence,
    signer: ExpectedSigner,
    root: TrustedRoot,
    demands: Demands = NOTHING_MORE,
) -> VerifiedRelease:
    """Reach the verdict on a model.

    Raises `NotVerified` (8) where the evidence says no, `Contradicted` among them where only what
    was signed and what is at hand differ, `CannotVerify` (9) where it cannot be read
    or lacks what is demanded, and `InputError` (3) where the trusted root is none.
    """
    roots, ladder = parse_roots(root), Ladder()
    # (2) before (1), since the digest that was signed stands in the bundle.
    bundle = parse_bundle(evidence.bundle.data, "the bundle")
    ladder.report(2, "well-formed")
    name = check_digest(bundle, evidence)
    said = f"{evidence.digest} is the digest that was signed"
    ladder.report(1, said if name is None else f"{said}, as that of {show(name)!r}")
    # (3) to (9)
    signature = verify_signature(bundle, evidence.digest_by, signer, roots, ladder.report)
    # (10) to (12)
    try:
        demands.check_model(evidence, ladder)
        statements = check_statements(evidence, signature, signer, roots, ladder)
        manifest = check_contents(evidence, covering(statements, evidence), ladder)
        unpinned = demands.check_claims(evidence, statements, manifest)
        evaluation = find_evaluation(evidence, signer, roots, ladder)
        demands.check_evaluated(evaluation)
    except NotVerified as error:
        raise Contradicted(error.message, hint=error.hint) from error
    signed = next(iter(statements), None)
    return make_release(evidence, signature, ladder, signed, manifest, unpinned, evaluation)


def check_digest(bundle: Bundle, evidence: Evidence) -> str | None:
    """(1) Refuse a bundle for other bytes before anything else, so that the reason is plain.

    Returns the name that a statement gives the model, or None where a file was signed.
    """
    digest = evidence.digest
    match bundle.content:
        case MessageSignature(digest=stated) if stated is not None:
            actual = FileDigest(stated.algorithm, evidence.digest_by(stated.algorithm))
            if stated != actual:
                raise mismatch(
                    "the file's digest",
                    expected=f"{stated}, which the bundle signs",
                    actual=actual,
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


def check_statements(
    evidence: Evidence,
    model: VerifiedSignature,
    signer: ExpectedSigner,
    roots: tuple[Anchors, ...],
    ladder: Ladder,
) -> "tuple[SignedStatement, ...]":
    """(10) Verify every statement at hand, and hold the files against each of them.

    The provenance beside the model comes first, then the model's own bundle if it is a statement.
    """
    sidecars, statements = evidence.sidecars, []
    if sidecars is not None and sidecars.provenance is not None:
        from release_tool.verify.stated import check_provenance  # noqa: PLC0415

        beside = check_provenance(evidence, sidecars.provenance.data, model, signer, roots, ladder)
        statements.append(beside)
    if model.payload is not None:
        from release_tool.verify.stated import check_stated  # noqa: PLC0415

        statements.append(check_stated(evidence, model, ladder))
    if not ladder.found.get(10):
        missing = "not checked: there is no provenance beside the model"
        ladder.report(10, missing if sidecars else "not asked: only a digest was given")
    return tuple(statements)


def find_evaluation(
    evidence: Evidence, signer: ExpectedSigner, roots: tuple[Anchors, ...], ladder: Ladder
) -> EvaluationSummary | None:
    """(10) Verify the test result beside the model, where there is one."""
    sidecars = evidence.sidecars
    if sidecars is None or layout.TEST_RESULT.role not in sidecars.files:
        return None
    from release_tool.verify.evaluated import check_evaluation  # noqa: PLC0415  (only for one)

    return check_evaluation(evidence, sidecars, signer, roots, ladder)


def covering(statements: "tuple[SignedStatement, ...]", evidence: Evidence) -> "Statement | None":
    """Return the statement that signs the files beside the model.

    Another project's statement that is the model's bundle speaks of the model alone.
    """
    if evidence.sidecars is not None and evidence.sidecars.provenance is not None:
        return statements[0].statement
    return next((signed.statement for signed in statements if signed.ours), None)


def check_contents(
    evidence: Evidence, statement: "Statement | None", ladder: Ladder
) -> "Manifest | None":
    """(11) and (12) Hold manifest, licence and metadata against the model."""
    sidecars = evidence.sidecars
    if sidecars is None:
        missing = "not asked: only a digest was given"
    elif sidecars.manifest is None:
        missing = "not checked: there is no manifest beside the model"
    elif statement is None:
        # Without a signed statement the manifest is anybody's; it neither helps nor hurts.
        missing = "not checked: nothing signs the manifest beside the model"
    else:
        return check_signed_manifest(evidence, sidecars, sidecars.manifest.data, statement, ladder)
    for number in (11, 12):
        ladder.report(number, missing)
    return None


def check_signed_manifest(
    evidence: Evidence, sidecars: Sidecars, content: bytes, statement: "Statement", ladder: Ladder
) -> "Manifest":
    """(11) and (12) Hold a manifest that a statement signs against everything it speaks of."""
    from release_tool.provenance.manifest import Manifest  # noqa: PLC0415  (only where it is signed)
    from release_tool.verify.contents import check_manifest, check_metadata  # noqa: PLC0415

    with reading("the manifest"):
        recipe = sidecars.recipe
        schema = None if recipe is None else recipe.formats.manifest_schema
        manifest = Manifest.parse(content, schema)
    ladder.report(11, check_manifest(manifest, statement, evidence, sidecars))
    with reading("the model"):
        actual = embedded_metadata(evidence)
    ladder.report(12, check_metadata(manifest, actual, recipe))
    return manifest
