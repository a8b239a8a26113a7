"""Composes a manifest from what the stages found out; it measures nothing of the model itself."""

from importlib.resources import files

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.provenance.manifest import (
    RUN_PROVENANCE_SCHEMA,
    ExportClaim,
    FileClaim,
    GatesClaim,
    LicenseClaim,
    Manifest,
    OutputsClaim,
    RunClaim,
    RunInputs,
    RunOutputs,
    UpstreamClaim,
)
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout

ENTRYPOINT = "release_tool/__main__.py"


def make_manifest(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    outputs: OutputsClaim,
    gates: GatesClaim,
    license_asset: Artifact,
    *,
    toolchain: dict[str, str],
) -> Manifest:
    """State one export, of whose files the licence asset is one and the NOTICE upstream's."""
    return Manifest(
        schema=recipe.formats.manifest_schema,
        model_id=recipe.model_id,
        upstream=claim_upstream(recipe, checkout, checkpoint),
        license=LicenseClaim(spdx=recipe.license.spdx, recognised=checkout.recognised),
        export=claim_export(recipe),
        outputs=outputs,
        gates=gates,
        toolchain=toolchain,
        unpinned=(),
        run_provenance=claim_run(recipe, checkout, checkpoint, outputs, license_asset),
    )


def claim_upstream(recipe: Recipe, checkout: Checkout, checkpoint: Checkpoint) -> UpstreamClaim:
    """State what the export started from, by the digests of the bytes that were used."""
    return UpstreamClaim(
        repo=checkout.repo,
        commit=checkout.commit,
        module_path=recipe.upstream.module_path,
        module_sha256=Sha256.of_bytes(checkout.module),
        checkpoint_path=recipe.checkpoint.path,
        checkpoint_sha256=checkpoint.digest,
        checkpoint_tensors_sha256=checkpoint.tensors_digest,
        license_path=recipe.license.path,
        license_sha256=Sha256.of_bytes(checkout.license),
        notice_present=checkout.notice is not None,
    )


def claim_export(recipe: Recipe) -> ExportClaim:
    """State the interface that the model was exported with; every export writes metadata."""
    graph = recipe.graph
    return ExportClaim(
        opset=graph.opset,
        height=graph.height,
        width=graph.width,
        input_name=graph.input_name,
        output_name=graph.output_name,
        selected_upstream_output=f"d{graph.selected_output}",
        metadata_written=True,
    )


def claim_run(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    outputs: OutputsClaim,
    license_asset: Artifact,
) -> RunClaim:
    """State the run with role-relative names, so that another machine's run reads the same."""
    args = {
        "recipe": recipe.name,
        "upstream_dir": "upstream",
        "checkpoint": f"upstream/{recipe.checkpoint.path}",
    }
    options = (
        part for key, value in args.items() for part in (f"--{key.replace('_', '-')}", value)
    )
    return RunClaim(
        schema=RUN_PROVENANCE_SCHEMA,
        entrypoint=claim_entrypoint(),
        argv=("export", *options),
        args=args,
        inputs=claim_inputs(recipe, checkout, checkpoint),
        outputs=RunOutputs(
            onnx=FileClaim.file(outputs.onnx_path, outputs.onnx_sha256),
            license=FileClaim.file(license_asset.name, license_asset.digest),
            notice=FileClaim.file(recipe.names.notice, notice_digest(checkout)),
            manifest=FileClaim.file(recipe.names.manifest, None),
        ),
    )


def claim_entrypoint() -> FileClaim:
    """State the module that `release-tool` starts in, by its own bytes."""
    source = files("release_tool").joinpath("__main__.py").read_bytes()
    return FileClaim.file(ENTRYPOINT, Sha256.of_bytes(source))


def claim_inputs(recipe: Recipe, checkout: Checkout, checkpoint: Checkpoint) -> RunInputs:
    """State what was read, as if the checkpoint lay where upstream has it."""
    upstream = recipe.upstream
    return RunInputs(
        upstream_dir=FileClaim(path="upstream", exists=True, kind="directory"),
        upstream_module=FileClaim.file(
            f"upstream/{upstream.module_path}", Sha256.of_bytes(checkout.module)
        ),
        upstream_checkpoint=FileClaim.file(f"upstream/{recipe.checkpoint.path}", checkpoint.digest),
        upstream_license=FileClaim.file(
            f"upstream/{recipe.license.path}", Sha256.of_bytes(checkout.license)
        ),
        upstream_notice=FileClaim.file(f"upstream/{checkout.notice_path}", notice_digest(checkout)),
    )


def notice_digest(checkout: Checkout) -> Sha256 | None:
    """Return the digest of upstream's NOTICE, or None where there is none."""
    return None if checkout.notice is None else Sha256.of_bytes(checkout.notice)
