"""Where what was fetched by its pins is kept: checkouts by commit, checkpoints by digest.

Nothing here is believed for lying here: whoever takes something out checks it against its pin.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from release_tool.core.files import remove_tree, writable
from release_tool.core.locks import in_turn
from release_tool.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Cache:
    """A directory with one folder for each commit and each digest, and one thing in it."""

    directory: Path

    def checkout(self, recipe: Recipe) -> Path:
        """Return where the recipe's checkout is kept."""
        return self.directory / "checkouts" / recipe.upstream.commit.hex / "upstream"

    def checkpoint(self, recipe: Recipe) -> Path:
        """Return where the recipe's checkpoint is kept, under upstream's name for it."""
        pin = recipe.checkpoint
        return self.directory / "checkpoints" / pin.sha256.hex / PurePosixPath(pin.path).name


@contextmanager
def filling(place: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let no other process fill `place` meanwhile; what a killed one left beside it goes first."""
    folder = place.parent
    with in_turn(folder, say):
        with writable(folder):
            leftovers = [name for name in os.listdir(folder) if name != place.name]  # noqa: PTH208
        for name in leftovers:
            remove_tree(folder / name)
        yield
