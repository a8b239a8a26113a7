"""The bill of materials is valid CycloneDX, equal each time, and says what the manifest says."""

import json
import re

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from msgspec.structs import replace

from release_tool.provenance.bom import make_bom
from release_tool.provenance.manifest import LicenseClaim
from tests.examples import example_manifest

MANIFEST = example_manifest()
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def test_the_document_is_valid_by_the_librarys_strict_validator():
    assert VALIDATOR.validate_str(make_bom(MANIFEST, "Example").decode()) is None


def test_the_validator_would_notice_a_card_that_is_none():
    document = json.loads(make_bom(MANIFEST, "Example"))
    document["metadata"]["component"]["modelCard"]["surplus"] = 1
    assert VALIDATOR.validate_str(json.dumps(document)) is not None


def test_two_of_them_are_equal_and_hold_no_time_and_no_path():
    made = make_bom(MANIFEST, "Example")
    assert made == make_bom(MANIFEST, "Example")
    assert not re.search(rb"\d{4}-\d\d-\d\dT|serialNumber|timestamp|/home/|/tmp/|file:", made)


def test_model_upstream_weights_and_toolchain_are_named_with_their_digests():
    document = json.loads(make_bom(MANIFEST, "Example"))
    model = document["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": MANIFEST.outputs.onnx_sha256.hex}]
    parts = {part["bom-ref"]: part for part in document["components"]}
    assert parts["upstream"]["version"] == str(MANIFEST.upstream.commit)
    assert parts["checkpoint"]["hashes"][0]["content"] == MANIFEST.upstream.checkpoint_sha256.hex
    assert {part["name"]: part["version"] for part in parts.values() if "purl" in part} == dict(
        MANIFEST.toolchain
    )
    relations = {each["ref"]: each.get("dependsOn") for each in document["dependencies"]}
    assert sorted(relations["model"]) == sorted(parts)


@pytest.mark.parametrize(("recognised", "key"), [(True, "id"), (False, "name")])
def test_a_licence_that_no_program_recognised_is_named_and_not_identified(recognised, key):
    spdx = "Apache-2.0" if recognised else "LicenseRef-own"
    manifest = replace(MANIFEST, license=LicenseClaim(spdx=spdx, recognised=recognised))
    made = make_bom(manifest, "Example")
    assert VALIDATOR.validate_str(made.decode()) is None
    model = json.loads(made)["metadata"]["component"]
    assert model["licenses"] == [{"license": {key: spdx}}]
