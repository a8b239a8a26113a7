"""Proves on the way to a verdict that a model is made of a checkpoint; loaded only when asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from release_tool.checkpoint.reader import Checkpoint, open_checkpoint
from release_tool.cli.settings import Settings
from release_tool.core.errors import GateError, NotVerified, UsageError
from release_tool.gates.lineage import LineageReport, check_lineage
from release_tool.recipes.recipe import Recipe
from release_tool.verify.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Lineage:
    """The weights that every model must be made of."""

    checkpoint: Checkpoint
    recipe: Recipe

    @classmethod
    def of(cls, path: Path, settings: Settings, *, pinned: bool) -> Self:
        """Open the checkpoint that was named."""
        return cls(open_checkpoint(path, settings.recipe, pinned=pinned), settings.recipe)

    def prove(self, evidence: Evidence) -> LineageReport:
        """Prove lineage; a model that fails it is not verified."""
        if evidence.path is None:
            raise UsageError("lineage needs the model's file, not only its digest")
        try:
            return check_lineage(evidence.path, self.checkpoint, self.recipe)
        except GateError as error:
            raise NotVerified(f"lineage: {error.message}", hint=error.hint) from error
