"""Finds the sources of an export: those that were given, else what the recipe pins, fetched."""

import os
from dataclasses import replace
from pathlib import Path

import platformdirs

from release_tool import chain
from release_tool.cli.given import SourceOptions
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.cache import Cache
from release_tool.upstream.download import FetchedCheckpoint, fetch_checkpoint
from release_tool.upstream.sources import (
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
) -> chain.Source:
    """Return what to export, and fetch what was not given."""
    if not pinned and options.checkpoint is None:
        raise UsageError("--unpinned-checkpoint needs --checkpoint: what is fetched is pinned")
    cache = open_cache(options.cache)
    if options.upstream_dir is not None and options.checkpoint is not None:
        return chain.Source(options.upstream_dir, options.checkpoint, pinned=pinned)
    with state.stage("sources"):
        upstream = options.upstream_dir or fetch_checkout(
            recipe, cache, os.environ, offline=options.offline, progress=state
        )
        checkpoint = options.checkpoint or fetch_pinned(recipe, cache, options.offline, state).path
    return chain.Source(upstream, checkpoint, pinned=pinned)


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
