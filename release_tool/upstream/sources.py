"""Gets what a recipe pins: from the cache, else from where the recipe says that it is.

Each is checked against its pin before it is kept, and nothing else ever is.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, ReleaseToolError, TryAgain
from release_tool.core.files import new_file, temporary_directory
from release_tool.core.progress import SILENT, Progress
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.cache import Cache, filling
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.clone import clone_commit
from release_tool.upstream.download import FetchedCheckpoint

ONLINE = "run it once without --offline, or give it by hand"

Fetch = Callable[[str, Path], FetchedCheckpoint]
"""Fetches the pinned checkpoint from one address to a file, whole or not at all."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an export starts from; `pinned` demands the very checkpoint that the recipe pins."""

    upstream: Path
    checkpoint: Path
    pinned: bool = True


def fetch_checkout(
    recipe: Recipe,
    cache: Cache,
    environment: Mapping[str, str],
    *,
    offline: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Return an audited checkout in the cache, fetched by git where it is not there yet.

    Raises `InputError` for what is not the audited project, and as `clone_commit` does.
    """
    place = cache.checkout(recipe)
    damage = find_damage(place, recipe)
    if damage is None:
        return place
    if offline:
        raise InputError(f"offline, and the checkout is not in the cache: {damage}", hint=ONLINE)
    with filling(place, progress.note):
        damage = find_damage(place, recipe)
        if damage is None:  # somebody else has fetched it meanwhile
            return place
        if place.exists():
            progress.note(f"the cached checkout is fetched anew: {damage}")
        with temporary_directory(place.parent) as fresh:
            clone_commit(
                recipe.upstream.repo,
                recipe.upstream.commit,
                fresh / "new",
                environment,
                progress=progress,
            )
            open_checkout(fresh / "new", recipe)
            if place.exists():
                place.rename(fresh / "old")
            (fresh / "new").rename(place)
    progress.note(f"fetched upstream {recipe.upstream.commit}")
    return place


def find_damage(place: Path, recipe: Recipe) -> ReleaseToolError | None:
    """Return why what is in the cache is no checkout that passes the audit, or None."""
    try:
        open_checkout(place, recipe)
    except InputError as error:
        return error
    return None


def fetch_from_sources(
    fetch: Fetch,
    recipe: Recipe,
    cache: Cache,
    *,
    offline: bool = False,
    progress: Progress = SILENT,
) -> FetchedCheckpoint:
    """Return the pinned checkpoint in the cache, fetched from the first source that gives it.

    Says which sources failed. Raises `TryAgain` where one of them may give it later, otherwise
    `InputError`.
    """
    place, pinned = cache.checkpoint(recipe), recipe.checkpoint.sha256
    cached = find_checkpoint(place, pinned)
    if cached is not None:
        return cached
    if offline:
        text = f"offline, and {pinned}, the checkpoint of {recipe.name}, is not in the cache"
        raise InputError(text, hint=ONLINE)
    if not recipe.checkpoint.sources:
        text = f"the recipe {recipe.name} names no source of its checkpoint"
        raise InputError(text, hint="give the file with --checkpoint")
    with filling(place, progress.note):
        return find_checkpoint(place, pinned) or try_sources(fetch, recipe, place, progress)


def find_checkpoint(place: Path, pinned: Sha256) -> FetchedCheckpoint | None:
    """Return the checkpoint that is in the cache, if its digest is the pinned one."""
    if place.is_file() and Sha256.of_file(place) == pinned:
        return FetchedCheckpoint(place, place.stat().st_size, pinned, reused=True)
    return None


def try_sources(fetch: Fetch, recipe: Recipe, to: Path, progress: Progress) -> FetchedCheckpoint:
    """Fetch from one source after the other until one gives the pinned bytes."""
    failures: list[ReleaseToolError] = []
    for number, source in enumerate(recipe.checkpoint.sources, 1):
        try:
            found = fetch(source, to)
        except (InputError, TryAgain) as error:
            failures.append(error)
            progress.note(f"source {number} of the checkpoint failed: {error}")
        else:
            progress.note(f"fetched the checkpoint from source {number}, {source}")
            return found
    text = f"no source gave the checkpoint of {recipe.name}: {'; '.join(map(str, failures))}"
    kind = TryAgain if any(isinstance(error, TryAgain) for error in failures) else InputError
    raise kind(text, hint=failures[-1].hint or "give the file with --checkpoint")


def copy_whole(found: FetchedCheckpoint, to: Path) -> None:
    """Copy a checkpoint out of the cache, so that it appears whole or not at all."""
    with new_file(to) as temporary:
        shutil.copyfile(found.path, temporary)
        if Sha256.of_file(temporary) != found.digest:
            raise InputError(f"{found.path} changed while it was copied")
