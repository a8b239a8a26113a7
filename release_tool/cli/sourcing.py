"""Finds the sources of an export: those that were given, else what the recipe pins, fetched."""

import os
from dataclasses import replace
from pathlib import Path

import platformdirs

from release_tool.cli.given import SourceOptions
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.cache import Cache
from release_tool.upstream.download import FetchedCheckpoint, fetch_checkpoint
from release_tool.upstream.sources import (
    Source,
    copy_whole,
    fetch_checkout,
    fetch_from_sources,
    find_checkpoint,
)


def open_cache(given: Path | None) -> Cache:
    """Return the cache that was named, or the user's."""
    return Cache((given or platformdirs.user_cache_path("release-tool")).absolute())


def resolve_source(
    options: SourceOptions, recipe: Recipe, state: State, *, pinned: bool = True
) -> Source:
    """Return what to export, and fetch what was not given."""
    upstream, checkpoint = options.upstream_dir, options.checkpoint
    if upstream is None or checkpoint is None:
        with state.stage("sources"):
            checkpoint = checkpoint or fetch_weights(options, recipe, state, pinned=pinned)
            upstream = upstream or fetch_checkout(
                recipe,
                open_cache(options.cache),
                os.environ,
                offline=options.offline,
                progress=state,
            )
    return Source(upstream, checkpoint, pinned=pinned)


def fetch_weights(
    options: SourceOptions, recipe: Recipe, state: State, *, pinned: bool = True
) -> Path:
    """Return where the pinned checkpoint lies, fetched into the cache if need be."""
    if not pinned:
        raise UsageError("--unpinned-checkpoint needs --checkpoint: what is fetched is pinned")
    return fetch_pinned(recipe, open_cache(options.cache), options.offline, state).path


def fetch_pinned(recipe: Recipe, cache: Cache, offline: bool, state: State) -> FetchedCheckpoint:
    """Return the pinned checkpoint from the cache or from the recipe's sources."""
    return fetch_from_sources(
        lambda source, to: fetch_checkpoint(source, recipe, to, progress=state),
        recipe,
        cache,
        offline=offline,
        progress=state,
    )


def fetch_to(
    to: Path, recipe: Recipe, cache: Path | None, offline: bool, state: State
) -> FetchedCheckpoint:
    """Put the pinned checkpoint where it is asked for, unless it is there; `reused` tells."""
    there = find_checkpoint(to, recipe.checkpoint.sha256)
    if there is not None:
        return there
    found = fetch_pinned(recipe, open_cache(cache), offline, state)
    copy_whole(found, to)
    return replace(found, path=to)
