"""The consumer's definitions on arrays that are worked out by hand, edges and ties among them."""

import numpy as np
import pytest

from release_tool.evaluate.aggregates import Aggregates
from release_tool.evaluate.agreement import Agreement, summarise
from release_tool.evaluate.alike import mean_error, overlap
from release_tool.evaluate.blocks import all_blocks, block_areas, qp_offsets, whole_blocks
from release_tool.evaluate.colour import from_planes, grey, normalise
from release_tool.evaluate.pictures import resize_linear
from release_tool.evaluate.variants import VARIANTS, Frame

# --- overlap and error


def test_a_pixel_is_salient_from_one_half_on():
    one, other = np.array([[0.5, 0.49]]), np.array([[0.5, 0.5]])
    assert overlap(one, other) == 0.5
    assert mean_error(one, other) == pytest.approx(0.005)


def test_two_maps_without_anything_salient_overlap_wholly():
    assert overlap(np.zeros((2, 2)), np.full((2, 2), 0.4)) == 1.0
    assert overlap(np.zeros((2, 2)), np.ones((2, 2))) == 0.0


# --- blocks


def test_whole_blocks_leave_out_what_is_over():
    saliency = np.arange(15, dtype=float).reshape(3, 5)
    assert whole_blocks(saliency, 2).tolist() == [[3.0, 5.0]]
    assert whole_blocks(saliency, 4).shape == (0, 1)


def test_all_blocks_average_at_the_edges_over_what_is_there():
    saliency = np.arange(15, dtype=float).reshape(3, 5)
    assert all_blocks(saliency, 2).tolist() == [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]


def test_a_block_is_salient_from_a_mean_of_one_half_on():
    tie = np.array([[1.0, 0.0], [1.0, 0.0]])
    below = np.array([[1.0, 0.0], [0.99, 0.0]])
    assert block_areas(tie, below, 2) == (0, 1)
    assert block_areas(tie, tie, 2) == (1, 1)
    assert block_areas(tie, tie, 64) == (0, 0)


@pytest.mark.parametrize(
    ("saliency", "strength", "offset"),
    [
        (0.5, 6, 0),
        (1.0, 6, -6),
        (0.0, 6, 6),
        (0.25, 5, 3),  # 2.5: halves away from zero
        (0.75, 5, -3),
        (0.25, 3, 2),  # 1.5
        (1.0, 40, -12),
        (0.0, 40, 12),
    ],
)
def test_qp_offsets_are_rounded_away_from_zero_and_clamped(saliency, strength, offset):
    assert qp_offsets(np.full((64, 64), saliency), strength).tolist() == [[offset]]


def test_qp_offsets_cover_the_blocks_at_the_edges():
    saliency = np.zeros((65, 130))
    saliency[64:, :] = 1.0
    assert qp_offsets(saliency).tolist() == [[6.0, 6.0, 6.0], [-6.0, -6.0, -6.0]]


# --- aggregators


def test_the_four_aggregators_of_three_frames():
    aggregates = Aggregates()
    for value, motion in ((0.2, 0.0), (0.4, 0.1), (1.0, 0.3)):
        aggregates.add(np.array([[value, 0.0]]), motion)
    maps = {name: each.tolist() for name, each in aggregates.maps().items()}
    assert maps["mean"] == [[pytest.approx(1.6 / 3), 0.0]]
    assert maps["max"] == [[1.0, 0.0]]
    # 0.2; 0.6 * 0.4 + 0.4 * 0.2 = 0.32; 0.6 * 1 + 0.4 * 0.32 = 0.728
    assert maps["ema"] == [[pytest.approx(0.728), 0.0]]
    assert maps["motion-weighted"] == [[pytest.approx((0.04 + 0.3) / 0.4), 0.0]]
    columns = aggregates.columns()["max"]
    assert columns == {"saliency_mean": 0.5, "saliency_var": 0.25}


def test_without_motion_the_weighted_aggregate_is_the_mean():
    aggregates = Aggregates()
    aggregates.add(np.array([[0.2]]), 0.0)
    aggregates.add(np.array([[0.4]]), 0.0)
    assert aggregates.maps()["motion-weighted"].tolist() == [[pytest.approx(0.3)]]


def test_an_aggregate_does_not_change_the_maps_it_was_given():
    first = np.array([[0.2]])
    aggregates = Aggregates()
    aggregates.add(first, 1.0)
    aggregates.add(np.array([[0.8]]), 1.0)
    assert first.tolist() == [[0.2]]


