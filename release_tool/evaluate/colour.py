"""Colours as the consumer sees them: BT.709 from planes of 8 bits, luma, and ImageNet's scale.

Source: the fork's saliency extractor and its `vmaf-tune`; ITU-R BT.709-6, limited range.
"""

from typing import cast

import numpy as np

from release_tool.evaluate.pictures import Bytes, Floats

LUMA = np.array([0.2126, 0.7152, 0.0722])
MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


def normalise(colours: Floats) -> Floats:
    """Give RGB between 0 and 1, [H, W, 3], ImageNet's mean and deviation."""
    return cast("Floats", (colours - MEAN) / DEVIATION)


def grey(colours: Floats) -> Floats:
    """Return the luma of RGB between 0 and 1, [H, W]."""
    return cast("Floats", colours @ LUMA)


def in_all_channels(luma: Floats) -> Floats:
    """Put one plane [H, W] into three channels."""
    return np.repeat(luma[..., np.newaxis], 3, axis=2)


def from_planes(y: Bytes, u: Bytes, v: Bytes) -> tuple[Floats, Floats]:
    """Turn planar 4:2:0 of limited range into RGB [H, W, 3] and luma [H, W], both in [0, 1].

    Chroma is repeated; of odd sizes the last column or row has chroma of its own.
    """
    height, width = y.shape
    luma = (y.astype(np.float64) - 16) / 219
    blue, red = (spread(plane)[:height, :width] for plane in (u, v))
    channels = (luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue)
    return np.clip(np.stack(channels, axis=2), 0, 1), np.clip(luma, 0, 1)


def spread(chroma: Bytes) -> Floats:
    """Return chroma between -0.5 and 0.5 at the size of luma, each value repeated."""
    scaled = (chroma.astype(np.float64) - 128) / 224
    return cast("Floats", scaled.repeat(2, axis=0).repeat(2, axis=1))
