"""The published pictures come out of the published network, and of nothing else."""

from dataclasses import replace

import pytest

from release_tool.core.errors import GateError, InputError
from release_tool.evaluate.replay import run_replay
from release_tool.recipes.replay import PublishedResult, ReplayBounds, ReplaySpec
from tests.evaluate.conftest import RED_OVER_BLUE, STEPS
from tests.evaluate.networks import make_network

FIRST, RESIZE, MAXIMUM, MEAN, DEVIATION = STEPS


def test_the_published_network_makes_the_published_pictures(published):
    report = run_replay(published.model, published.spec, published.files)
    report.require()
    assert report.passed
    assert report.mean_error < 1e-3
    assert all(each.levels <= 1 for each in report.pictures)
    assert "3 published results made again" in str(report)


@pytest.mark.parametrize(
    "steps",
    [
        ("channels BGR", RESIZE, MAXIMUM, MEAN, DEVIATION),
        ("channels GBR", RESIZE, MAXIMUM, MEAN, DEVIATION),
        (FIRST, "resize antialiased 24x32", MAXIMUM, MEAN, DEVIATION),
        (FIRST, RESIZE, MEAN, DEVIATION),
        (FIRST, RESIZE, MAXIMUM, "subtract 0.485 0.466 0.406", DEVIATION),
        (FIRST, RESIZE, MAXIMUM, MEAN, "divide 0.239 0.224 0.225"),
    ],
)
def test_another_preparation_is_noticed(published, steps):
    with pytest.raises(GateError, match="the replay does not hold"):
        run_replay(published.model, published.prepared(*steps), published.files).require()


def test_another_network_is_refused_and_the_worst_picture_named(published, tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(make_network(tuple(reversed(RED_OVER_BLUE))))
    report = run_replay(other, published.spec, published.files)
    worst = max(report.pictures, key=lambda each: each.mean_error)
    with pytest.raises(GateError, match=f"the worst picture is {worst.picture} with") as caught:
        report.require()
    assert "--no-replay" in str(caught.value.hint)


def test_each_bound_is_held_by_itself(published):
    report = run_replay(published.model, published.spec, published.files)
    worse = replace(report.pictures[0], mean_error=0.1)
    assert "mean error" in replace(report, pictures=(worse,)).broken[0]
    worse = replace(report.pictures[0], iou=0.98)
    assert replace(report, pictures=(worse,)).broken == ("IoU 0.9800 of 0.png, at least 0.99",)
    worse = replace(report.pictures[0], levels=2)
    assert replace(report, pictures=(worse,)).broken == ("2 grey levels of 0.png, at most 1",)
    jpeg = replace(worse, is_lossless=False)
    assert replace(report, pictures=(jpeg,), bounds=ReplayBounds()).passed


def test_a_map_without_range_is_black_and_no_division_by_nothing(published, tmp_path):
    flat = tmp_path / "flat.onnx"
    flat.write_bytes(make_network((0, 0, 0)))
    report = run_replay(flat, published.spec, published.files)
    assert not report.passed


def test_a_picture_that_is_none_is_said_so(published):
    broken = dict.fromkeys(published.files, b"GIF89a")
    with pytest.raises(InputError, match=r"pictures/0.png is no picture"):
        run_replay(published.model, published.spec, broken)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no model", "is no model that runs"),
        (make_network((1.0,), channels=1), "takes tensor"),
        (make_network(shape=("H", "W", "D")), "is no (model|saliency network)"),
    ],
)
def test_a_model_of_another_interface_is_refused(published, tmp_path, content, words):
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        run_replay(path, published.spec, published.files)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preparation": ("resize linear 3x3",)}, "begins with their channels"),
        ({"preparation": ("channels RGB", "resize cubic 3x3")}, "not a step: 'resize cubic"),
        ({"preparation": ("channels RGBA",)}, "not a step"),
        ({"preparation": ("channels RGB", "subtract 1 2")}, "not a step"),
        ({"restoration": ("range 0 1",)}, "results end with"),
        ({"results": ()}, "needs a published result"),
    ],
)
def test_a_recipe_with_an_unknown_step_is_refused(published, changes, words):
    with pytest.raises(InputError, match=words):
        replace(published.spec, **changes)


def test_a_published_result_lies_inside_of_the_checkout(published):
    digest = published.spec.results[0].picture_sha256
    with pytest.raises(InputError, match="inside the upstream tree"):
        PublishedResult("../a.png", digest, "b.png", digest)


def test_a_recipe_names_every_file_that_a_replay_needs(published):
    assert isinstance(published.spec, ReplaySpec)
    assert dict(published.spec.files).keys() == published.files.keys()
