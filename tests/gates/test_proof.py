"""Both gates on one export, from its bytes alone."""

from dataclasses import replace

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.gates.proof import prove_export

TORCH = "2.13.0+cpu"
OTHER = Sha256.of_bytes(b"another graph")


def unpinned(exported):
    return replace(exported.recipe, skeletons=())


def test_an_export_is_proved_by_the_pin_and_not_by_what_it_claims(exported):
    proof = prove_export(
        exported.model, exported.checkpoint, exported.recipe, torch=TORCH, claimed=OTHER
    )
    assert proof.lineage.skeleton == exported.recipe.skeletons[0][1]
    assert proof.lineage.in_place == proof.lineage.tensors == proof.contract.initializers


def test_an_export_of_another_graph_than_the_pinned_one_is_refused(exported):
    recipe = replace(exported.recipe, skeletons=(("torch 2.13.0", OTHER),))
    with pytest.raises(GateError, match="not the known one"):
        prove_export(
            exported.model,
            exported.checkpoint,
            recipe,
            torch=TORCH,
            claimed=exported.export.skeleton,
        )


def test_a_recipe_without_pins_takes_the_graph_that_the_export_claims(exported):
    recipe, claimed = unpinned(exported), exported.export.skeleton
    proof = prove_export(exported.model, exported.checkpoint, recipe, torch=TORCH, claimed=claimed)
    assert proof.contract.known_skeleton is None
    with pytest.raises(GateError, match="not the known one"):
        prove_export(exported.model, exported.checkpoint, recipe, torch=TORCH, claimed=OTHER)


def test_the_contract_is_judged_on_the_bytes(exported):
    small = replace(exported.recipe.contract, max_model_bytes=50_000)
    with pytest.raises(GateError, match="consumer takes at most 50000"):
        prove_export(
            exported.model,
            exported.checkpoint,
            replace(exported.recipe, contract=small),
            torch=TORCH,
            claimed=OTHER,
        )
