"""Metrics against masks are the library's own, and masks pair with media."""

import numpy as np
import py_sod_metrics
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.evaluate.masks import judge, pair_masks, read_mask
from release_tool.evaluate.media import Medium
from tests.evaluate.conftest import draw_picture, encode


def test_the_metrics_are_the_librarys():
    random = np.random.default_rng(3)
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 15:40] = 255
    saliency = np.clip(mask / 255 * 0.8 + random.random(mask.shape) * 0.3, 0, 1)
    found = judge(saliency, mask)
    levels = np.rint(saliency * 255).astype(np.uint8)
    structure, absolute = py_sod_metrics.Smeasure(), py_sod_metrics.MAE()
    weighted = py_sod_metrics.WeightedFmeasure()
    for metric in (structure, absolute, weighted):
        metric.step(levels, mask)
    assert found["s_measure"] == structure.get_results()["sm"]
    assert found["mean_error"] == absolute.get_results()["mae"]
    assert found["weighted_f"] == weighted.get_results()["wfm"]
    assert found["iou"] == pytest.approx(((saliency >= 0.5) & (mask > 0)).sum()
                                         / ((saliency >= 0.5) | (mask > 0)).sum())  # fmt: skip


def test_a_perfect_map_is_perfect_by_every_metric():
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 15:40] = 255
    found = judge(mask / 255, mask)
    assert found["mean_error"] == 0
    for name in ("s_measure", "weighted_f", "iou"):
        assert found[name] == pytest.approx(1, abs=1e-6)
    assert found["e_measure"] > 0.99


def medium(path):
    return Medium(path, Sha256.of_bytes(b""))


@pytest.mark.parametrize(
    ("media", "masks", "words"),
    [
        (["a.png", "b.png"], ["a.png"], "b has no mask; 1 media and 0 masks are alone"),
        (["a.png"], ["a.png", "c.jpg"], "the mask c has no picture"),
    ],
)
def test_media_and_masks_that_do_not_pair_are_refused(tmp_path, media, masks, words):
    for name in masks:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=words):
        pair_masks(tmp_path, [medium(tmp_path / name) for name in media])


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(draw_picture(1, 20, 30)))
    mask, digest = read_mask(path, (20, 30))
    assert mask.shape == (20, 30)
    assert digest == Sha256.of_file(path)
    with pytest.raises(InputError, match="is 20x30 pixels, its picture 30x20"):
        read_mask(path, (30, 20))


def test_a_folder_of_masks_must_be_there(tmp_path):
    with pytest.raises(InputError, match="no folder of masks"):
        pair_masks(tmp_path / "none", [])
