"""Two models side by side, or the ways to run one: the numbers, and what cannot be run."""

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from release_tool.evaluate import memory
from release_tool.evaluate.report.document import evaluation_schema
from tests.evaluate.clips import make_clip
from tests.evaluate.conftest import RED_OVER_BLUE, draw_picture, encode
from tests.evaluate.networks import make_network


@pytest.fixture
def world(tmp_path):
    """Two models, three pictures with masks, and a place for the report."""
    (tmp_path / "one.onnx").write_bytes(make_network(RED_OVER_BLUE))
    (tmp_path / "other.onnx").write_bytes(make_network((-1.0, 1.0, 0.5), input_name="x"))
    for folder in ("media", "masks"):
        (tmp_path / folder).mkdir()
    for number, size in enumerate(((40, 70), (33, 31), (64, 64))):
        picture = draw_picture(number, *size)
        (tmp_path / f"media/p{number}.png").write_bytes(encode(picture))
        mask = np.where(picture[..., 0] > 90, 255, 0).astype(np.uint8)
        (tmp_path / f"masks/p{number}.png").write_bytes(encode(mask))
    return tmp_path


@pytest.fixture
def evaluate(run, world):
    def call(*options, model="one.onnx", out="report"):
        place = world / out
        sizes = ("--trained-size", "32x24")
        return run("evaluate", world / model, *options, *sizes, "--out", place, "--json")

    return call


def pair(document, one, other):
    found = [p for p in document["comparison"]["pairs"] if (p["one"], p["other"]) == (one, other)]
    assert len(found) == 1
    return found[0]


def test_a_model_against_itself_agrees_everywhere(evaluate, world):
    done = evaluate("--against", world / "one.onnx", "--media", world / "media")
    assert done.code == 0, done.err
    for name in ("own-colour", "own-luma", "trained-colour", "trained-luma"):
        found = pair(done.document, f"candidate/{name}", f"incumbent/{name}")
        assert found["summary"] == {
            "mean_error": 0, "iou": 1, "block_iou_16_macro": 1, "block_iou_16_micro": 1,
            "block_iou_64_macro": 1, "block_iou_64_micro": 1, "qp_equal_share": 1,
            "qp_largest_difference": 0, "qp_mean_difference": 0,
        }  # fmt: skip
        assert found["media"].keys() == {"p0.png", "p1.png", "p2.png"}


def test_two_models_differ_and_masks_say_which_is_better(evaluate, world):
    others = ("--against", world / "other.onnx", "--against-input", "x")
    media = ("--media", world / "media", "--masks", world / "masks")
    done = evaluate(*others, *media, "--variant", "own-colour")
    assert done.code == 0, done.err
    document = done.document
    assert pair(document, "candidate/own-colour", "incumbent/own-colour")["summary"]["iou"] < 1
    ways = {way["model"]: way for way in document["comparison"]["ways"]}
    assert ways["candidate"]["summary"]["iou"] > ways["incumbent"]["summary"]["iou"]
    assert set(ways["candidate"]["truth"]["p0.png"]) == {
        "s_measure", "e_measure", "weighted_f", "mean_error", "iou"}  # fmt: skip
    assert document["incumbent"]["input"] == "x"
    assert all(medium["mask_sha256"] for medium in document["comparison"]["media"])


def test_the_document_is_as_its_schema_says_and_the_same_twice(evaluate, world):
    clip = make_clip(world / "clip.y4m", 12)
    media = ("--media", world / "media", "--media", clip)
    documents = []
    for out in ("first", "second"):
        assert evaluate(*media, out=out).code == 0
        documents.append(json.loads((world / out / "evaluation.json").read_bytes()))
        Draft202012Validator(evaluation_schema()).validate(documents[-1])
    assert documents[0].pop("measured")["runs"]
    documents[1].pop("measured")
    assert documents[0] == documents[1]
    (found,) = [m for m in documents[0]["comparison"]["media"] if m["kind"] == "clip"]
    assert (found["width"], found["height"], found["frames"]) == (32, 24, 8)


