"""Composes a manifest from what the stages found out; it measures nothing itself."""

from collections.abc import Iterable

from release_tool.checkpoint.reader import Checkpoint
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.provenance.manifest import (
    MANIFEST_SCHEMA,
    RUN_PROVENANCE_SCHEMA,
    ExportClaim,
    FileClaim,
    GatesClaim,
    Manifest,
    OutputsClaim,
    RunClaim,
    UpstreamClaim,
)
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout

ENTRYPOINT = "release-tool export"


def make_manifest(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    outputs: OutputsClaim,
    gates: GatesClaim,
    files: Iterable[tuple[str, Artifact]],
    *,
    toolchain: dict[str, str],
    model_metadata: dict[str, str],
) -> Manifest:
    """State one export; `files` are the (role, artifact) pairs that came out of it."""
    return Manifest(
        schema=MANIFEST_SCHEMA,
        model_id=recipe.model_id,
        upstream=claim_upstream(recipe, checkout, checkpoint),
        export=claim_export(recipe, model_metadata),
        outputs=outputs,
        gates=gates,
        toolchain=toolchain,
        unpinned=(),
        run_provenance=claim_run(recipe, checkout, checkpoint, files),
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
        license_path=recipe.upstream.license_path,
        license_sha256=Sha256.of_bytes(checkout.license),
        notice_present=checkout.notice is not None,
    )


def claim_export(recipe: Recipe, model_metadata: dict[str, str]) -> ExportClaim:
    """State the interface that the model was exported with."""
    graph = recipe.graph
    return ExportClaim(
        opset=graph.opset,
        height=graph.height,
        width=graph.width,
        input_name=graph.input_name,
        output_name=graph.output_name,
        selected_upstream_output=f"d{graph.selected_output}",
        metadata_written=model_metadata,
    )


def claim_run(
    recipe: Recipe,
    checkout: Checkout,
    checkpoint: Checkpoint,
    files: Iterable[tuple[str, Artifact]],
) -> RunClaim:
    """State the run with role-relative names, so that another machine's run reads the same."""
    args = {
        "recipe": recipe.name,
        "upstream_dir": "upstream",
        "checkpoint": f"upstream/{recipe.checkpoint.path}",
    }
    argv = [part for key, value in args.items() for part in (f"--{key.replace('_', '-')}", value)]
    inputs = {
        "module": (recipe.upstream.module_path, Sha256.of_bytes(checkout.module)),
        "license": (recipe.upstream.license_path, Sha256.of_bytes(checkout.license)),
        "checkpoint": (recipe.checkpoint.path, checkpoint.digest),
    }
    return RunClaim(
        schema=RUN_PROVENANCE_SCHEMA,
        entrypoint=ENTRYPOINT,
        argv=(*ENTRYPOINT.split(), *argv),
        args=args,
        inputs=tuple(
            FileClaim(role=role, path=f"upstream/{path}", sha256=digest)
            for role, (path, digest) in inputs.items()
        ),
        outputs=tuple(
            FileClaim(role=role, path=artifact.name, sha256=artifact.digest)
            for role, artifact in files
        ),
    )
