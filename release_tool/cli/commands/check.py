"""`release-tool check`: the gates on any ONNX file; torch is needed for parity alone."""

from pathlib import Path

import click

from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.cli.given import SourceOptions
from release_tool.cli.options import (
    FILE,
    with_output,
    with_reader_settings,
    with_sources,
    with_unpinned_checkpoint,
)
from release_tool.cli.settings import Settings
from release_tool.cli.state import Row, State
from release_tool.core.documents import JsonObject
from release_tool.gates.contract import check_contract
from release_tool.gates.lineage import check_lineage
from release_tool.recipes.recipe import Recipe

CONTRACT, LINEAGE, PARITY = GATES = ("contract", "lineage", "parity")
Result = tuple[JsonObject, list[Row]]


@click.command("check")
@click.argument("model", type=FILE)
@click.option(
    "--gate",
    "gates",
    type=click.Choice(GATES),
    multiple=True,
    help="Run this gate; may be repeated. The contract, and with --checkpoint the lineage.",
)
@with_sources
@with_unpinned_checkpoint
@with_reader_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    sources: SourceOptions,
    model: Path,
    gates: tuple[str, ...],
    unpinned_checkpoint: bool,
) -> None:
    """Run the gates on an ONNX file.

    The contract: names, types, opset, operators, limits, canonical bytes. The lineage: every
    tensor of the checkpoint bit for bit at its place in the graph that the recipe pins. Parity:
    ONNX Runtime against PyTorch in float64, on the recipe's inputs; it runs upstream's code. What
    a gate needs and was not given is fetched by its pins. Says nothing of who made the file; that
    is `verify`.

    \b
    Examples:
      release-tool check u2netp_mirror_v1.onnx
      release-tool check u2netp_mirror_v1.onnx --checkpoint u2netp.pth
      release-tool check doubtful.onnx --gate parity --upstream-dir U-2-Net --checkpoint u2netp.pth
    """
    recipe, pinned = settings.recipe, not unpinned_checkpoint
    chosen = gates or ((CONTRACT, LINEAGE) if sources.checkpoint else (CONTRACT,))
    results = []
    if CONTRACT in chosen:
        results.append(run_contract(model, recipe))
    if LINEAGE in chosen:
        weights = open_weights(sources, recipe, state, pinned)
        results.append(run_lineage(model, weights, recipe))
    if PARITY in chosen:
        from release_tool.cli.measuring import run_parity  # noqa: PLC0415  (only where asked for)

        results.append(run_parity(model, sources, recipe, state, pinned))
    document: JsonObject = {"model": model.name}
    for found, _ in results:
        document |= found
    state.print_result(document, [row for _, rows in results for row in rows])


def run_contract(model: Path, recipe: Recipe) -> Result:
    """Hold the file against the consumer's contract."""
    contract = check_contract(model, recipe)
    operators = ", ".join(f"{count} {name}" for name, count in contract.operators)
    rows = [("contract", f"holds: opset {contract.opset}, {contract.nodes} nodes")]
    return {"contract": "holds", "nodes": contract.nodes}, [*rows, ("operators", operators)]


def run_lineage(model: Path, weights: Checkpoint, recipe: Recipe) -> Result:
    """Find every tensor of the checkpoint at its place."""
    lineage = check_lineage(model, weights, recipe)
    document = {
        "tensors": lineage.tensors,
        "in_place": lineage.in_place,
        "skeleton_sha256": str(lineage.skeleton),
    }
    rows = [("lineage", f"{lineage.in_place} of {lineage.tensors} tensors in place")]
    return document, [*rows, ("skeleton", str(lineage.skeleton))]


def open_weights(sources: SourceOptions, recipe: Recipe, state: State, pinned: bool) -> Checkpoint:
    """Open the checkpoint that was given, or else the pinned one, fetched."""
    if sources.checkpoint is not None:
        return open_checkpoint(sources.checkpoint, recipe, pinned=pinned)
    from release_tool.cli.sourcing import fetch_weights  # noqa: PLC0415  (only without one)

    return open_checkpoint(fetch_weights(sources, recipe, state, pinned=pinned), recipe)
