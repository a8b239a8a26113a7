"""`release-tool export`: audit, export, gates, manifest."""

import os
from pathlib import Path

import click

from release_tool import chain
from release_tool.cli.options import DIRECTORY, FILE, with_output, with_settings
from release_tool.cli.render import show_export
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.locks import in_turn


@click.command("export")
@click.option("--upstream-dir", type=DIRECTORY, required=True, help="The audited checkout.")
@click.option("--checkpoint", type=FILE, required=True, help="Upstream's weights, a .pth file.")
@click.option(
    "--out", type=DIRECTORY, default="dist", show_default=True, help="Where the files go."
)
@click.option(
    "--unpinned-checkpoint",
    is_flag=True,
    help="Take another checkpoint than the pinned one; such an export cannot be published.",
)
@click.option(
    "--parity",
    type=click.Choice(["default", "full"]),
    default="default",
    show_default=True,
    help="Also compare the large sizes in float64: a minute and 11 GB.",
)
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    upstream_dir: Path,
    checkpoint: Path,
    out: Path,
    unpinned_checkpoint: bool,
    parity: str,
) -> None:
    """Export a model from an audited checkout and prove it.

    Checks the checkout and the checkpoint against the recipe's pins, exports to ONNX in a child
    process, runs the gates, and writes model, manifest and licence. The same inputs give the same
    bytes anywhere.

    \b
    Example:
      release-tool export --upstream-dir U-2-Net --checkpoint u2netp.pth
    """
    with in_turn(out, state.note):
        outcome = chain.export_release(
            chain.Source(upstream_dir, checkpoint, pinned=not unpinned_checkpoint),
            settings.recipe,
            out,
            os.environ,
            full_parity=parity == "full",
            progress=state,
        )
    show_export(state, outcome)
