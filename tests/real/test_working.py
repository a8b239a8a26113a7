"""The trained network at its working size, at the sizes of videos."""

import json

import numpy as np
import PIL.Image
import pytest

from tests.real.conftest import rehearse

pytestmark = [
    pytest.mark.filterwarnings("ignore:.nn.functional.upsample. is deprecated:UserWarning"),
    pytest.mark.timeout(900),
]

SIZES = ((640, 480), (1280, 720), (1920, 1080))
OVERLAP = 0.97
TIMES = 3


@pytest.fixture(scope="module")
def evaluated(trained, upstream_dir, tmp_path_factory):
    """The report on its release, over one of upstream's pictures at each size."""
    from release_tool.cli.main import main

    place = tmp_path_factory.mktemp("working")
    released = rehearse(place / "dist", "--recipe", "u2netp-320", *trained.options)
    assert released.document["verdict"]["evaluation"]["result"] == "passed"
    media = place / "media"
    media.mkdir()
    for width, height in SIZES:
        picture = PIL.Image.open(upstream_dir / "test_data/test_images/boat.jpg").convert("RGB")
        resized = picture.resize((width, height), PIL.Image.Resampling.LANCZOS)
        PIL.Image.fromarray(np.asarray(resized)).save(media / f"{height}.png")
    model = place / "dist/u2netp_320_mirror_v1.onnx"
    ways = ["--variant", "own-luma", "--variant", "trained-luma"]
    main(["evaluate", str(model), "--media", str(media), *ways, "--out", str(place / "out")])
    return json.loads((place / "out/evaluation.json").read_bytes())


def test_its_map_is_that_of_the_trained_size_at_every_size(evaluated):
    (pair,) = evaluated["comparison"]["pairs"]
    assert pair["media"].keys() == {f"{height}.png" for _, height in SIZES}
    assert all(numbers["iou"] >= OVERLAP for numbers in pair["media"].values())


def test_a_large_frame_takes_little_more_than_a_small_one(evaluated):
    runs = {(run["width"], run["height"]): run for run in evaluated["measured"]["runs"]}
    large, small = runs[1920, 1080], runs[320, 320]
    assert large["seconds"] <= TIMES * small["seconds"]
    assert large["memory_bytes"] <= TIMES * small["memory_bytes"]
