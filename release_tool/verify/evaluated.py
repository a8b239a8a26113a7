"""The signed word that a model was evaluated: verified like any statement, then held to the files.

Loaded only where there is one.
"""

from release_tool.core.errors import NotVerified
from release_tool.provenance.statement import PAYLOAD_TYPE, Statement
from release_tool.provenance.test_result import TEST_RESULT_TYPE, EvaluationClaim, read_result
from release_tool.recipes import layout
from release_tool.sigstore.check.bundle import Envelope, parse_bundle
from release_tool.sigstore.check.refusal import mismatch, reading
from release_tool.sigstore.check.root import Anchors
from release_tool.sigstore.check.signature import verify_signature
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import Evidence, Sidecars
from release_tool.verify.ladder import Ladder
from release_tool.verify.release import EvaluationSummary

BUNDLE = "the bundle of the test result"


def check_evaluation(
    evidence: Evidence,
    sidecars: Sidecars,
    signer: ExpectedSigner,
    roots: tuple[Anchors, ...],
    ladder: Ladder,
) -> EvaluationSummary:
    """(10) Verify the test result, and hold model and evaluation against it.

    1. The expected signer signed it, by the same ladder as the provenance.
    2. It is a test result, and the model's digest is one of its subjects.
    3. So is the evaluation's, where that is at hand, and both say the same of this model.
    """
    content = sidecars.files[layout.TEST_RESULT.role]
    bundle = parse_bundle(content.data, BUNDLE)
    if not isinstance(bundle.content, Envelope):
        raise NotVerified(f"{BUNDLE} signs a file, not a statement")
    signature = verify_signature(bundle, None, signer, roots, ladder.report)
    if signature.payload_type != PAYLOAD_TYPE:
        raise mismatch(
            "type of the signed payload", expected=PAYLOAD_TYPE, actual=signature.payload_type
        )
    with reading("the test result"):
        statement = Statement.parse(signature.payload or b"")
        result = read_result(statement.predicate)
    if statement.predicate_type != TEST_RESULT_TYPE:
        raise mismatch(
            "what the test result states",
            expected=TEST_RESULT_TYPE,
            actual=statement.predicate_type,
        )
    check_files(statement, result, evidence, sidecars)
    return EvaluationSummary(result, signature.claims.identity, signature.claims.issuer)


def check_files(statement: Statement, result: str, evidence: Evidence, sidecars: Sidecars) -> None:
    """Refuse a test result that is about another model, or another evaluation of it."""
    stated = {subject.digest for subject in statement.subjects}
    if evidence.digest not in stated:
        actual = ", ".join(map(str, sorted(map(str, stated))))
        raise mismatch("the evaluated model", expected=evidence.digest, actual=actual)
    evaluation = sidecars.files.get(layout.EVALUATION.role)
    if evaluation is None:
        return
    if evaluation.digest not in stated:
        raise mismatch("the evaluation", expected="a subject of the test result",
                       actual=evaluation.digest)  # fmt: skip
    with reading("the evaluation"):
        claim = EvaluationClaim.parse(evaluation.data)
    if claim.model != evidence.digest:
        raise mismatch("the evaluated model", expected=evidence.digest, actual=claim.model)
    if claim.passed != (result == "passed"):
        raise mismatch("the evaluation's result", expected=result, actual=f"passed: {claim.passed}")
