"""Both torch-free gates on one export: what is signed later must have passed here."""

from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.gates.contract import ContractReport, hold_contract, open_bounded
from release_tool.gates.lineage import LineageReport, hold_lineage
from release_tool.gates.skeleton import CheckpointLike
from release_tool.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Proof:
    """What contract and lineage measured in a model that passed both."""

    contract: ContractReport
    lineage: LineageReport


def prove_export(
    model: Path, checkpoint: CheckpointLike, recipe: Recipe, *, torch: str, claimed: Sha256
) -> Proof:
    """Prove what an export made, from its bytes alone; raises `GateError`.

    The graph must be the one that the recipe pins for this version of torch. A recipe that pins
    none has nothing to compare with but `claimed`, the skeleton that the export says it made.
    """
    opened = open_bounded(model, recipe)
    contract = hold_contract(opened, recipe)
    expected = recipe.skeleton_for(torch) or claimed
    lineage = hold_lineage(opened, checkpoint, recipe, skeleton=expected)
    return Proof(contract, lineage)
