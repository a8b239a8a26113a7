"""A directory is a release only where every file is the one that the manifest states."""

import json
import shutil
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json
from release_tool.core.errors import InputError
from release_tool.provenance.exported import open_exported
from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP

MODEL, LICENSE = U2NETP.names.model, U2NETP.names.license
BOM = layout.BOM.name_in(U2NETP.names)
RECIPE = layout.RECIPE.name_in(U2NETP.names)


@pytest.fixture
def release(rehearsed, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rehearsed.directory, tmp_path / "release"))


def change_manifest(release: Path, change) -> None:
    path = release / U2NETP.names.manifest
    document = json.loads(path.read_text())
    change(document)
    path.write_bytes(encode_json(json.loads(json.dumps(document, sort_keys=True))))


def test_a_release_lists_its_files_with_the_model_first_and_the_manifest_last(release: Path):
    exported = open_exported(release, U2NETP)
    names = [MODEL, BOM, RECIPE, LICENSE, U2NETP.names.manifest]
    assert [file.name for file in exported.files] == names
    assert exported.model.digest == exported.manifest.outputs.onnx_sha256


@pytest.mark.parametrize("name", [MODEL, LICENSE])
def test_a_changed_file_is_refused(release: Path, name: str):
    (release / name).write_bytes((release / name).read_bytes() + b"\n")
    with pytest.raises(InputError, match=f"{name} is sha256:.*the manifest says"):
        open_exported(release, U2NETP)


@pytest.mark.parametrize("name", [MODEL, LICENSE, U2NETP.names.manifest])
def test_a_missing_file_is_refused(release: Path, name: str):
    (release / name).unlink()
    with pytest.raises(InputError, match="cannot read"):
        open_exported(release, U2NETP)


def test_a_manifest_of_other_files_is_refused(release: Path):
    other = {"path": LICENSE, "exists": False, "kind": "missing"}
    change_manifest(release, lambda it: it["run_provenance"]["outputs"].update(license=other))
    with pytest.raises(InputError, match="does not describe"):
        open_exported(release, U2NETP)


def test_a_notice_that_the_manifest_promises_must_be_there(release: Path):
    change_manifest(release, lambda manifest: manifest["upstream"].update(notice_present=True))
    with pytest.raises(InputError, match=r"does not describe.*NOTICE"):
        open_exported(release, U2NETP)


def test_two_digests_of_one_model_are_refused(release: Path):
    other = Sha256.of_bytes(b"other").hex
    change_manifest(release, lambda manifest: manifest["outputs"].update(onnx_sha256=other))
    with pytest.raises(InputError, match="two digests of the model"):
        open_exported(release, U2NETP)


def test_a_licence_that_was_not_audited_is_refused(release: Path):
    other = Sha256.of_bytes(b"other").hex
    change_manifest(release, lambda manifest: manifest["upstream"].update(license_sha256=other))
    with pytest.raises(InputError, match="audited licence"):
        open_exported(release, U2NETP)


def test_a_directory_that_is_not_there_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(InputError, match="there is no directory") as caught:
        open_exported(tmp_path / "none", U2NETP)
    assert "release-tool export" in str(caught.value.hint)
