"""Evaluates what a rehearsal of the real network exported, as a maintainer would before signing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release_tool.core.errors import UsageError
from release_tool.core.files import temporary_directory
from release_tool.core.progress import Progress
from release_tool.evaluate.needs import COMPARISON, check_installed
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import open_checkout


@contextmanager
def open_evaluator(
    upstream: Path | None, recipe: Recipe, progress: Progress
) -> Iterator[Callable[[Path], Path] | None]:
    """Yield what replays a model and returns the report's place, or None where that cannot be.

    It cannot without published results, and without what only the extra `evaluate` installs.
    """
    spec = recipe.replay
    if upstream is None or spec is None:
        yield None
        return
    try:
        check_installed(COMPARISON)
    except UsageError as error:
        progress.note(f"released without an evaluation: {error.message}")
        yield None
        return
    with temporary_directory() as place:
        from release_tool.evaluate import run  # noqa: PLC0415  (onnxruntime and others)

        def evaluate(model: Path) -> Path:
            published = run.Published(spec, open_checkout(upstream, recipe).published)
            named = run.ModelFile(model, recipe.inputs[0].name)
            run.evaluate(run.Request(recipe.name, named, published=published), place, progress)
            return place

        yield evaluate
