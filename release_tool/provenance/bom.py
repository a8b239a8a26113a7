"""The bill of materials of a model: CycloneDX 1.6, from what its manifest states.

Needs cyclonedx-python-lib, which the extra `export` brings; it is made once, with the export. It
holds no path, no time and no random number, so the same manifest gives the same bytes.
https://cyclonedx.org/docs/1.6/json/
"""

import json
from typing import TYPE_CHECKING, Any

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json
from release_tool.provenance.manifest import Manifest, ValueClaim
from release_tool.provenance.statement import package_url

if TYPE_CHECKING:
    from cyclonedx.model import HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

MODEL, UPSTREAM, CHECKPOINT = "model", "upstream", "checkpoint"
"""What the parts are called within the document (`bom-ref`)."""


def make_bom(manifest: Manifest, title: str) -> bytes:
    """Write the bill of materials; `title` is what the authors call the work."""
    from cyclonedx.output import make_outputter  # noqa: PLC0415  (the extra `export`)
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415

    bom = collect(manifest, title)
    written = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    document: JsonObject = json.loads(written)
    # The library dates and numbers every document; what is made anew must be equal.
    del document["serialNumber"], document["metadata"]["timestamp"]
    # It has no model cards yet (CycloneDX/cyclonedx-python-lib, issue 912).
    document["metadata"]["component"]["modelCard"] = model_card(manifest)
    return encode_json(document)


def collect(manifest: Manifest, title: str) -> "Bom":
    """Put the parts together: the model is made of upstream's code, weights and the toolchain."""
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415

    model = model_component(manifest, title)
    parts = [upstream_component(manifest), checkpoint_component(manifest), *toolchain(manifest)]
    bom = Bom(components=parts, metadata=BomMetaData(component=model))
    bom.register_dependency(model, parts)
    return bom


def model_component(manifest: Manifest, title: str) -> "Component":
    """Describe the model itself, with its digest and the licence of the work."""
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    outputs = manifest.outputs
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=MODEL,
        name=manifest.model_id,
        description=f"A conversion of {title} to ONNX, opset {manifest.export.opset}",
        hashes=[sha256(outputs.onnx_sha256)],
        licenses=[license_of(manifest)],
        properties=[
            Property(name="release-tool:file", value=outputs.onnx_path),
            Property(name="release-tool:skeleton", value=str(outputs.skeleton_sha256)),
        ],
    )


def upstream_component(manifest: Manifest) -> "Component":
    """Describe upstream's code by its repository and commit."""
    from cyclonedx.model import (  # noqa: PLC0415
        ExternalReference,
        ExternalReferenceType,
        XsUri,
    )
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    upstream = manifest.upstream
    reference = ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(upstream.repo))
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=UPSTREAM,
        name=upstream.repo.rstrip("/").rpartition("/")[2],
        version=str(upstream.commit),
        licenses=[license_of(manifest)],
        external_references=[reference],
    )


def checkpoint_component(manifest: Manifest) -> "Component":
    """Describe the trained weights by the digest of their file."""
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    upstream = manifest.upstream
    return Component(
        type=ComponentType.DATA,
        bom_ref=CHECKPOINT,
        name=upstream.checkpoint_path,
        hashes=[sha256(upstream.checkpoint_sha256)],
        properties=[
            Property(
                name="release-tool:tensors_sha256", value=str(upstream.checkpoint_tensors_sha256)
            )
        ],
    )


def toolchain(manifest: Manifest) -> "list[Component]":
    """Describe the packages that wrote the model, each in its exact version."""
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    return [
        Component(
            type=ComponentType.LIBRARY,
            bom_ref=package_url(name, version),
            name=name,
            version=version,
            purl=PackageURL.from_string(package_url(name, version)),
        )
        for name, version in sorted(manifest.toolchain.items())
    ]


def license_of(manifest: Manifest) -> Any:
    """Name the licence: by SPDX's identifier where it was recognised, else by the name it has."""
    from cyclonedx.model.license import DisjunctiveLicense  # noqa: PLC0415

    said = manifest.license
    if said.recognised:
        return DisjunctiveLicense(id=said.spdx)
    return DisjunctiveLicense(name=said.spdx)


def sha256(digest: Sha256) -> "HashType":
    """Write a digest as CycloneDX does."""
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415

    return HashType(alg=HashAlgorithm.SHA_256, content=digest.hex)


def model_card(manifest: Manifest) -> JsonObject:
    """Say what goes in and comes out, and what was measured (`modelCard` of the schema)."""
    export, lineage = manifest.export, manifest.gates.lineage
    return {
        "modelParameters": {
            "inputs": [describe_value(value) for value in export.inputs],
            "outputs": [describe_value(value) for value in export.outputs],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [
                {
                    "type": "tensors of the checkpoint in place, bit for bit",
                    "value": f"{lineage.in_place} of {lineage.tensors}",
                }
            ]
        },
    }


def describe_value(value: ValueClaim) -> JsonObject:
    """Write an input or output with its type and shape, as in `image: float32[1,3,H,W]`."""
    return {"format": f"{value.name}: {value.type}[{','.join(map(str, value.shape))}]"}
