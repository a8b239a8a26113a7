"""One stand-in upstream for the session, and one export of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.export.run import Export, export_model
from release_tool.recipes.recipe import Recipe
from release_tool.rehearsal.upstream import make_upstream
from release_tool.upstream.checkout import Checkout, open_checkout


@dataclass(frozen=True)
class Inputs:
    directory: Path
    checkout: Checkout
    checkpoint: Checkpoint
    recipe: Recipe

    def export(self, out: Path, **changes) -> Export:
        """Export, with some of the arguments replaced."""
        values: dict[str, Any] = {
            "checkout": self.checkout,
            "checkpoint": self.checkpoint,
            "recipe": self.recipe,
        }
        return export_model(out=out, **(values | changes))


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    place = tmp_path_factory.mktemp("inputs")
    made = make_upstream(place)
    checkout = open_checkout(made.checkout, made.recipe)
    checkpoint = open_checkpoint(made.checkpoint, made.recipe)
    return Inputs(place, checkout, checkpoint, made.recipe)


@pytest.fixture(scope="session")
def model(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's model, in a directory where nothing else lies."""
    path = tmp_path_factory.mktemp("model") / "u2netp_mirror_v1.onnx"
    inputs.export(path)
    return path
