"""The files that go with a model: licence asset, NOTICE and manifest, from what was proved.

Makes bytes out of values of several stages, which is why no stage can; it decides nothing.
"""

from pathlib import Path

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.files import write_whole
from release_tool.gates.proof import Proof
from release_tool.provenance.attribution import make_attribution
from release_tool.provenance.compose import make_manifest
from release_tool.provenance.manifest import (
    ContractClaim,
    GatesClaim,
    LineageClaim,
    OutputsClaim,
    ParityClaim,
    ParityInputClaim,
)
from release_tool.recipes.recipe import ParitySpec, Recipe
from release_tool.upstream.checkout import Checkout

Toolchain = tuple[tuple[str, str], ...]


def write_sidecars(
    directory: Path,
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    proof: Proof,
    toolchain: Toolchain,
) -> None:
    """Write licence asset, NOTICE and manifest beside a model that passed its gates."""
    model = Artifact.of_file(directory / recipe.names.model)
    for name, content in make_sidecars(
        recipe, checkout, checkpoint, proof, model, toolchain
    ).items():
        write_whole(directory / name, content)


def make_sidecars(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    proof: Proof,
    model: Artifact,
    toolchain: Toolchain,
) -> dict[str, bytes]:
    """Make the files that go with a model, by name: licence asset, NOTICE, and the manifest."""
    names, notice = recipe.names, checkout.notice
    license_asset = make_attribution(
        recipe,
        checkpoint.digest,
        checkout.license,
        notice=notice is not None,
        recognised=checkout.recognised,
    )
    contents = {names.license: license_asset}
    if notice is not None:
        contents[names.notice] = notice
    outputs = OutputsClaim(
        onnx_path=names.model, onnx_sha256=model.digest, skeleton_sha256=proof.lineage.skeleton
    )
    manifest = make_manifest(
        recipe,
        checkout,
        checkpoint,
        outputs,
        claim_gates(recipe, proof),
        Artifact.of_bytes(names.license, license_asset),
        toolchain=dict(toolchain),
    )
    return {**contents, names.manifest: manifest.encode()}


def claim_gates(recipe: Recipe, proof: Proof) -> GatesClaim:
    """State what the gates measured, in the terms of the manifest."""
    contract, lineage = proof.contract, proof.lineage
    return GatesClaim(
        contract=ContractClaim(
            ir_version=contract.ir_version,
            opset=contract.opset,
            nodes=contract.nodes,
            initializers=contract.initializers,
            operators=dict(sorted(contract.operators)),
            size_bytes=contract.size,
        ),
        lineage=LineageClaim(tensors=lineage.tensors, in_place=lineage.in_place),
        parity=claim_parity(recipe.parity),
    )


def claim_parity(spec: ParitySpec) -> ParityClaim:
    """State the inputs and bounds of the parity gate, which passed."""
    return ParityClaim(
        reference="torch float64",
        inputs=tuple(
            ParityInputClaim(
                source=each.picture.path if each.picture else "drawn",
                sha256=each.picture.sha256 if each.picture else None,
                height=each.height,
                width=each.width,
            )
            for each in spec.chosen(full=False)
        ),
        error_ratio_at_most=spec.bounds.error_ratio,
        mean_error_ratio_at_most=spec.bounds.mean_error_ratio,
        error_floor=spec.bounds.error_floor,
        unsaturated_share_at_least=spec.bounds.unsaturated_share,
        range_at_least=spec.bounds.least_range,
    )
