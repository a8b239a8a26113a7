"""The test-result statement: that a model was evaluated, and whether it passed.

Made from the evaluation's own bytes, of which only what is stated is read. What it measured is not
judged here. https://in-toto.io/attestation/test-result/v0.1
"""

from dataclasses import dataclass
from typing import Self

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.provenance.statement import STATEMENT_TYPE, Statement

TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EVALUATION_SCHEMA = "release-tool-evaluation-v1"
RESULTS = {"PASSED": "passed", "WARNED": "passed", "FAILED": "failed"}


@dataclass(frozen=True, slots=True)
class EvaluationClaim:
    """What an evaluation says in short: of which model, against which, and what passed."""

    model: Sha256
    incumbent: Sha256 | None
    passed: bool
    tests: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the parts of `evaluation.json` that are claimed; raises `InputError`."""
        document = parse_json_object(content, "the evaluation")
        if document.get("schema") != EVALUATION_SCHEMA or not isinstance(
            document.get("passed"), bool
        ):
            raise InputError(f"the evaluation is not of the schema {EVALUATION_SCHEMA}")
        model = digest_of(document.get("model"))
        if model is None:
            raise InputError("the evaluation does not say which model was evaluated")
        replay, comparison = document.get("replay"), document.get("comparison")
        tests = []
        if isinstance(replay, dict):
            tests.append(("replay", replay.get("passed") is True))
        if isinstance(comparison, dict):
            tests.append(("comparison", comparison.get("failed") == []))
        passed = document["passed"] and all(held for _, held in tests) and bool(tests)
        return cls(model, digest_of(document.get("incumbent")), passed, tuple(tests))


def digest_of(model: object) -> Sha256 | None:
    """Read the digest of a model that an evaluation describes."""
    return Sha256(str(model.get("sha256"))) if isinstance(model, dict) else None


def make_test_result(model: Artifact, evaluation: Artifact, claim: EvaluationClaim) -> Statement:
    """State over a model and its evaluation whether it passed, and which parts of it did."""
    subjects = [
        {"name": file.name, "digest": {"sha256": file.digest.hex}} for file in (model, evaluation)
    ]
    document = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": TEST_RESULT_TYPE,
        "predicate": {
            "result": "PASSED" if claim.passed else "FAILED",
            "configuration": [subjects[1]],
            "passedTests": [name for name, held in claim.tests if held],
            "warnedTests": [],
            "failedTests": [name for name, held in claim.tests if not held],
        },
    }
    return Statement.parse(encode_json(document))


def read_result(predicate: JsonObject) -> str:
    """Return `passed` or `failed`; raises `InputError` for any other result."""
    result = predicate.get("result")
    if not isinstance(result, str) or result not in RESULTS:
        raise InputError(f"the test result is {str(result)[:40]!r}, not {' or '.join(RESULTS)}")
    return RESULTS[result]
