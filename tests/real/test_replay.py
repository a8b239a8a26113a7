"""The trained network makes upstream's published pictures again, and nothing else does."""

from dataclasses import replace

import onnx
import pytest
from onnx import numpy_helper

from release_tool.core.errors import GateError
from release_tool.evaluate.replay import ReplayReport, run_replay
from release_tool.recipes.u2netp import U2NETP
from release_tool.upstream.checkout import open_checkout

pytestmark = [
    pytest.mark.filterwarnings("ignore:.nn.functional.upsample. is deprecated:UserWarning"),
    pytest.mark.timeout(900),
]

SPEC = U2NETP.replay
assert SPEC is not None
CHANNELS, RESIZE, MAXIMUM, MEAN, DEVIATION = SPEC.preparation


@pytest.fixture(scope="module")
def replay(rehearsed, upstream_dir):
    files = open_checkout(upstream_dir, U2NETP).published

    def run(*steps: str, model=rehearsed.directory / U2NETP.names.model) -> ReplayReport:
        assert SPEC is not None
        return run_replay(model, replace(SPEC, preparation=steps or SPEC.preparation), files)

    return run


def test_the_trained_network_is_the_published_one(replay):
    report = replay()
    report.require()
    assert report.mean_error <= 5e-4
    assert len(report.pictures) == 18
    assert all(each.iou >= 0.99 for each in report.pictures)
    assert all(each.levels <= 1 for each in report.pictures if each.is_lossless)


def off_by_a_digit() -> list[tuple[str, ...]]:
    """Each of the six constants one digit more and one less, in its last place."""
    changed = []
    for place, step in ((3, MEAN), (4, DEVIATION)):
        word, *numbers = step.split()
        for channel in range(3):
            for sign in (-0.001, 0.001):
                others = list(numbers)
                others[channel] = f"{float(numbers[channel]) + sign:.3f}"
                steps = list(SPEC.preparation) if SPEC else []
                steps[place] = " ".join((word, *others))
                changed.append(tuple(steps))
    return changed


@pytest.mark.parametrize(
    "steps",
    [
        ("channels BGR", RESIZE, MAXIMUM, MEAN, DEVIATION),
        ("channels GBR", RESIZE, MAXIMUM, MEAN, DEVIATION),
        (CHANNELS, "resize antialiased 320x320", MAXIMUM, MEAN, DEVIATION),
        *off_by_a_digit(),
    ],
    ids=" ".join,
)
def test_another_preparation_fails(replay, steps):
    with pytest.raises(GateError, match="the replay does not hold"):
        replay(*steps).require()


def test_one_filter_less_fails(replay, rehearsed, tmp_path):
    model = onnx.load(rehearsed.directory / U2NETP.names.model)
    weight = next(
        item for item in model.graph.initializer if item.name == "stage1.rebnconvin.conv_s1.weight"
    )
    values = numpy_helper.to_array(weight).copy()
    values[0] = 0
    weight.raw_data = values.tobytes()
    changed = tmp_path / "changed.onnx"
    onnx.save(model, changed)
    with pytest.raises(GateError, match="the worst picture is"):
        replay(model=changed).require()
