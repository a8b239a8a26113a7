"""The manifest has one encoding, one schema, and refuses everything else."""

import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.documents import encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.provenance.manifest import Manifest, manifest_schema


def test_a_manifest_is_read_back_as_it_was_written(manifest: Manifest):
    content = manifest.encode()
    assert Manifest.parse(content) == manifest
    assert Manifest.parse(content).encode() == content


def test_a_manifest_validates_against_its_schema(manifest: Manifest):
    jsonschema.validate(json.loads(manifest.encode()), manifest_schema())


def test_a_manifest_has_the_fields_that_the_consumers_know(manifest: Manifest):
    document = json.loads(manifest.encode())
    assert list(document) == [
        "schema",
        "model_id",
        "upstream",
        "export",
        "outputs",
        "gates",
        "toolchain",
        "unpinned",
        "run_provenance",
    ]
    assert set(document["upstream"]) == {
        "repo",
        "commit",
        "module_path",
        "module_sha256",
        "checkpoint_path",
        "checkpoint_sha256",
        "checkpoint_tensors_sha256",
        "license_path",
        "license_sha256",
        "notice_present",
    }
    assert set(document["export"]) == {
        "opset",
        "height",
        "width",
        "input_name",
        "output_name",
        "selected_upstream_output",
        "metadata_written",
    }
    assert set(document["outputs"]) == {"onnx_path", "onnx_sha256", "skeleton_sha256"}
    assert set(document["gates"]) == {"contract", "lineage", "parity"}
    assert {"schema", "entrypoint", "argv", "args", "inputs", "outputs"} == set(
        document["run_provenance"]
    )


def test_every_missing_or_surplus_field_is_refused(manifest: Manifest):
    document = json.loads(manifest.encode())
    for key in document:
        without = {name: value for name, value in document.items() if name != key}
        with pytest.raises(InputError, match="manifest's"):
            Manifest.parse(encode_json(without))
    with pytest.raises(InputError, match="extra"):
        Manifest.parse(encode_json({**document, "extra": 1}))


def test_an_unknown_schema_is_refused_by_name(manifest: Manifest):
    document = {**json.loads(manifest.encode()), "schema": "u2netp-mirror-export-manifest-v2"}
    with pytest.raises(InputError, match=r"manifest-v2.*not.*manifest-v1"):
        Manifest.parse(encode_json(document))


def test_the_same_content_in_another_form_is_refused(manifest: Manifest):
    document = json.loads(manifest.encode())
    for other in (
        json.dumps(document).encode(),
        encode_json(dict(reversed(list(document.items())))),
        manifest.encode() + b"\n",
        manifest.encode().replace(b'"opset": 17', b'"opset": "17"', 1),
    ):
        with pytest.raises(InputError):
            Manifest.parse(other)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("outputs", "onnx_sha256"), "ab" * 32),
        (("outputs", "onnx_sha256"), 3),
        (("upstream", "commit"), "main"),
        (("export", "opset"), -1),
        (("upstream", "notice_present"), None),
        (("model_id",), ""),
        (("model_id",), "x" * 5000),
    ],
)
def test_a_malformed_value_is_refused_with_its_place(
    manifest: Manifest, path: tuple[str, ...], value: object
):
    document = json.loads(manifest.encode())
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(InputError, match=r"\.".join(path)):
        Manifest.parse(encode_json(document))


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_any_changed_byte_is_noticed_or_is_another_valid_manifest(
    manifest: Manifest, position: int, value: int
):
    content = bytearray(manifest.encode())
    content[position % len(content)] = value
    try:
        parsed = Manifest.parse(bytes(content))
    except InputError:
        return
    assert parsed.encode() == bytes(content)


def test_two_manifests_differ_where_their_claims_do(manifest: Manifest):
    other = replace(manifest, model_id="other")
    assert parse_json_object(other.encode(), "it")["model_id"] == "other"
    assert other.encode() != manifest.encode()
