"""Puts an evaluation together: finds what it needs, runs it, and prints what came out."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release_tool.cli.evaluation.showing import evaluation_rows
from release_tool.cli.sourcing import open_cache
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.evaluate.needs import COMPARISON, check_installed
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.sources import fetch_checkout

if TYPE_CHECKING:
    from release_tool.evaluate import run

SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
TRAINED = (320, 320)


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is to be evaluated, in the words of the command line."""

    upstream_dir: Path | None
    cache: Path | None
    offline: bool
    against: Path | None
    media: tuple[Path, ...]
    masks: Path | None
    maps: Path | None
    variants: tuple[str, ...]
    size: str | None
    trained_size: str | None
    strength: float
    masks_from: str | None
    input_name: str | None
    against_input: str | None


def run_evaluation(
    model: Path, options: EvaluationOptions, recipe: Recipe, out: Path, state: State
) -> None:
    """Evaluate a model, print what was measured, and raise `GateError` where it did not pass."""
    check_installed(COMPARISON)
    from release_tool.evaluate import run  # noqa: PLC0415  (onnxruntime, av and others)

    for given, name in ((options.against, "--against"), (options.masks, "--masks")):
        if given is not None and not options.media:
            raise UsageError(f"{name} needs --media: pictures or clips to compare on")
    usual = recipe.inputs[0].name
    request = run.Request(
        recipe=recipe.name,
        model=run.ModelFile(model, options.input_name or usual),
        published=open_published(options, recipe, state),
        compared=read_compared(options, usual) if options.media else None,
    )
    evaluated = run.evaluate(request, out, state)
    state.print_result(evaluated.to_json(), evaluation_rows(evaluated, out))
    evaluated.require()


def open_published(
    options: EvaluationOptions, recipe: Recipe, state: State
) -> "run.Published | None":
    """Return what upstream published, from an audited checkout, fetched where nothing is compared.

    None where the recipe names nothing, or where something is compared and no checkout is given.
    """
    from release_tool.evaluate.run import Published  # noqa: PLC0415

    if recipe.replay is None or (options.media and options.upstream_dir is None):
        return None
    with state.stage("audit"):
        directory = options.upstream_dir or fetch_checkout(
            recipe, open_cache(options.cache), os.environ, offline=options.offline, progress=state
        )
        return Published(recipe.replay, open_checkout(directory, recipe).published)


def read_compared(options: EvaluationOptions, usual: str) -> "run.Compared":
    """Say what to compare."""
    from release_tool.evaluate.compare import ComparisonSettings  # noqa: PLC0415
    from release_tool.evaluate.run import Compared, ModelFile  # noqa: PLC0415
    from release_tool.evaluate.variants import choose  # noqa: PLC0415

    incumbent = None
    if options.against is not None:
        incumbent = ModelFile(options.against, options.against_input or usual)
    return Compared(
        media=options.media,
        incumbent=incumbent,
        masks=options.masks,
        maps=options.maps,
        raw_size=read_size(options.size),
        settings=ComparisonSettings(
            trained=read_size(options.trained_size) or TRAINED,
            variants=choose(options.variants),
            strength=options.strength,
            masks_from=options.masks_from,
        ),
    )


def read_size(given: str | None) -> tuple[int, int] | None:
    """Read `WxH` as height and width; raises `UsageError`."""
    if given is None:
        return None
    found = SIZE.fullmatch(given)
    if found is None:
        raise UsageError(f"not a size: {given!r}", hint="a size is its width and height, 1920x1080")
    return int(found[2]), int(found[1])
