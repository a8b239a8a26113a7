"""`release-tool evaluate`: what a model does, in numbers and pictures."""

from pathlib import Path

import click

from release_tool.cli.evaluation.running import open_published, run_evaluation
from release_tool.cli.options import (
    DIRECTORY,
    FILE,
    with_cache,
    with_offline,
    with_output,
    with_reader_settings,
    with_upstream,
)
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.locks import only_one


@click.command("evaluate")
@click.argument("model", type=FILE)
@with_upstream
@with_cache
@with_offline
@click.option(
    "--out",
    type=DIRECTORY,
    default="evaluation",
    show_default=True,
    help="Where the report goes.",
)
@with_reader_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    model: Path,
    upstream_dir: Path | None,
    cache: Path | None,
    offline: bool,
    out: Path,
) -> None:
    """Replay what upstream published, or compare two models.

    A replay makes the results again that upstream's authors published of their own pictures, as the
    recipe says, and measures how alike they are: so a model shows that it is the published network,
    whatever file its weights came from. Ends in 4 beyond the recipe's bounds.

    \b
    Examples:
      release-tool evaluate u2netp_mirror_v1.onnx --upstream-dir U-2-Net
    """
    published = open_published(settings.recipe, upstream_dir, cache, offline, state)
    with only_one(out, "evaluating"):
        run_evaluation(model, published, out, state)
