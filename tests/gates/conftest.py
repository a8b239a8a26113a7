"""One exported stand-in model for the session, and ways to damage copies of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.export.run import Export, export_model
from release_tool.gates.proof import Proof, prove_export
from release_tool.recipes.recipe import Recipe
from release_tool.rehearsal.upstream import make_upstream
from release_tool.upstream.checkout import open_checkout

Change = Callable[[onnx.ModelProto], None]


@dataclass(frozen=True)
class Exported:
    model: Path
    checkpoint: Checkpoint
    recipe: Recipe
    export: Export
    proof: Proof

    @property
    def content(self) -> bytes:
        return self.model.read_bytes()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("exported")
    made = make_upstream(place)
    checkout = open_checkout(made.checkout, made.recipe)
    checkpoint = open_checkpoint(made.checkpoint, made.recipe)
    model = place / "u2netp_mirror_v1.onnx"
    unmeasured = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    export = export_model(checkout, checkpoint, made.recipe, model, environment=unmeasured)
    torch, claimed = dict(export.toolchain)["torch"], export.skeleton
    proof = prove_export(model, checkpoint, made.recipe, torch=torch, claimed=claimed)
    return Exported(model, checkpoint, made.recipe, export, proof)


@pytest.fixture
def changed(exported: Exported, tmp_path: Path) -> Callable[[Change], Path]:
    """Give a function that writes a copy of the model with a change that onnx itself makes."""

    def write(change: Change) -> Path:
        model = onnx.load_from_string(exported.content)
        change(model)
        path = tmp_path / "changed.onnx"
        path.write_bytes(model.SerializeToString(deterministic=True))
        return path

    return write
