"""The manifest has one encoding, one schema, and refuses everything else."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from release_tool.core.documents import encode_json
from release_tool.core.errors import InputError
from release_tool.provenance.manifest import FileClaim, Manifest, manifest_schema
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP

SCHEMA = U2NETP.formats.manifest_schema


def parse(content: bytes) -> Manifest:
    return Manifest.parse(content, SCHEMA)


def write(document: Any) -> bytes:
    """Write a document with its keys sorted, as a manifest has them."""
    return encode_json(json.loads(json.dumps(document, sort_keys=True)))


def test_a_manifest_is_read_back_as_it_was_written(manifest: Manifest):
    content = manifest.encode()
    assert parse(content) == manifest
    assert parse(content).encode() == content


def test_a_manifest_validates_against_its_schema(manifest: Manifest):
    document = json.loads(manifest.encode())
    jsonschema.validate(document, manifest_schema(SCHEMA))
    with pytest.raises(jsonschema.ValidationError, match="manifest-v1"):
        jsonschema.validate(document, manifest_schema(U2NET.formats.manifest_schema))


def test_the_schema_refuses_what_the_reader_refuses(manifest: Manifest):
    content = manifest.encode()
    changed = json.loads(content.replace(b'sha256": "', b'sha256": "sha256:'))
    errors = jsonschema.Draft202012Validator(manifest_schema(SCHEMA)).iter_errors(changed)
    assert len(list(errors)) == content.count(b'sha256": "') > 10


def test_two_spaces_sorted_keys_and_one_line_feed_are_the_form(manifest: Manifest):
    content = manifest.encode()
    document = json.loads(content)
    assert content == json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def test_every_missing_or_surplus_field_is_refused(manifest: Manifest):
    document = json.loads(manifest.encode())
    for path in paths(document):
        without = json.loads(manifest.encode())
        del find(without, path[:-1])[path[-1]]
        if path[-1] == "schema" and len(path) == 1:
            continue
        with pytest.raises(InputError, match=f"malformed: .*{path[-1]}|a file has a `sha256`"):
            parse(write(without))
    for path in [(), *(path for path in paths(document) if is_fixed(find(document, path)))]:
        more = json.loads(manifest.encode())
        find(more, path)["extra"] = 1
        with pytest.raises(InputError, match="unknown field `extra`"):
            parse(write(more))


def is_fixed(value: Any) -> bool:
    """Tell objects with fields from mappings whose keys are free."""
    free = {"Conv", "torch", "recipe", "H", "model/net.py", "input"}
    return isinstance(value, dict) and bool(value) and not free & set(value)


def paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List where the fields of a document are, those of free mappings left out."""
    if not is_fixed(value):
        return []
    return [here for key in value for here in ((*path, key), *paths(value[key], (*path, key)))]


def find(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def test_an_unknown_schema_is_refused_by_name(manifest: Manifest):
    document = {**json.loads(manifest.encode()), "schema": "u2netp-mirror-export-manifest-v2"}
    with pytest.raises(InputError, match=r"manifest-v2.*not.*manifest-v1"):
        parse(write(document))
    with pytest.raises(InputError, match=r"u2netp-mirror.*not.*u2net-mirror"):
        Manifest.parse(manifest.encode(), U2NET.formats.manifest_schema)


def test_the_same_content_in_another_form_is_refused(manifest: Manifest):
    document = json.loads(manifest.encode())
    content = manifest.encode()
    for other in (
        json.dumps(document).encode(),
        encode_json(dict(reversed(list(document.items())))),
        content + b"\n",
        content.replace(b'"opset": 17', b'"opset": "17"', 1),
        content.replace(b'"opset": 17', b'"opset": 17.0', 1),
        content.replace(b'"notice_present": true', b'"notice_present": 1', 1),
        content.replace(b"1e-07", b"0.0000001", 1),
        content.replace(b"e", b"\\u0065", 1),
        content.replace(b'"error_ratio_at_most": 3.0', b'"error_ratio_at_most": 3', 1),
        content.replace(b'"kind": "missing"', b'"kind": "missing", "sha256": null', 1),
    ):
        assert other != content
        with pytest.raises(InputError):
            parse(other)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("outputs", "onnx_sha256"), "sha256:" + "ab" * 32),
        (("outputs", "onnx_sha256"), "AB" * 32),
        (("outputs", "onnx_sha256"), "ab" * 31),
        (("outputs", "onnx_sha256"), 3),
        (("outputs", "onnx_sha256"), {"hex": "ab" * 32}),
        (("upstream", "commit"), "main"),
        (("export", "opset"), -1),
        (("export", "opset"), True),
        (("export", "metadata_written"), {"model_id": "x"}),
        (("upstream", "notice_present"), None),
        (("run_provenance", "schema"), "ai-run-provenance-v2"),
        (("run_provenance", "argv"), "export"),
        (("run_provenance", "args"), {"recipe": ""}),
        (("run_provenance", "entrypoint"), "release-tool export"),
        (("gates", "contract", "operators"), {"Conv": -1}),
        (("gates", "parity", "samples"), [{"axes": {}}]),
        (("gates", "parity", "error_ratio_at_most"), "3"),
        (("gates", "parity", "error_ratio_at_most"), True),
        (("unpinned",), [""]),
        (("model_id",), ""),
        (("model_id",), "x" * 2001),
    ],
)
def test_a_malformed_value_is_refused_with_its_place(
    manifest: Manifest, path: tuple[str, ...], value: object
):
    document = json.loads(manifest.encode())
    find(document, path[:-1])[path[-1]] = value
    with pytest.raises(InputError, match=r"\$.*" + r"\.".join(path)):
        parse(write(document))


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(exists=False),
        lambda file: file.update(kind="missing"),
        lambda file: file.update(kind="directory"),
        lambda file: file.update(kind="socket"),
        lambda file: file.pop("sha256"),
        lambda file: (file.update(kind="missing", exists=True), file.pop("sha256")),
        lambda file: (file.update(kind="directory", exists=False), file.pop("sha256")),
    ],
)
def test_a_file_is_there_with_a_digest_and_nothing_else_has_one(
    manifest: Manifest, change: Callable[[dict[str, Any]], object]
):
    document = json.loads(manifest.encode())
    change(document["run_provenance"]["outputs"]["onnx"])
    with pytest.raises(InputError, match=r"at `\$\.run_provenance\.outputs\.onnx"):
        parse(write(document))


def test_a_missing_file_is_described_without_a_digest(manifest: Manifest):
    missing = json.loads(manifest.encode())["run_provenance"]["outputs"]["manifest"]
    assert missing == {"path": "example_v1.manifest.json", "exists": False, "kind": "missing"}
    assert FileClaim.file("x", None).digest is None


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_any_changed_byte_is_noticed_or_is_another_valid_manifest(
    manifest: Manifest, position: int, value: int
):
    content = bytearray(manifest.encode())
    content[position % len(content)] = value
    try:
        parsed = parse(bytes(content))
    except InputError:
        return
    assert parsed.encode() == bytes(content)


def test_two_manifests_differ_where_their_claims_do(manifest: Manifest):
    other = replace(manifest, model_id="other")
    assert json.loads(other.encode())["model_id"] == "other"
    assert other.encode() != manifest.encode()
