"""What vouches for the time of signing cannot be taken from a release without being missed."""

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


def strip_promise(path: Path) -> None:
    document = json.loads(path.read_bytes())
    entry = document["verificationMaterial"]["tlogEntries"][0]
    del entry["inclusionPromise"], entry["integratedTime"]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("strip", [strip_stamps, strip_promise])
@pytest.mark.parametrize("whole", [True, False])
def test_a_provenance_with_less_to_date_it_than_the_models_bundle_is_refused(
    v1, release: Path, tmp_path: Path, strip, whole
):
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    strip(copy / NAMES.provenance)
    evidence = open_evidence(copy if whole else copy / NAMES.model, U2NETP)
    with pytest.raises(NotVerified, match=r"who dates the provenance: .* the log .*authority"):
        verify_release(evidence, v1.expected, v1.root)


def test_the_name_of_the_models_bundle_makes_no_difference(v1, release: Path, tmp_path: Path):
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    strip_stamps(copy / NAMES.provenance)
    bundle = copy / NAMES.bundle
    bundle.rename(bundle.with_suffix(""))
    with pytest.raises(NotVerified, match="who dates the provenance"):
        verify_release(open_evidence(copy / NAMES.model, U2NETP), v1.expected, v1.root)


@pytest.mark.parametrize("strip", [strip_stamps, strip_promise])
def test_a_models_bundle_with_less_than_was_signed_is_refused(
    v1, release: Path, tmp_path: Path, strip
):
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    strip(copy / NAMES.bundle)
    with pytest.raises(NotVerified):
        verify_release(open_evidence(copy, U2NETP), v1.expected, v1.root)
