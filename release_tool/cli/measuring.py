"""Runs the parity gate for `check`; loaded only where it is asked for."""

import os
from pathlib import Path

from release_tool.checkpoint.reader import open_checkpoint
from release_tool.cli.given import SourceOptions
from release_tool.cli.render import parity_rows
from release_tool.cli.sourcing import resolve_source
from release_tool.cli.state import Row, State
from release_tool.core.documents import JsonObject
from release_tool.export.run import measure_model
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import open_checkout


def run_parity(
    model: Path, sources: SourceOptions, recipe: Recipe, state: State, pinned: bool
) -> tuple[JsonObject, list[Row]]:
    """Compare a file with upstream's network in PyTorch; return what to print."""
    source = resolve_source(sources, recipe, state, pinned=pinned)
    report = measure_model(
        model,
        open_checkout(source.upstream, recipe),
        open_checkpoint(source.checkpoint, recipe, pinned=pinned),
        recipe,
        progress=state,
        environment=os.environ,
    )
    return {"parity": report.to_json()}, parity_rows(report)
