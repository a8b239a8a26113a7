"""Downloads a whole release by its recipe, the one that is named or the release's own.

What arrives is unverified.
"""

from pathlib import Path

from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.files import read_limited
from release_tool.core.limits import MODEL_LIMIT_BYTES, RECIPE_LIMIT_BYTES
from release_tool.core.names import Destination
from release_tool.core.progress import Progress
from release_tool.github.download import fetch_one, fetch_release
from release_tool.github.transfer import ReadApi
from release_tool.recipes import layout
from release_tool.recipes.catalog import parse_recipe
from release_tool.recipes.recipe import Recipe


def fetch_files(
    source: ReadApi, wanted: Destination, recipe: Recipe | None, place: Path, progress: Progress
) -> Recipe:
    """Download a release's files into `place` and return the recipe that names them.

    Without a recipe the release's own is downloaded first. Raises `CannotVerify` and `TryAgain`.
    """
    known = recipe or fetch_recipe(source, wanted, place, progress)
    allowed = min(known.contract.limits.max_model_bytes, MODEL_LIMIT_BYTES)
    fetch_release(
        source,
        wanted.repo,
        wanted.tag,
        layout.limits(known.names, allowed),
        place,
        optional=layout.optional_names(known.names),
        progress=progress,
    )
    return known


def fetch_recipe(source: ReadApi, wanted: Destination, place: Path, progress: Progress) -> Recipe:
    """Download the recipe that a release has of itself; nothing vouches for it yet."""
    ending = layout.RECIPE.beside("")
    path = fetch_one(
        source, wanted.repo, wanted.tag, ending, RECIPE_LIMIT_BYTES, place, progress=progress
    )
    try:
        return parse_recipe(read_limited(path, RECIPE_LIMIT_BYTES), path.name)
    except InputError as error:
        raise CannotVerify(error.message, hint=error.hint) from error
