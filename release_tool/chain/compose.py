"""Composes a manifest from what the stages found out; it measures nothing of the model itself."""

from importlib.resources import files

from msgspec import UNSET, UnsetType

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.provenance.manifest import (
    RUN_PROVENANCE_SCHEMA,
    AdapterClaim,
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
    ValueClaim,
    WorkingSizeClaim,
)
from release_tool.recipes.network import InputSpec, OutputSpec
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.working import WorkingSize
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
        module_path=recipe.module_path,
        module_sha256=Sha256.of_bytes(checkout.modules[recipe.module_path]),
        modules={path: Sha256.of_bytes(content) for path, content in checkout.modules.items()},
        adapter=claim_adapter(recipe, checkout),
        checkpoint_path=recipe.checkpoint.path,
        checkpoint_sha256=checkpoint.digest,
        checkpoint_tensors_sha256=checkpoint.tensors_digest,
        license_path=recipe.license.path,
        license_sha256=Sha256.of_bytes(checkout.license),
        notice_present=checkout.notice is not None,
    )


def claim_adapter(recipe: Recipe, checkout: Checkout) -> AdapterClaim | None:
    """State the maintainer's own module around the network, where there is one."""
    pin = recipe.adapter
    if pin is None or checkout.adapter is None:
        return None
    return AdapterClaim(path=pin.path, sha256=Sha256.of_bytes(checkout.adapter), call=pin.call)


def claim_export(recipe: Recipe) -> ExportClaim:
    """State the interface that the model was exported with; every export writes metadata.

    The fork's own keys have room for one input and one output; of several they name the first.
    """
    first, result, axes = recipe.inputs[0], recipe.outputs[0], dict(recipe.axes)
    return ExportClaim(
        opset=recipe.contract.opset,
        height=axes.get("H", 0),
        width=axes.get("W", 0),
        input_name=first.name,
        output_name=result.name,
        selected_upstream_output=result.selected,
        metadata_written=True,
        inputs=tuple(claim_value(spec) for spec in recipe.inputs),
        outputs=tuple(claim_value(spec) for spec in recipe.outputs),
        working_size=claim_working_size(recipe.working_size),
    )


def claim_working_size(size: WorkingSize | None) -> WorkingSizeClaim | UnsetType:
    """State at which size the graph works inside, where it has one."""
    if size is None:
        return UNSET
    return WorkingSizeClaim(height=size.height, width=size.width, antialias=size.antialias)


def claim_value(spec: InputSpec | OutputSpec) -> ValueClaim:
    """State one input or output."""
    return ValueClaim(name=spec.name, type=spec.type, shape=spec.shape)


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
    return RunInputs(
        upstream_dir=FileClaim(path="upstream", exists=True, kind="directory"),
        upstream_module=FileClaim.file(
            f"upstream/{recipe.module_path}",
            Sha256.of_bytes(checkout.modules[recipe.module_path]),
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
