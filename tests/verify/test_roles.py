"""No other file that a release's signature covers is ever taken for the model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.provenance.statement import BUILD_TYPE
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify.evidence import evidence_for_bytes, evidence_for_digest, open_evidence
from release_tool.verify.verdict import verify_release

NAMES = U2NETP.names
MODEL = {NAMES.model: "model"}
OTHERS = [NAMES.license, NAMES.manifest, NAMES.bundle]


def state(subjects: dict[str, bytes], build_type: str, builder: str = "urn:any") -> bytes:
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": Sha256.of_bytes(content).hex}}
            for name, content in subjects.items()
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": build_type,
                "internalParameters": {"roles": {**{name: name for name in subjects}, **MODEL}},
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_of_the_release_under_the_models_name_is_refused(
    v1, release: Path, tmp_path: Path, name
):
    model = tmp_path / NAMES.model
    shutil.copy(release / name, model)
    shutil.copy(release / NAMES.provenance, tmp_path / NAMES.bundle)
    with pytest.raises(NotVerified, match="what the file is by the signed statement") as caught:
        verify_release(open_evidence(model, U2NETP), v1.expected, v1.root)
    assert f"expected {NAMES.model}, actual {name}" in caught.value.message
    with pytest.raises(NotVerified, match="what the file is"):
        evidence = replace(open_evidence(model, U2NETP), recipe=None)
        verify_release(evidence, v1.expected, v1.root)
    with pytest.raises(NotVerified, match="what the file is"):
        content = model.read_bytes()
        verify_release(evidence_for_bytes(content, model, U2NETP), v1.expected, v1.root)


@pytest.mark.parametrize("recipe", [U2NETP, None])
@pytest.mark.parametrize("name", OTHERS)
def test_the_digest_of_another_file_of_the_release_is_refused(v1, release: Path, name, recipe):
    bundle = (release / NAMES.provenance).read_bytes()
    evidence = evidence_for_digest(Sha256.of_file(release / name), bundle, recipe)
    with pytest.raises(NotVerified, match="what the file is"):
        verify_release(evidence, v1.expected, v1.root)


@pytest.mark.parametrize("recipe", [U2NETP, None])
def test_the_digest_of_the_model_is_accepted_and_its_name_told(v1, release: Path, recipe):
    bundle = (release / NAMES.provenance).read_bytes()
    evidence = evidence_for_digest(Sha256.of_file(release / NAMES.model), bundle, recipe)
    verified = verify_release(evidence, v1.expected, v1.root)
    assert verified.steps[0].outcome.endswith(f"as that of '{NAMES.model}'")


def test_the_model_of_another_recipe_is_refused_naming_both(v1, release: Path):
    bundle = (release / NAMES.provenance).read_bytes()
    evidence = evidence_for_digest(Sha256.of_file(release / NAMES.model), bundle, U2NET)
    with pytest.raises(NotVerified) as caught:
        verify_release(evidence, v1.expected, v1.root)
    assert U2NET.names.model in caught.value.message
    assert NAMES.model in caught.value.message
    assert "--recipe" in str(caught.value.hint)


def test_a_foreign_statement_may_call_the_model_anything_and_that_is_told(v1, content):
    bundle = v1.state(state({"dist/weights": content}, "https://example.org/build"))
    evidence = evidence_for_digest(Sha256.of_bytes(content), bundle, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    assert "dist/weights" in verified.steps[0].outcome


def test_of_two_subjects_with_one_digest_the_model_counts(v1, content):
    subjects = {"copy.txt": content, NAMES.model: content}
    bundle = v1.state(state(subjects, BUILD_TYPE, v1.expected.identity))
    evidence = evidence_for_digest(Sha256.of_bytes(content), bundle, U2NETP)
    assert verify_release(evidence, v1.expected, v1.root)


@pytest.mark.parametrize(
    "more",
    [
        {"name": "model.onnx", "digest": {"sha256": "cd" * 32}},
        {"name": "the source", "digest": {"gitCommit": "ab" * 20}},
        {"name": "a", "digest": {"sha512": "ab" * 64}},
        {"digest": {"sha256": "cd" * 32}},
    ],
)
def test_in_a_foreign_statement_only_the_subject_with_the_models_digest_matters(v1, content, more):
    document = json.loads(state({"model.onnx": content}, "https://example.org/build"))
    document["subject"] += [more] * 1100
    bundle = v1.state(json.dumps(document).encode())
    verified = verify_release(
        evidence_for_digest(Sha256.of_bytes(content), bundle), v1.expected, v1.root
    )
    assert verified.steps[0].outcome.endswith("as that of 'model.onnx'")
    evidence = evidence_for_digest(Sha256.of_bytes(b"another file"), bundle)
    judged = "sha256" in more["digest"]
    refusal = NotVerified if judged else CannotVerify
    reason = "the file's digest: expected that of a subject" if judged else "supported is sha256"
    with pytest.raises(refusal, match=reason):
        verify_release(evidence, v1.expected, v1.root)


def test_a_foreign_statement_need_not_name_the_model(v1, content):
    document = json.loads(state({"x": content}, "https://example.org/build"))
    del document["subject"][0]["name"]
    bundle = v1.state(json.dumps(document).encode())
    evidence = evidence_for_digest(Sha256.of_bytes(content), bundle)
    verified = verify_release(evidence, v1.expected, v1.root)
    assert verified.steps[0].outcome.endswith("is the digest that was signed")
