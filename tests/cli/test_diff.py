"""`release-tool diff` says what changed between two releases, and judges each first."""

import re
import shutil
from pathlib import Path

import onnx
import pytest

from release_tool.provenance.manifest import Manifest


@pytest.fixture
def other(rehearsed, tmp_path: Path) -> Path:
    """The rehearsed release with one weight changed, as no publisher released it."""
    directory = Path(shutil.copytree(rehearsed.directory, tmp_path / "other"))
    path = directory / rehearsed.model.name
    model = onnx.load(path)
    content = bytearray(model.graph.initializer[0].raw_data)
    content[3] ^= 0x01
    model.graph.initializer[0].raw_data = bytes(content)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return directory


def test_a_release_has_no_change_from_itself_and_both_are_verified(run, rehearsed):
    result = run("diff", rehearsed.directory, rehearsed.directory, *rehearsed.believing, "--json")
    assert result.code == 0, result.err
    document = result.document
    assert document["same_model"]
    assert [side["verified"] for side in document["models"]] == [True, True]
    assert (document["tensors"]["changed"], document["claims"], document["signing"]) == ([], [], [])


def test_a_changed_weight_is_told_beside_the_refusal(run, rehearsed, other: Path):
    result = run("diff", rehearsed.directory, other, *rehearsed.believing)
    assert result.code == 0, result.err
    assert "NOT VERIFIED: the file's digest" in result.out
    assert "the same, node by node" in result.out
    assert re.search(r"tensors +1 of \d+ changed, \d+ equal", result.out)
    assert re.search(r"\n[\w.]+ +1 of \d+ differ, largest ", result.out)
    assert re.search(r"\nverified +true → false", result.out)


def test_what_the_manifests_claim_is_compared(run, rehearsed, other: Path):
    path = next(other.glob("*.manifest.json"))
    content = path.read_bytes()
    manifest = Manifest.parse(content, "u2netp-mirror-export-manifest-v1")
    torch = manifest.toolchain["torch"]
    path.write_bytes(content.replace(f'"torch": "{torch}"'.encode(), b'"torch": "9.9.9"'))
    result = run("diff", rehearsed.directory, other, *rehearsed.believing, "--json")
    assert {"name": "toolchain.torch", "from": torch, "to": "9.9.9"} in result.document["claims"]


def test_models_alone_are_compared_without_any_belief(run, rehearsed, other: Path, tmp_path: Path):
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    shutil.copy(rehearsed.model, first)
    shutil.copy(other / rehearsed.model.name, second)
    result = run("diff", first, second, "--offline")
    assert result.code == 0, result.err
    assert result.out.count("NOT VERIFIED: there is no bundle beside it") == 2


@pytest.mark.parametrize(
    ("named", "options", "code", "words"),
    [
        ("missing.onnx", (), 2, "neither here nor a release"),
        ("owner/name@tag", ("--offline",), 2, "--offline asks nobody"),
    ],
)
def test_what_is_neither_here_nor_a_release_is_refused(run, rehearsed, named, options, code, words):
    result = run("diff", rehearsed.model, named, *options)
    assert result.code == code
    assert words in result.err


def test_a_file_that_is_no_model_exits_4(run, rehearsed, tmp_path: Path):
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    assert run("diff", text, text, "--offline").code == 4
