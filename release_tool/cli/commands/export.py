"""`release-tool export`: audit, export, gates, manifest."""

import os
from pathlib import Path

import click

from release_tool.chain.export import export_release
from release_tool.cli.given import SourceOptions
from release_tool.cli.options import (
    with_accept_license,
    with_no_replay,
    with_out,
    with_output,
    with_settings,
    with_sources,
    with_unpinned_checkpoint,
)
from release_tool.cli.render import show_export
from release_tool.cli.settings import Settings
from release_tool.cli.sourcing import resolve_source
from release_tool.cli.state import State
from release_tool.core.locks import in_turn


@click.command("export")
@with_sources
@with_out
@with_unpinned_checkpoint
@click.option(
    "--parity",
    type=click.Choice(["default", "full"]),
    default="default",
    show_default=True,
    help="Also compare the inputs at video sizes: minutes and 11 GB.",
)
@with_accept_license
@with_no_replay
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    accept_license: str | None,
    sources: SourceOptions,
    out: Path,
    unpinned_checkpoint: bool,
    parity: str,
    no_replay: bool,
) -> None:
    """Export a model from an audited checkout and prove it.

    Checks the checkout and the checkpoint against the recipe's pins, and fetches by them what was
    not given, once: the cache keeps it. Exports to ONNX in a child process, runs the gates, makes
    the results again that upstream published, and writes model, manifest and licence. The same
    inputs give the same bytes anywhere. An export of another checkpoint than the pinned one is
    signed with `sign --unpinned` only.

    \b
    Examples:
      release-tool export
      release-tool export --upstream-dir U-2-Net --checkpoint u2netp.pth
    """
    settings = settings.accepting(accept_license)
    source = resolve_source(sources, settings.recipe, state, pinned=not unpinned_checkpoint)
    with in_turn(out, state.note):
        outcome = export_release(
            source,
            settings.recipe,
            out,
            os.environ,
            full_parity=parity == "full",
            replay=not no_replay,
            progress=state,
        )
    show_export(state, outcome)
