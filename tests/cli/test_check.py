"""The gates on any file, and what inspect tells of one."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.cli.judge.rebuilding import Rebuild, stated_toolchain
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified, UsageError
from release_tool.core.progress import SILENT
from release_tool.upstream.sources import Source
from release_tool.verify.evidence import evidence_for_digest, open_evidence
from tests.export.power import NAMED, changed


def test_a_released_model_holds_its_contract(run, rehearsed):
    result = run("check", rehearsed.model, "--json")
    assert result.code == 0, result.err
    assert result.document["contract"] == "holds"


def test_the_contract_is_checked_without_loading_what_signs_fetches_or_exports(rehearsed):
    script = (
        "import sys\n"
        "from release_tool.cli.main import main\n"
        "try:\n"
        "    main(['check', sys.argv[1]])\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "print(*sorted(sys.modules.keys() & {'httpx', 'sigstore', 'torch', 'onnxruntime'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(rehearsed.model)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "holds" in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_lineage_is_proved_without_torch(run, rehearsed, standin):
    recipe = ["--recipe", standin.recipe_file]
    result = run("check", rehearsed.model, "--checkpoint", standin.checkpoint, *recipe)
    assert result.code == 0, result.err
    assert "tensors in place" in result.out


def test_gates_are_chosen_by_name(run, rehearsed, standin):
    sources = ["--upstream-dir", standin.checkout, "--checkpoint", standin.checkpoint]
    arguments = ["check", rehearsed.model, *sources, "--recipe", standin.recipe_file]
    result = run(*arguments, "--gate", "parity", "--gate", "lineage")
    assert result.code == 0, result.err
    assert [line.split()[0] for line in result.out.splitlines() if line[0] != " "] == [
        "lineage", "skeleton", "parity"]  # fmt: skip
    assert "drawn at 37x53, saliency_map: ONNX Runtime is off by" in result.out
    document = run(*arguments, "--gate", "parity", "--json").document
    assert document.keys() == {"model", "parity"}
    outputs = document["parity"]["outputs"]
    assert all(each["onnxruntime"]["largest"] <= each["bounds"]["largest"] for each in outputs)
    assert run(*arguments, "--gate", "speed").code == 2


@pytest.mark.parametrize("change", NAMED, ids=lambda change: change.name)
def test_a_changed_model_fails_parity_with_exit_code_4(run, rehearsed, standin, tmp_path, change):
    model = tmp_path / "changed.onnx"
    model.write_bytes(changed(rehearsed.model.read_bytes(), change))
    sources = ["--upstream-dir", standin.checkout, "--checkpoint", standin.checkpoint]
    options = [*sources, "--recipe", standin.recipe_file]
    result = run("check", model, "--gate", "parity", *options)
    assert result.code == 4
    assert "parity against torch in float64" in result.err
    assert result.out == ""


def test_parity_of_what_is_no_model_or_too_large_is_refused(run, standin, tmp_path):
    sources = ["--upstream-dir", standin.checkout, "--checkpoint", standin.checkpoint]
    options = ["--gate", "parity", *sources, "--recipe", standin.recipe_file]
    (tmp_path / "m.onnx").write_bytes(b"no model")
    result = run("check", tmp_path / "m.onnx", *options)
    assert (result.code, "ONNX Runtime does not run the model" in result.err) == (4, True)
    with (tmp_path / "m.onnx").open("wb") as stream:
        stream.truncate(60 * 1024 * 1024)
    assert run("check", tmp_path / "m.onnx", *options).code == 3


def test_verify_proves_lineage_on_the_way(run, rehearsed, standin):
    options = ["--recipe", standin.recipe_file, *rehearsed.believing]
    arguments = ["verify", rehearsed.model, "--checkpoint", standin.checkpoint, *options]
    result = run(*arguments)
    assert result.code == 0, result.err
    assert "lineage" in result.out
    assert run(*arguments, "--json").document["lineage"]["in_place"] > 0


def test_a_model_with_other_weights_is_signed_and_still_not_verified(
    run, rehearsed, standin, tmp_path: Path
):
    """The pinned checkpoint is altered, so that the model's tensors are not its."""
    content = bytearray(standin.checkpoint.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"\0\0\0\0"
    other = tmp_path / "other.pth"
    other.write_bytes(content)
    options = ["--recipe", standin.recipe_file, *rehearsed.believing]
    arguments = ["--checkpoint", other, "--unpinned-checkpoint", *options]
    result = run("verify", rehearsed.model, *arguments)
    assert result.code in (3, 8)
    assert result.code == 3 or "lineage" in result.err


def test_lineage_needs_a_file_and_not_a_digest(run, rehearsed, standin):
    bundle = rehearsed.directory / "u2netp_mirror_v1.provenance.sigstore.json"
    digest = rehearsed.document["files"][0]["digest"]
    weights = ["--checkpoint", standin.checkpoint, "--recipe", standin.recipe_file]
    result = run("verify", digest, "--bundle", bundle, *weights, *rehearsed.believing)
    assert result.code == 2


def test_a_file_that_is_no_model_is_refused(run, tmp_path: Path):
    (tmp_path / "x.onnx").write_bytes(b"<html>")
    result = run("check", tmp_path / "x.onnx")
    assert result.code == 4
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("u2netp_mirror_v1.onnx", "model"),
        ("u2netp_mirror_v1.onnx.sigstore.json", "bundle"),
        ("u2netp_mirror_v1.provenance.sigstore.json", "bundle"),
        ("u2netp_mirror_v1.manifest.json", "manifest"),
    ],
)
def test_inspect_tells_what_a_file_says_and_that_nothing_was_verified(
    run, rehearsed, name: str, kind: str
):
    result = run("inspect", rehearsed.directory / name)
    assert result.code == 0, result.err
    assert result.out.startswith("kind ")
    assert kind in result.out.splitlines()[0]
    assert "nothing was verified" in result.err
    document = run("inspect", rehearsed.directory / name, "--json").document
    assert document["verified"] is False
    assert document["content"]


