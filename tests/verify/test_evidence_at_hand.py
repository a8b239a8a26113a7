"""Whatever is verified and at hand is held against everything that it speaks of."""

import json
import shutil
from pathlib import Path

import pytest

from release_tool.core.errors import NotVerified
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify.evidence import open_evidence
from release_tool.verify.verdict import verify_release

NAMES = U2NETP.names


def strip_stamps(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["verificationMaterial"].pop("timestampVerificationData")
    path.write_text(json.dumps(document))


@pytest.fixture
def alone(release: Path, tmp_path: Path) -> Path:
    """A release whose provenance is the model's only bundle, and called otherwise."""
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    (copy / NAMES.bundle).unlink()
    (copy / NAMES.provenance).rename(copy / "stated.json")
    return copy


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", [NAMES.manifest, NAMES.license])
def test_a_changed_file_is_refused_by_the_provenance_given_as_the_models_bundle(
    v1, alone: Path, name: str, named
):
    path = alone / name
    path.write_bytes(path.read_bytes() + b"\n")
    given = alone / "stated.json"
    bundle = given if named else given.rename(alone / NAMES.bundle) and None
    evidence = open_evidence(alone / NAMES.model, U2NETP, bundle=bundle)
    with pytest.raises(NotVerified, match=f"digest of {name}"):
        verify_release(evidence, v1.expected, v1.root)


@pytest.mark.parametrize("named", [True, False])
def test_the_provenance_given_as_the_models_bundle_covers_what_it_names(v1, alone: Path, named):
    given = alone / "stated.json"
    bundle = given if named else given.rename(alone / NAMES.bundle) and None
    evidence = open_evidence(alone / NAMES.model, U2NETP, bundle=bundle)
    verified = verify_release(evidence, v1.expected, v1.root)
    roles = [artifact.role for artifact in verified.artifacts]
    assert roles == ["model", "provenance", "manifest", "recipe", "license"]
    assert verified.not_covered == ()


@pytest.mark.parametrize("given", [True, False])
def test_a_renamed_bundle_stripped_like_the_provenance_is_refused(
    v1, release: Path, tmp_path: Path, given
):
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    strip_stamps(copy / NAMES.provenance)
    strip_stamps(copy / NAMES.bundle)
    bundle = (copy / NAMES.bundle).rename((copy / NAMES.bundle).with_suffix(""))
    evidence = open_evidence(copy / NAMES.model, U2NETP, bundle=bundle if given else None)
    with pytest.raises(NotVerified, match="digest of the model's bundle"):
        verify_release(evidence, v1.expected, v1.root)
