"""A rehearsed release holds what the fork's own test reads, spelled as there.

The source of the assertions is the test of `ai/scripts/export_u2netp_mirror.py` of VMAFx/vmafx, and
that of the whole manifest what the script writes; both are written anew here.
"""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest

import release_tool
from release_tool.chain.compose import claim_run
from release_tool.checkpoint.reader import open_checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.provenance.manifest import FileClaim, OutputsClaim
from release_tool.recipes.u2netp import U2NETP
from release_tool.upstream.checkout import open_checkout

NAMES = U2NETP.names
DIGITS = set("0123456789abcdef")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def manifest(rehearsed) -> Any:
    return json.loads((rehearsed.directory / NAMES.manifest).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(rehearsed) -> onnx.ModelProto:
    return onnx.load(rehearsed.directory / NAMES.model)


def test_the_twelve_things_that_the_forks_test_reads_are_there(
    rehearsed, standin, model: onnx.ModelProto, manifest: Any
):
    metadata = {item.key: item.value for item in model.metadata_props}
    checkpoint = digest(standin.checkpoint.read_bytes())
    license_text = digest((standin.checkout / "LICENSE").read_bytes())
    model_digest = digest((rehearsed.directory / NAMES.model).read_bytes())
    assert model.graph.input[0].name == "input"
    assert model.graph.output[0].name == "saliency_map"
    assert metadata["lusoris.model_id"] == "u2netp_mirror_v1"
    assert metadata["lusoris.upstream_checkpoint_sha256"] == checkpoint
    assert manifest["schema"] == "u2netp-mirror-export-manifest-v1"
    assert manifest["model_id"] == "u2netp_mirror_v1"
    assert manifest["upstream"]["checkpoint_sha256"] == checkpoint
    assert manifest["upstream"]["license_sha256"] == license_text
    assert manifest["upstream"]["notice_present"] is False
    assert manifest["export"]["output_name"] == "saliency_map"
    assert manifest["export"]["selected_upstream_output"] == "d0"
    assert manifest["outputs"]["onnx_sha256"] == model_digest
    # The fork's own script stands here in a manifest of its own; in ours, the program that ran.
    assert manifest["run_provenance"]["entrypoint"]["path"] == "release_tool/__main__.py"


def test_the_metadata_has_the_forks_keys_in_its_order(model: onnx.ModelProto, standin):
    metadata = {item.key: item.value for item in model.metadata_props}
    assert list(metadata) == sorted(metadata)
    assert set(metadata) == {
        "lusoris.model_id",
        "lusoris.upstream_repo",
        "lusoris.upstream_commit",
        "lusoris.upstream_checkpoint_sha256",
        "lusoris.conversion",
        "lusoris.license",
    }
    assert metadata["lusoris.upstream_repo"] == standin.recipe.upstream.repo
    assert metadata["lusoris.upstream_commit"] == standin.recipe.upstream.commit.hex
    conversion = metadata["lusoris.conversion"]
    expected = "torch.onnx.export opset 17; selected upstream d0 and renamed to saliency_map"
    assert conversion.startswith(expected)
    assert "modified form of the original work (Apache License 2.0, section 4(b))" in conversion


def test_the_manifest_has_the_forks_keys_and_ours_beside_them(manifest: Any):
    forks = {"schema", "model_id", "upstream", "export", "outputs", "run_provenance"}
    assert set(manifest) == forks | {"gates", "license", "toolchain", "unpinned"}
    ours = {"checkpoint_tensors_sha256", "modules", "adapter"}
    assert set(manifest["upstream"]) - ours == {
        "repo",
        "commit",
        "module_path",
        "module_sha256",
        "checkpoint_path",
        "checkpoint_sha256",
        "license_path",
        "license_sha256",
        "notice_present",
    }
    assert {key: manifest["export"][key] for key in ("metadata_written", "opset")} == {
        "metadata_written": True,
        "opset": 17,
    }
    assert set(manifest["export"]) == {
        "opset",
        "height",
        "width",
        "input_name",
        "output_name",
        "selected_upstream_output",
        "inputs",
        "outputs",
        "metadata_written",
    }
    assert set(manifest["outputs"]) - {"skeleton_sha256"} == {"onnx_path", "onnx_sha256"}


def test_the_run_is_told_in_the_forks_shape(manifest: Any, rehearsed, standin):
    run, recipe = manifest["run_provenance"], standin.recipe
    assert set(run) == {"schema", "entrypoint", "argv", "args", "inputs", "outputs"}
    assert run["schema"] == "ai-run-provenance-v1"
    program = Path(release_tool.__file__).parent / "__main__.py"
    assert run["entrypoint"] == file("release_tool/__main__.py", program)
    assert run["argv"] == [
        *("export", "--recipe", "u2netp-rehearsal", "--upstream-dir", "upstream"),
        *("--checkpoint", f"upstream/{recipe.checkpoint.path}"),
    ]
    assert run["args"] == {
        "recipe": "u2netp-rehearsal",
        "upstream_dir": "upstream",
        "checkpoint": f"upstream/{recipe.checkpoint.path}",
    }
    assert run["inputs"] == {
        "upstream_dir": {"path": "upstream", "exists": True, "kind": "directory"},
        "upstream_module": file("upstream/model/u2net.py", standin.checkout / "model/u2net.py"),
        "upstream_checkpoint": file(f"upstream/{recipe.checkpoint.path}", standin.checkpoint),
        "upstream_license": file("upstream/LICENSE", standin.checkout / "LICENSE"),
        "upstream_notice": {"path": "upstream/NOTICE", "exists": False, "kind": "missing"},
    }
    assert run["outputs"] == {
        "onnx": file(NAMES.model, rehearsed.directory / NAMES.model),
        "license": file(NAMES.license, rehearsed.directory / NAMES.license),
        "notice": {"path": NAMES.notice, "exists": False, "kind": "missing"},
        "manifest": {"path": NAMES.manifest, "exists": False, "kind": "missing"},
    }


def test_a_notice_is_described_by_upstreams_name_and_by_the_releases(standin):
    recipe = standin.recipe
    checkout = replace(
        open_checkout(standin.checkout, recipe), notice=b"thanks", notice_path="NOTICE.md"
    )
    asset = Artifact.of_bytes(NAMES.license, b"asset")
    outputs = OutputsClaim(
        onnx_path=NAMES.model, onnx_sha256=asset.digest, skeleton_sha256=asset.digest
    )
    checkpoint = open_checkpoint(standin.checkpoint, recipe)
    run = claim_run(recipe, checkout, checkpoint, outputs, asset)
    thanks = Sha256.of_bytes(b"thanks")
    assert run.inputs.upstream_notice == FileClaim.file("upstream/NOTICE.md", thanks)
    assert run.outputs.notice == FileClaim.file(NAMES.notice, thanks)
    assert list(run.outputs.digests) == [NAMES.model, NAMES.license, NAMES.notice]


def test_the_manifest_follows_the_json_schema_that_the_documentation_has(manifest: Any):
    schema = Path(__file__).parents[2] / "docs" / f"{manifest['schema']}.schema.json"
    jsonschema.validate(manifest, json.loads(schema.read_text(encoding="utf-8")))


def file(path: str, place: Path) -> dict[str, Any]:
    return {"path": path, "exists": True, "kind": "file", "sha256": digest(place.read_bytes())}


def test_every_digest_is_bare_digits(manifest: Any):
    found = list(digests(manifest))
    assert len(found) == 12
    assert all(len(text) == 64 and set(text) <= DIGITS for text in found)


def digests(value: Any, name: str = "") -> Any:
    """Yield every value in a document whose key says that it is a digest."""
    if name.endswith("sha256"):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from digests(inner, key)


def test_the_bytes_are_those_that_the_forks_writer_makes_of_the_same_content(
    rehearsed, manifest: Any
):
    content = (rehearsed.directory / NAMES.manifest).read_bytes()
    assert content == (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()


def test_nothing_in_it_says_where_or_when_it_was_made(rehearsed):
    content = (rehearsed.directory / NAMES.manifest).read_text()
    assert not re.search(r'"/|[A-Z]:\\|\d\d:\d\d|20\d\d-', content)
    assert str(rehearsed.directory) not in content
