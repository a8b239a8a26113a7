"""The files that go with a model: licence asset, NOTICE, bill of materials, manifest.

Makes bytes out of values of several stages, which is why no stage can; it decides nothing.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from release_tool.chain.compose import make_manifest
from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact, Content
from release_tool.gates.proof import Proof
from release_tool.provenance.attribution import make_attribution
from release_tool.provenance.bom import make_bom
from release_tool.provenance.manifest import (
    ContractClaim,
    GatesClaim,
    LineageClaim,
    OutputsClaim,
    ParityClaim,
    PublishedClaim,
    ReplayClaim,
    SampleClaim,
    SampleFileClaim,
)
from release_tool.recipes import layout
from release_tool.recipes.parity import ParitySpec
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.replay import ReplaySpec
from release_tool.recipes.toml.writing import write_recipe
from release_tool.upstream.checkout import Checkout

Toolchain = tuple[tuple[str, str], ...]


def make_sidecars(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    proof: Proof,
    model: Artifact,
    toolchain: Toolchain,
    *,
    replayed: bool,
) -> dict[str, Content]:
    """Make the files that go with a model, by name, the manifest last.

    `replayed` says that the recipe's published results were made again, within their bounds.
    """
    names, notice = recipe.names, checkout.notice
    attribution = make_attribution(
        recipe,
        checkpoint.digest,
        checkout.license,
        notice=notice is not None,
        recognised=checkout.recognised,
    )
    contents = {names.license: Content.of(attribution)}
    if notice is not None:
        contents[names.notice] = Content.of(notice)
    outputs = OutputsClaim(
        onnx_path=names.model, onnx_sha256=model.digest, skeleton_sha256=proof.lineage.skeleton
    )
    manifest = make_manifest(
        recipe,
        checkout,
        checkpoint,
        outputs,
        claim_gates(recipe, proof, replayed=replayed),
        contents[names.license].named(names.license),
        toolchain=dict(toolchain),
    )
    bom = make_bom(manifest, recipe.attribution.title)
    contents[layout.BOM.name_in(names)] = Content.of(bom)
    contents[layout.RECIPE.name_in(names)] = Content.of(write_recipe(recipe).encode())
    return {**contents, names.manifest: Content.of(manifest.encode())}


def claim_gates(recipe: Recipe, proof: Proof, *, replayed: bool) -> GatesClaim:
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
        lineage=LineageClaim(
            tensors=lineage.tensors,
            in_place=lineage.in_place,
            tied=lineage.tied,
            unused=lineage.unused,
        ),
        parity=claim_parity(recipe.parity),
        replay=claim_replay(recipe.replay, replayed=replayed),
    )


def claim_replay(
    spec: ReplaySpec | None, *, replayed: bool
) -> ReplayClaim | Literal["not run"] | UnsetType:
    """State the published results that were made again, or that they were not."""
    if spec is None:
        return UNSET
    if not replayed:
        return "not run"
    return ReplayClaim(
        passed=True,
        source=spec.source,
        preparation=spec.preparation,
        restoration=spec.restoration,
        pictures=tuple(
            PublishedClaim(
                picture=each.picture,
                picture_sha256=each.picture_sha256,
                result=each.result,
                result_sha256=each.result_sha256,
            )
            for each in spec.results
        ),
        mean_error_at_most=spec.bounds.mean_error,
        iou_at_least=spec.bounds.iou,
        lossless_levels_at_most=spec.bounds.lossless_levels,
    )


def claim_parity(spec: ParitySpec) -> ParityClaim:
    """State the inputs and bounds of the parity gate, which passed."""
    return ParityClaim(
        reference="torch float64",
        samples=tuple(
            SampleClaim(
                axes=dict(each.axes),
                files={
                    name: SampleFileClaim(path=file.path, sha256=file.sha256)
                    for name, file in each.files
                },
            )
            for each in spec.chosen(full=False)
        ),
        error_ratio_at_most=spec.bounds.error_ratio,
        mean_error_ratio_at_most=spec.bounds.mean_error_ratio,
        error_floor=spec.bounds.error_floor,
        unsaturated_share_at_least=spec.bounds.unsaturated_share,
        range_at_least=spec.bounds.least_range,
    )
