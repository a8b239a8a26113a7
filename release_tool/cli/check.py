"""`release-tool check`: the gates on any ONNX file, without torch or onnx."""

from pathlib import Path

import click

from release_tool.checkpoint.reader import open_checkpoint
from release_tool.cli.options import FILE, with_output, with_reader_settings
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.gates.contract import check_contract
from release_tool.gates.lineage import check_lineage


@click.command("check")
@click.argument("model", type=FILE)
@click.option("--checkpoint", type=FILE, help="Prove that these weights stand in the model.")
@click.option("--unpinned-checkpoint", is_flag=True, help="Take another than the pinned one.")
@with_reader_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    model: Path,
    checkpoint: Path | None,
    unpinned_checkpoint: bool,
) -> None:
    """Run the gates on an ONNX file.

    The contract: names, types, opset, operators, limits, canonical bytes. With a checkpoint also
    the lineage: every tensor bit for bit at its place in the graph that the recipe pins. Says
    nothing of who made the file; that is `verify`.

    \b
    Examples:
      release-tool check u2netp_mirror_v1.onnx
      release-tool check u2netp_mirror_v1.onnx --checkpoint u2netp.pth
    """
    contract = check_contract(model, settings.recipe)
    rows = [
        ("contract", f"holds: opset {contract.opset}, {contract.nodes} nodes"),
        ("operators", ", ".join(f"{count} {name}" for name, count in contract.operators)),
    ]
    document = {"model": model.name, "contract": "holds", "nodes": contract.nodes}
    if checkpoint is not None:
        weights = open_checkpoint(checkpoint, settings.recipe, pinned=not unpinned_checkpoint)
        lineage = check_lineage(model, weights, settings.recipe)
        rows.append(("lineage", f"{lineage.in_place} of {lineage.tensors} tensors in place"))
        rows.append(("skeleton", str(lineage.skeleton)))
        document |= {
            "tensors": lineage.tensors,
            "in_place": lineage.in_place,
            "skeleton_sha256": str(lineage.skeleton),
        }
    state.print_result(document, rows)
