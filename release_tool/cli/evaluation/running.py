"""Puts an evaluation together: finds what it needs, runs it, writes and prints what came out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.cli.sourcing import open_cache
from release_tool.cli.state import Row, State
from release_tool.core.documents import encode_json
from release_tool.core.errors import UsageError
from release_tool.core.files import write_whole
from release_tool.evaluate.needs import REPLAY, check_installed
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.replay import ReplaySpec
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.sources import fetch_checkout


@dataclass(frozen=True, slots=True)
class Published:
    """What upstream published, by path, and how it was made."""

    spec: ReplaySpec
    files: Mapping[str, bytes]


def open_published(
    recipe: Recipe, upstream_dir: Path | None, cache: Path | None, offline: bool, state: State
) -> Published:
    """Return what upstream published, from an audited checkout, fetched if none is given."""
    if recipe.replay is None:
        raise UsageError(f"the recipe {recipe.name} names no results that upstream published")
    check_installed(REPLAY)
    with state.stage("audit"):
        directory = upstream_dir or fetch_checkout(
            recipe, open_cache(cache), os.environ, offline=offline, progress=state
        )
        return Published(recipe.replay, open_checkout(directory, recipe).published)


def run_evaluation(model: Path, published: Published, out: Path, state: State) -> None:
    """Replay a model, write what was measured, print it, and raise `GateError` where it fails."""
    from release_tool.evaluate.replay import describe, run_replay  # noqa: PLC0415  (heavy)

    with state.stage("replay"):
        report = run_replay(model, published.spec, published.files, state)
    document = {"model": model.name, "replay": describe(report, published.spec)}
    write_whole(out / "evaluation.json", encode_json(document))
    rows: list[Row] = [("replay", str(report) if report.passed else "does not hold")]
    rows += [("", str(each)) for each in report.pictures]
    state.print_result(document, rows)
    report.require()
