"""A second builder's word counts where it is theirs, of this release, and says that it came out."""

import json
from pathlib import Path
from typing import Any

import pytest

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.names import RepoSlug
from release_tool.provenance.reproduction import make_summary
from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import open_evidence
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.reproduction import find_reproduction
from release_tool.verify.verdict import verify_release

NAMES = U2NETP.names
SECOND = ExpectedSigner.of_workflow(RepoSlug.parse("second/builder"), "reproduce.yml")
POLICY = Sha256.of_bytes(b"recipe")


def claims(repo: str, workflow: str = "reproduce.yml") -> dict[str, Any]:
    return Claims.of(repo, workflow=workflow).to_token()


@pytest.fixture(scope="module")
def verified(v1, release: Path) -> VerifiedRelease:
    found: VerifiedRelease = verify_release(open_evidence(release, U2NETP), v1.expected, v1.root)
    return found


@pytest.fixture(scope="module")
def payload(release: Path) -> bytes:
    files = [
        Artifact.of_file(release / name)
        for name in (NAMES.model, NAMES.license, NAMES.manifest, layout.RECIPE.name_in(NAMES))
    ]
    return make_summary(files, "urn:example", "u2netp", POLICY, SECOND.identity)


@pytest.fixture(scope="module")
def summary(v1, payload: bytes) -> bytes:
    signed: bytes = v1.state(payload, **claims("second/builder"))
    return signed


def test_the_word_of_the_expected_party_is_found_among_others(
    v1, verified, summary: bytes, payload
):
    third = v1.state(payload, **claims("third/builder"))
    found = find_reproduction(verified, [third, summary], SECOND, v1.root)
    assert (found.identity, found.issuer) == (SECOND.identity, SECOND.issuer)


def test_without_any_word_there_is_no_verdict(v1, verified):
    with pytest.raises(CannotVerify, match=r"nothing says that .*second/builder"):
        find_reproduction(verified, [], SECOND, v1.root)


def test_the_word_of_somebody_else_does_not_count(v1, verified, payload: bytes):
    third = v1.state(payload, **claims("third/builder"))
    with pytest.raises(NotVerified, match="identity"):
        find_reproduction(verified, [third], SECOND, v1.root)


def test_the_publisher_cannot_vouch_for_itself(v1, verified, payload: bytes):
    with pytest.raises(NotVerified, match="cannot vouch for it"):
        find_reproduction(verified, [v1.state(payload)], v1.expected, v1.root)


@pytest.mark.parametrize("repo", ["rehearsal/another", "Rehearsal/another"])
def test_another_repository_of_the_publishers_owner_is_no_other_party(
    v1, verified, payload: bytes, repo: str
):
    party = ExpectedSigner.of_workflow(RepoSlug.parse(repo), "reproduce.yml")
    signed = v1.state(payload, **claims(repo))
    with pytest.raises(NotVerified, match="have one owner"):
        find_reproduction(verified, [signed], party, v1.root)


def changed(payload: bytes, change) -> bytes:
    document = json.loads(payload)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said["predicate"].update(verificationResult="FAILED"), "'FAILED'|FAILED"),
        (lambda said: said["predicate"].update(verifiedLevels=["SLSA_BUILD_LEVEL_3"]), "it says"),
        (
            lambda said: said["predicate"].update(verifiedLevels="RELEASE_TOOL_REPRODUCED"),
            "it says",
        ),
        (lambda said: said["predicate"].pop("policy"), "digest"),
        (lambda said: said.update(predicateType="https://slsa.dev/provenance/v1"), "it states"),
        (lambda said: said["subject"].pop(1), "reproduced license"),
        (lambda said: said["subject"].pop(0), "reproduced model"),
        (
            lambda said: said["subject"][2]["digest"].update(sha256="ab" * 32),
            "reproduced manifest",
        ),
    ],
)
def test_a_summary_that_says_less_or_of_other_files_does_not_count(
    v1, verified, payload: bytes, change, words: str
):
    signed = v1.state(changed(payload, change), **claims("second/builder"))
    with pytest.raises((NotVerified, CannotVerify), match=words):
        find_reproduction(verified, [signed], SECOND, v1.root)


def test_a_signed_file_is_no_summary(v1, verified):
    signed = v1.sign(b"content", **claims("second/builder"))
    with pytest.raises(NotVerified, match="signs a file, not a statement"):
        find_reproduction(verified, [signed], SECOND, v1.root)


def test_one_changed_character_of_what_was_signed_is_noticed(v1, verified, summary: bytes):
    document = json.loads(summary)
    envelope = document["dsseEnvelope"]
    envelope["payload"] = ("A" if envelope["payload"][9] != "A" else "B").join(
        (envelope["payload"][:9], envelope["payload"][10:])
    )
    with pytest.raises((NotVerified, CannotVerify)):
        find_reproduction(verified, [json.dumps(document).encode()], SECOND, v1.root)


def test_a_model_that_its_consumer_renamed_is_known_by_its_digest(
    v1, release: Path, summary, tmp_path
):
    model = tmp_path / "renamed.onnx"
    model.write_bytes((release / NAMES.model).read_bytes())
    bundle = (release / NAMES.bundle).read_bytes()
    alone = verify_release(open_evidence(model, U2NETP, bundle=bundle), v1.expected, v1.root)
    assert find_reproduction(alone, [summary], SECOND, v1.root).identity == SECOND.identity
