"""The rehearsal: what it prints, what it leaves, and that a second one is the same."""

import shutil
from pathlib import Path

import pytest

from release_tool.core.documents import parse_json_object
from release_tool.core.locks import only_one

PURE = (
    "u2netp_mirror_v1.onnx",
    "u2netp_mirror_v1.manifest.json",
    "u2netp_mirror_v1.cdx.json",
    "u2netp_mirror_v1.recipe.toml",
    "Apache-2.0-u2netp.txt",
)


@pytest.mark.parametrize("rekor", ["v1", "v2"])
def test_two_rehearsals_in_different_directories_release_the_same_bytes(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rekor: str
):
    monkeypatch.chdir(tmp_path)
    result = run("rehearse", "--rekor", rekor)
    assert result.code == 0, result.err
    for stage in ("audit", "export", "gates", "manifest", "sign", "publish", "verify"):
        assert f"✓ {stage}" in result.err
    assert "verify it" in result.out
    for name in PURE:
        assert (tmp_path / "dist" / name).read_bytes() == (rehearsed.directory / name).read_bytes()


def test_a_rehearsal_leaves_the_release_and_what_to_believe(rehearsed):
    names = {path.name for path in rehearsed.directory.iterdir()}
    assert names == {
        *PURE,
        "u2netp_mirror_v1.onnx.sigstore.json",
        "u2netp_mirror_v1.provenance.sigstore.json",
        "rehearsal",
    }
    trust = {path.name for path in (rehearsed.directory / "rehearsal").iterdir()}
    assert trust == {"trust_config.json", "trusted_root.json"}


def test_the_document_has_files_verdict_and_command(rehearsed):
    assert {"files", "verdict", "verify_command"} <= set(rehearsed.document)
    assert rehearsed.document["verdict"]["verified"] is True
    assert rehearsed.document["verify_command"][0] == "release-tool"
    assert all(file["digest"].startswith("sha256:") for file in rehearsed.document["files"])


def test_the_command_that_a_rehearsed_recipe_file_prints_works_as_printed(
    run, standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file is named relative to where the rehearsal ran, and the recipe by no name at all."""
    monkeypatch.chdir(standin.recipe_file.parent)
    sources = ["--upstream-dir", standin.checkout, "--checkpoint", standin.checkpoint]
    options = ["--recipe", standin.recipe_file.name, "--out", tmp_path / "dist", "--json"]
    rehearsed = run("rehearse", *sources, *options)
    assert rehearsed.code == 0, rehearsed.err
    monkeypatch.chdir(tmp_path)
    verified = run(*rehearsed.document["verify_command"][1:])
    assert verified.code == 0, verified.err


def test_the_manifest_of_a_rehearsal_names_no_path_of_this_machine(rehearsed):
    content = (rehearsed.directory / "u2netp_mirror_v1.manifest.json").read_bytes()
    parse_json_object(content, "the manifest")
    for path in (str(rehearsed.directory.parent), str(Path.home()), "/tmp"):  # noqa: S108
        assert path.encode() not in content


def test_a_rehearsal_over_an_older_one_signs_anew(run, rehearsed, tmp_path: Path):
    shutil.copytree(rehearsed.directory, tmp_path / "dist")
    result = run("rehearse", "--out", tmp_path / "dist", "--json")
    assert result.code == 0, result.err
    assert "reusing" not in result.err
    assert "✓ export" in result.err
    assert run(*result.document["verify_command"][1:]).code == 0


def test_two_rehearsals_at_once_in_one_directory_are_refused(run, tmp_path: Path):
    out = tmp_path / "dist"
    with only_one(out, "rehearsing"):
        result = run("rehearse", "--out", out)
        assert list(out.iterdir()) == []
    assert result.code == 75
    assert f"another process is rehearsing in {out}" in result.err
    assert "stand-ins" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_on_cue_is_overcome_or_ends_in_its_exit_code(run, standin, tmp_path: Path):
    options = [*standin.options, "--out", tmp_path / "dist"]
    failing = ["--fault", "upload:502:2", "--fault", "publish:lost", "--fail", "tsa:503:1"]
    survived = run("rehearse", *options, *failing)
    assert survived.code == 0, survived.err
    assert "the time stamp: 127.0.0.1:" in survived.err
    refused = run("rehearse", *options, "--fault", "repository:401")
    assert refused.code == 6
    assert "401" in refused.err
    unknown = run("rehearse", *options, "--fault", "upload:fire")
    assert unknown.code == 2
    assert "null-digest" in unknown.err