def test_a_new_report_takes_the_place_of_the_old_one_and_of_nothing_else(evaluate, world):
    options = ("--media", world / "media", "--variant", "own-luma")
    assert evaluate(*options).code == 0
    (world / "media/p2.png").unlink()
    assert evaluate(*options).code == 0
    pictures = world / "report/evaluation-pictures"
    assert not list(pictures.glob("p2.*"))
    (pictures / "mine.txt").write_text("mine")
    done = evaluate(*options)
    assert (done.code, "is in the way" in done.err) == (3, True)
    assert (pictures / "mine.txt").read_text() == "mine"


def test_every_map_is_written_under_its_pictures_stem(evaluate, world):
    maps = world / "maps"
    done = evaluate("--media", world / "media", "--variant", "own-luma", "--maps", maps)
    assert done.code == 0, done.err
    saliency = np.load(maps / "candidate/own-luma/p1.npy")
    assert (saliency.shape, saliency.dtype) == ((33, 31), np.float32)
    assert 0 <= saliency.min() < saliency.max() <= 1


def test_a_model_of_one_size_is_run_at_that_size_alone(evaluate, world):
    (world / "fixed.onnx").write_bytes(make_network(RED_OVER_BLUE, shape=(64, 64)))
    done = evaluate("--media", world / "media", model="fixed.onnx")
    assert done.code == 0, done.err
    omitted = {(each["medium"], each["way"]): each for each in
               done.document["comparison"]["left_out"]}  # fmt: skip
    assert ("p0.png", "candidate/own-colour") in omitted
    assert ("p2.png", "candidate/own-colour") not in omitted
    assert omitted["p0.png", "candidate/own-luma"]["reason"] == "it takes 64x64 only"


def test_a_size_that_cannot_fit_is_left_out_before_it_is_run():
    assert memory.fits(1000.0, 1_000_000, 2_000_000_000)
    assert not memory.fits(1000.0, 1_000_000, 1_000_000_000)
    assert memory.fits(1000.0, 1_000_000, None)
    assert memory.available_memory() != 0


def test_what_a_run_takes_is_measured():
    with memory.measured() as cost:
        block = np.ones(8_000_000)
        block += 1
    assert cost.seconds > 0
    # Only Linux tells a process its own peak.
    assert cost.memory_bytes > 30_000_000 or not memory.STATUS.exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--against", "one.onnx"), 2, "--against needs --media"),
        (("--masks", "masks"), 2, "--masks needs --media"),
        (("--media", "media", "--variant", "own"), 2, "no variant is called 'own'"),
        (("--media", "media", "--size", "10"), 2, "not a size: '10'"),
        (("--media", "media", "--input", "x"), 3, "the input of one.onnx is input, not x"),
        (("--media", "media", "--against", "other.onnx"), 3, "other.onnx is x, not input"),
        (("--media", "none.png"), 3, "cannot read"),
        (("--media", "media", "--masks", "media/p0.png"), 2, "is a file"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    evaluate, world, monkeypatch, options, code, words
):
    monkeypatch.chdir(world)
    done = evaluate(*options)
    assert done.code == code
    assert words in done.err
    assert not (world / "report").exists()


def test_a_damaged_picture_stops_before_anything_runs(evaluate, world):
    (world / "media/p9.png").write_bytes(b"\x89PNG")
    done = evaluate("--media", world / "media")
    assert done.code == 3
    assert "p9.png is no picture" in done.err
    assert not (world / "report").exists()


def test_a_failed_run_of_one_picture_does_not_lose_the_others(evaluate, world):
    # Log of what is negative: no number where the picture is dark.
    (world / "log.onnx").write_bytes(make_network((0.5, 0.5, 0.5), 2.0, activation="Log"))
    (world / "media/bright.png").write_bytes(encode(np.full((32, 32, 3), 255, np.uint8)))
    done = evaluate("--media", world / "media", "--variant", "own-luma", model="log.onnx")
    assert done.code == 4
    assert "runs failed, the first of" in done.err
    document = json.loads((world / "report/evaluation.json").read_bytes())
    assert document["passed"] is False
    failed = {each["medium"] for each in document["comparison"]["failed"]}
    (way,) = document["comparison"]["ways"]
    assert "bright.png" in way["aggregates"]
    assert failed
    assert failed.isdisjoint(way["aggregates"])
