"""A second builder's word that a release came out again byte for byte: SLSA's VSA.

Makes and reads the statement; who signed it is for others to find out.
https://slsa.dev/spec/v1.1/verification_summary
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json
from release_tool.core.errors import InputError
from release_tool.provenance.statement import STATEMENT_TYPE, Statement

SUMMARY_TYPE = "https://slsa.dev/verification_summary/v1"
LEVEL = "RELEASE_TOOL_REPRODUCED"
"""What was reached; levels of SLSA's own, which begin with SLSA_, say nothing of a rebuild."""
POLICY = "urn:release-tool:recipe"


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What a summary says: of which release, by which recipe, which files came out."""

    resource: str
    policy: Sha256
    files: dict[str, Sha256]


def make_summary(
    files: Iterable[Artifact], resource: str, recipe: str, policy: Sha256, verifier: str
) -> bytes:
    """State that these files of the release at `resource` were made again, now.

    `policy` is the digest of the recipe, written as TOML, and `verifier` whoever signs.
    """
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": file.name, "digest": {"sha256": file.digest.hex}} for file in files],
        "predicateType": SUMMARY_TYPE,
        "predicate": {
            "verifier": {"id": verifier},
            "timeVerified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resourceUri": resource,
            "policy": {"uri": f"{POLICY}:{recipe}", "digest": {"sha256": policy.hex}},
            "verificationResult": "PASSED",
            "verifiedLevels": [LEVEL],
        },
    }
    return encode_json(document)


def read_summary(statement: Statement) -> Reproduced:
    """Read a summary out of a statement; raises `InputError` for any that says something else."""
    if statement.predicate_type != SUMMARY_TYPE:
        raise InputError(f"it states {statement.predicate_type[:120]!r}, not {SUMMARY_TYPE!r}")
    said = statement.predicate
    result, levels = said.get("verificationResult"), said.get("verifiedLevels")
    if result != "PASSED" or not isinstance(levels, list) or LEVEL not in levels:
        raise InputError(f"it says {str(result)[:80]!r} of {str(levels)[:120]}, not {LEVEL}")
    policy = said.get("policy")
    digests = policy.get("digest") if isinstance(policy, dict) else None
    digest = digests.get("sha256") if isinstance(digests, dict) else None
    return Reproduced(
        str(said.get("resourceUri"))[:500],
        Sha256(str(digest)),
        {subject.name: subject.digest for subject in statement.subjects},
    )