# --- agreement


def test_a_map_agrees_with_itself_wholly():
    saliency = np.random.default_rng(0).random((130, 70))
    agreement = Agreement()
    agreement.add(saliency, saliency, 6.0)
    assert agreement.numbers() == {
        "mean_error": 0.0, "iou": 1.0, "block_iou_16": 1.0, "block_iou_64": 1.0,
        "qp_equal_share": 1.0, "qp_largest_difference": 0.0, "qp_mean_difference": 0.0,
    }  # fmt: skip


def test_macro_is_the_mean_over_media_and_micro_counts_every_block():
    full, none = np.ones((16, 16)), np.zeros((16, 16))
    wide = np.concatenate([full, full, full], axis=1)
    half = np.concatenate([full, none, none], axis=1)
    one, other = Agreement(), Agreement()
    one.add(full, full, 6.0)
    other.add(wide, half, 6.0)
    summary = summarise([one, other])
    assert summary["block_iou_16_macro"] == pytest.approx((1 + 1 / 3) / 2)
    assert summary["block_iou_16_micro"] == pytest.approx(2 / 4)
    assert summary["iou"] == pytest.approx((1 + 1 / 3) / 2)


def test_qp_agreement_is_a_share_and_two_differences():
    one = np.zeros((64, 128))
    other = np.concatenate([np.zeros((64, 64)), np.ones((64, 64))], axis=1)
    agreement = Agreement()
    agreement.add(one, other, 6.0)
    numbers = agreement.numbers()
    assert numbers["qp_equal_share"] == 0.5
    assert numbers["qp_largest_difference"] == 12
    assert numbers["qp_mean_difference"] == 6


# --- colours and sizes


def test_limited_range_planes_become_colours():
    y = np.array([[16, 235], [126, 81]], np.uint8)
    u, v = np.array([[128]], np.uint8), np.array([[128]], np.uint8)
    colours, luma = from_planes(y, u, v)
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 1].tolist() == [1, 1, 1]
    assert luma[1, 0] == pytest.approx(110 / 219)
    red, luma = from_planes(np.full((2, 2), 63, np.uint8), np.array([[102]]), np.array([[240]]))
    chroma = ((102 - 128) / 224, (240 - 128) / 224)
    bright = (63 - 16) / 219
    expected = [
        bright + 1.5748 * chroma[1],
        max(0.0, bright - 0.1873 * chroma[0] - 0.4681 * chroma[1]),
        bright + 1.8556 * chroma[0],
    ]
    assert red[1, 1] == pytest.approx(np.clip(expected, 0, 1))


def test_chroma_is_repeated_to_odd_sizes():
    y = np.full((3, 3), 126, np.uint8)
    u = np.array([[128, 240], [128, 128]], np.uint8)
    colours, luma = from_planes(y, u, np.full((2, 2), 128, np.uint8))
    assert colours.shape == (3, 3, 3)
    assert luma.shape == (3, 3)
    assert colours[1, 2, 2] > colours[1, 1, 2]
    assert colours[0, 2, 2] == colours[1, 2, 2]


def test_luma_weighs_the_channels():
    assert grey(np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])).tolist() == [[0.2126, 0.7152]]
    assert normalise(np.array([[[0.485, 0.456, 0.631]]])).tolist() == [[[0, 0, pytest.approx(1)]]]


def test_resizing_takes_the_point_between_four_pixels_as_scikit_image_does():
    from skimage.transform import resize

    picture = np.random.default_rng(1).random((7, 10, 3))
    for size in ((4, 4), (7, 10), (13, 21)):
        for outside, mode in ((True, "constant"), (False, "edge")):
            ours = resize_linear(picture, *size, black_outside=outside)
            theirs = resize(picture, size, order=1, mode=mode, anti_aliasing=False)
            assert np.abs(ours - theirs).max() < 1e-12


def test_each_consumers_padding():
    frame = Frame(np.ones((33, 40, 3)), np.ones((33, 40)))
    by_name = {variant.name: variant for variant in VARIANTS}
    colour = by_name["own-colour"].prepare(frame, (8, 8))
    assert colour.shape == (64, 64, 3)
    assert not colour[33:].any()
    assert not colour[:, 40:].any()
    luma = by_name["own-luma"].prepare(frame, (8, 8))
    assert luma.shape == (40, 40, 3)
    assert (luma == luma[0, 0]).all()
    assert by_name["trained-colour"].prepare(frame, (8, 8)).shape == (8, 8, 3)
