"""The trained network goes the whole way; `make test-real` runs this, and nothing else does."""

import numpy as np
import onnxruntime
import pytest
import torch

from release_tool.checkpoint.reader import open_checkpoint
from release_tool.recipes.u2netp import U2NETP
from release_tool.upstream.checkout import open_checkout
from tests.real.weights import make_network

# Upstream's own code calls what torch has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.nn.functional.upsample. is deprecated:UserWarning")

REPRODUCED_WITHIN = 5e-5
"""An eightieth of a grey level, and what PyTorch in float32 is off from float64 on this network."""


def largest_difference(trained, weights: dict[str, torch.Tensor]) -> float:
    """Compare all seven maps of the package's network with upstream's, on two inputs."""
    network = make_network(open_checkout(trained.checkout, U2NETP), U2NETP)
    network.load_state_dict(weights, strict=True)
    session = onnxruntime.InferenceSession(trained.onnx, providers=["CPUExecutionProvider"])
    drawn = np.random.default_rng(0)
    smooth = np.kron(drawn.normal(size=(1, 3, 10, 10)), np.ones((32, 32)))
    largest = 0.0
    for picture in (smooth, drawn.normal(size=(1, 3, 320, 320))):
        given = picture.astype(np.float32)
        theirs = session.run(None, {session.get_inputs()[0].name: given})
        with torch.no_grad():
            ours = network(torch.from_numpy(given))
        assert len(theirs) == len(ours) == 7
        for their, our in zip(theirs, ours, strict=True):
            assert their.std() > 1e-4
            largest = max(largest, float(np.abs(their - our.numpy()).max()))
    return largest


def test_the_unfolded_weights_compute_what_the_package_computes(trained):
    weights = torch.load(trained.checkpoint, weights_only=True)
    assert largest_difference(trained, weights) < REPRODUCED_WITHIN
    # The comparison sees a mistake: two convolutions of one shape, taken for each other.
    one, other = "stage2.rebnconv3.conv_s1.weight", "stage2.rebnconv4.conv_s1.weight"
    weights[one], weights[other] = weights[other], weights[one]
    assert largest_difference(trained, weights) > 100 * REPRODUCED_WITHIN


def test_the_weights_have_the_shape_that_the_recipe_pins(trained):
    checkpoint = open_checkpoint(trained.checkpoint, U2NETP, pinned=False)
    floats = [each for each in checkpoint.tensors if "num_batches_tracked" not in each.name]
    assert len(floats) == U2NETP.checkpoint.tensors


@pytest.mark.timeout(900)
def test_the_trained_network_is_released_and_verified(run, rehearsed):
    assert rehearsed.document["verdict"]["verified"] is True
    again = run(*rehearsed.document["verify_command"][1:])
    assert again.code == 0, again.err


@pytest.mark.timeout(900)
def test_its_gates_hold_on_the_file_alone(run, rehearsed, trained):
    gates = [part for gate in ("contract", "lineage", "parity") for part in ("--gate", gate)]
    model = rehearsed.directory / U2NETP.names.model
    checked = run("check", model, *gates, *trained.options, "--json")
    assert checked.code == 0, checked.err
    labels = [each["sample"] for each in checked.document["parity"]["outputs"]]
    assert labels == [each.label for each in U2NETP.parity.chosen(full=False)]