@pytest.mark.parametrize("content", [b"{}", b"", b"[1]", b'{"schema": 1}'])
def test_inspect_refuses_what_it_does_not_know(run, tmp_path: Path, content: bytes):
    (tmp_path / "x.json").write_bytes(content)
    result = run("inspect", tmp_path / "x.json")
    assert result.code == 3
    assert "Traceback" not in result.err


def test_a_damaged_bundle_is_still_inspected_or_refused_in_one_line(run, rehearsed, tmp_path: Path):
    name = "u2netp_mirror_v1.onnx.sigstore.json"
    path = Path(shutil.copy(rehearsed.directory / name, tmp_path / name))
    path.write_bytes(path.read_bytes()[:-10])
    result = run("inspect", path)
    assert result.code in (3, 9)
    assert "Traceback" not in result.err


def test_a_rebuild_reproduces_the_release_bit_for_bit(run, rehearsed, standin):
    options = ["--recipe", standin.recipe_file, *rehearsed.believing]
    sources = ["--checkpoint", standin.checkpoint, "--upstream-dir", standin.checkout]
    result = run("verify", rehearsed.model, *sources, *options)
    assert result.code == 0, result.err
    assert "reproduced bit for bit with numpy" in result.out


def test_a_rebuild_needs_a_checkpoint_and_a_file(run, rehearsed, standin):
    result = run("verify", rehearsed.model, "--upstream-dir", standin.checkout)
    assert result.code == 2
    assert "goes with --checkpoint" in result.err


def rebuild_of(standin) -> Rebuild:
    return Rebuild(Source(standin.checkout, standin.checkpoint), standin.recipe, SILENT)


def test_a_model_that_cannot_be_reproduced_is_not_verified(rehearsed, standin, tmp_path: Path):
    release = Path(shutil.copytree(rehearsed.directory, tmp_path / "release"))
    model = release / rehearsed.model.name
    content = model.read_bytes()
    model.write_bytes(content.replace(b"pytorch", b"pytorck", 1))
    evidence = open_evidence(release, standin.recipe)
    with pytest.raises(NotVerified, match=r"first difference is at model\.producer_name"):
        rebuild_of(standin).prove(evidence)
    manifest = release / "u2netp_mirror_v1.manifest.json"
    text = manifest.read_text()
    torch = json.loads(text)["toolchain"]["torch"]
    manifest.write_text(text.replace(f'"torch": "{torch}"', '"torch": "2.12.0"'))
    with pytest.raises(CannotVerify, match=rf"made with torch 2\.12\.0 \(here {re.escape(torch)}"):
        rebuild_of(standin).prove(open_evidence(release, standin.recipe))
    manifest.unlink()
    assert stated_toolchain(open_evidence(model, standin.recipe)) == {}


def test_a_digest_cannot_be_rebuilt(rehearsed, standin):
    bundle = (rehearsed.directory / "u2netp_mirror_v1.onnx.sigstore.json").read_bytes()
    with pytest.raises(UsageError, match="not with a digest"):
        rebuild_of(standin).prove(evidence_for_digest(Sha256.of_bytes(b""), bundle))
