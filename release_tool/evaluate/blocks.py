"""Blocks of a saliency map, as encoders use them: means, what is salient, and QP offsets.

Source: the fork's ROI materializer. A block of 16x16 is a macroblock of x264, one of 64x64 a coding
tree unit of x265, SVT-AV1 and VVenC.
"""

from typing import cast

import numpy as np

from release_tool.evaluate.alike import areas
from release_tool.evaluate.pictures import Floats

SIZES = (16, 64)
QP_BLOCK = 64
QP_LIMIT = 12
DEFAULT_STRENGTH = 6.0


def whole_blocks(saliency: Floats, size: int) -> Floats:
    """Return the mean of each whole block of [H, W]; what is over at right and bottom is left."""
    rows, columns = saliency.shape[0] // size, saliency.shape[1] // size
    cut = saliency[: rows * size, : columns * size].astype(np.float64)
    return cast("Floats", cut.reshape(rows, size, columns, size).mean(axis=(1, 3)))


def all_blocks(saliency: Floats, size: int) -> Floats:
    """Return the mean of each block of [H, W], at the edges over what is there."""
    starts = [np.arange(0, length, size) for length in saliency.shape]
    sums = np.add.reduceat(saliency.astype(np.float64), starts[0], axis=0)
    sums = np.add.reduceat(sums, starts[1], axis=1)
    heights, widths = (
        np.diff(np.append(start, length))
        for start, length in zip(starts, saliency.shape, strict=True)
    )
    return cast("Floats", sums / np.outer(heights, widths))


def block_areas(one: Floats, other: Floats, size: int) -> tuple[int, int]:
    """Count the blocks that are salient, from a mean of 0.5 on, in both maps and in either."""
    return areas(whole_blocks(one, size), whole_blocks(other, size))


def qp_offsets(saliency: Floats, strength: float = DEFAULT_STRENGTH) -> Floats:
    """Return each block's QP offset, round(-strength (2 s - 1)), halves away from zero, in ±12."""
    offsets = -strength * (2 * all_blocks(saliency, QP_BLOCK) - 1)
    rounded = np.sign(offsets) * np.floor(np.abs(offsets) + 0.5)
    return cast("Floats", np.clip(rounded, -QP_LIMIT, QP_LIMIT) + 0.0)
