"""What the gates see of a changed export of the trained network, and of the large one's."""

from pathlib import Path

import pytest
import torch

from release_tool.checkpoint.reader import open_checkpoint
from release_tool.export.parity import make_references
from release_tool.export.run import make_job, prepare
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP
from release_tool.upstream.checkout import open_checkout
from tests.export.built import build, load
from tests.export.power import CHANGES, NAMED, Judge, changed
from tests.real.conftest import Rehearsed, rehearse
from tests.real.weights import encode_checkpoint, make_network

pytestmark = [
    pytest.mark.filterwarnings("ignore:.nn.functional.upsample. is deprecated:UserWarning"),
    pytest.mark.timeout(900),
]

SEED = 1
"""Of weights as PyTorch draws them, which have learnt nothing."""


def make_judge(checkout: Path, weights: Path, recipe, place: Path) -> Judge:
    upstream = open_checkout(checkout, recipe)
    checkpoint = open_checkpoint(weights, recipe, pinned=False)
    job = make_job("parity", upstream, checkpoint, recipe, full_parity=False)
    prepare(place, job, upstream)
    network = load(build(recipe, upstream.modules), checkpoint.tensors)
    return Judge(make_references(network, job.samples, place, lambda: None), recipe, place)


@pytest.fixture(scope="module")
def exported(rehearsed: Rehearsed) -> bytes:
    return (rehearsed.directory / U2NETP.names.model).read_bytes()


@pytest.fixture(scope="module")
def judge(trained, tmp_path_factory) -> Judge:
    place = tmp_path_factory.mktemp("power")
    return make_judge(trained.checkout, trained.checkpoint, U2NETP, place)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_parity_refuses_a_change_to_the_trained_network_or_it_moves_no_grey_level(
    change, judge, exported
):
    judge.hold(changed(exported, change), change)


@pytest.fixture(scope="module")
def large(upstream_dir, tmp_path_factory) -> tuple[bytes, Judge]:
    """The large network with drawn weights, through the whole chain."""
    place = tmp_path_factory.mktemp("large")
    torch.manual_seed(SEED)
    network = make_network(open_checkout(upstream_dir, U2NET), U2NET)
    weights = place / "u2net.pth"
    weights.write_bytes(encode_checkpoint(network.state_dict()))
    options = ["--upstream-dir", str(upstream_dir), "--checkpoint", str(weights)]
    released = rehearse(place / "dist", "--recipe", "u2net", *options, "--unpinned-checkpoint")
    model = (released.directory / U2NET.names.model).read_bytes()
    return model, make_judge(upstream_dir, weights, U2NET, place)


@pytest.mark.parametrize("change", NAMED, ids=lambda change: change.name)
def test_parity_refuses_a_change_to_the_large_network_with_weights_that_learnt_nothing(
    change, large
):
    model, judge = large
    judge.hold(changed(model, change), change)
