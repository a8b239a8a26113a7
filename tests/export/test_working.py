"""A network of one working size takes pictures of any size, and gives maps of theirs."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from release_tool.core.errors import InputError
from release_tool.gates.contract import check_contract
from release_tool.gates.lineage import check_lineage
from release_tool.recipes.catalog import RECIPES
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.parity import ParitySpec, Sample
from release_tool.recipes.u2netp import U2NETP
from release_tool.recipes.working import WorkingSize

SIZE = WorkingSize(48, 64)
SAMPLES = tuple(Sample((("H", height), ("W", width))) for height, width in ((48, 64), (61, 90)))


@pytest.fixture(scope="module")
def recipe(inputs):
    return replace(
        inputs.recipe, working_size=SIZE, skeletons=(), parity=ParitySpec(samples=SAMPLES)
    )


@pytest.fixture(scope="module")
def working(inputs, recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("working") / recipe.names.model
    export = inputs.export(path, recipe=recipe)
    return path, export


def run(model, picture):
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": picture.astype(np.float32)})[0]


def test_at_its_working_size_it_is_the_plain_network(working, model):
    picture = np.random.default_rng(1).normal(size=(1, 3, 48, 64))
    assert np.abs(run(working[0], picture) - run(model, picture)).max() < 1e-6


@pytest.mark.parametrize("size", [(96, 128), (37, 53), (200, 90)])
def test_elsewhere_it_is_the_plain_network_between_two_resizings(working, model, size):
    from skimage.transform import resize

    picture = np.random.default_rng(2).normal(size=(*size, 3))
    small = resize(picture, (48, 64), order=1, mode="edge", anti_aliasing=False)
    found = run(model, small.transpose(2, 0, 1)[np.newaxis])[0, 0]
    expected = resize(found, size, order=1, mode="edge", anti_aliasing=False)
    actual = run(working[0], picture.transpose(2, 0, 1)[np.newaxis])
    assert actual.shape == (1, 1, *size)
    assert np.abs(actual[0, 0] - expected).max() < 1e-4


def test_contract_lineage_and_interface_hold_as_for_the_plain_one(working, recipe, inputs):
    path, export = working
    contract = check_contract(path, recipe)
    lineage = check_lineage(path, inputs.checkpoint, recipe, skeleton=export.skeleton)
    assert lineage.tensors == lineage.in_place
    assert dict(contract.operators)["Resize"] > 2
    assert [item.name for item in onnx.load(path).graph.input] == ["input"]


def test_its_metadata_says_that_it_resizes(recipe, inputs):
    written = make_metadata(recipe, inputs.checkpoint.digest)
    conversion = next(text for key, text in written.items() if key.endswith("conversion"))
    assert "its input is resized to 64x48, linear, and its maps back" in conversion


def test_anti_aliasing_needs_a_later_opset():
    with pytest.raises(InputError, match="anti-aliasing needs opset 18, the contract's is 17"):
        replace(U2NETP, working_size=WorkingSize(320, 320, antialias=True))
    with pytest.raises(InputError, match="not a working size: 0x320"):
        WorkingSize(320, 0)


def test_the_built_in_recipe_differs_from_the_plain_one_in_names_and_size():
    plain, sized = RECIPES["u2netp"], RECIPES["u2netp-320"]
    assert sized.working_size == WorkingSize(320, 320)
    assert sized.replay == plain.replay
    assert sized.checkpoint == plain.checkpoint
    for of in (
        lambda r: r.model_id,
        lambda r: r.tag,
        lambda r: r.names.model,
        lambda r: r.skeletons,
    ):
        assert of(sized) != of(plain)
