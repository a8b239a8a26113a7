"""`release-tool evaluate`: what a model does, in numbers and pictures."""

from pathlib import Path

import click

from release_tool.cli.evaluation.running import EvaluationOptions, run_evaluation
from release_tool.cli.options import (
    DIRECTORY,
    FILE,
    grouped,
    text,
    with_cache,
    with_offline,
    with_output,
    with_reader_settings,
    with_upstream,
)
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.locks import only_one

with_evaluation = grouped(
    EvaluationOptions,
    "options",
    with_upstream,
    with_cache,
    with_offline,
    click.option("--against", type=FILE, help="Another model, to compare with."),
    click.option(
        "--media",
        type=FILE,
        multiple=True,
        help="Pictures, folders of them, clips; may be repeated.",
    ),
    click.option("--masks", type=DIRECTORY, help="Masks drawn by people, one for each picture."),
    text("--masks-from", "NAME", "The data set of the masks, such as ECSSD."),
    click.option("--maps", type=DIRECTORY, help="Write every map there, as .npy."),
    click.option(
        "--variant",
        "variants",
        metavar="NAME",
        multiple=True,
        help="own-colour, own-luma, trained-colour, trained-luma; all by default.",
    ),
    text("--size", "WxH", "The size of raw 4:2:0 planes (.yuv)."),
    text("--trained-size", "WxH", "The size that the network was trained for; 320x320 by default."),
    click.option(
        "--strength", type=float, default=6.0, show_default=True, help="Of the QP offsets."
    ),
    click.option(
        "--input", "input_name", metavar="NAME", help="The model's input; the recipe's by default."
    ),
    text("--against-input", "NAME", "The other model's input; the recipe's by default."),
)


@click.command("evaluate")
@click.argument("model", type=FILE)
@with_evaluation
@click.option(
    "--out", type=DIRECTORY, default="evaluation", show_default=True, help="Where the report goes."
)
@with_reader_settings
@with_output
@click.pass_obj
def command(
    state: State, settings: Settings, options: EvaluationOptions, model: Path, out: Path
) -> None:
    """Replay what upstream published, or compare two models.

    A replay makes the results again that upstream's authors published of their own pictures, as the
    recipe says, and measures how alike they are: so a model shows that it is the published network,
    whatever file its weights came from. It is done where nothing else is asked for, or with
    --upstream-dir. Ends in 4 beyond the recipe's bounds.

    With --media each model runs as its consumers run it: at the media's own size and at the trained
    one, in colour and with luma alone; without --against these ways are compared with each other.

    \b
    Examples:
      release-tool evaluate u2netp_mirror_v1.onnx --upstream-dir U-2-Net
      release-tool evaluate u2netp_mirror_v1.onnx --against student.onnx --media pictures
      release-tool evaluate u2netp_mirror_v1.onnx --media clip.y4m --variant own-luma
    """
    with only_one(out, "evaluating"):
        run_evaluation(model, options, settings.recipe, out, state)
