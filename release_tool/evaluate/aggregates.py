"""One map of the maps of a clip's frames, by each of the consumer's aggregators, frame by frame.

No frame is kept: a clip takes as much memory as its aggregates, however long it is.
"""

import numpy as np

from release_tool.evaluate.pictures import Floats

AGGREGATORS = ("mean", "max", "ema", "motion-weighted")
EMA_OF_THE_CURRENT = 0.6


class Aggregates:
    """The four aggregates of the frames so far.

    A frame's weight by motion is the mean luma difference to the frame before. The first has
    none; where nothing moves at all the aggregate is the mean.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.weight = 0.0
        self.sum: Floats = np.zeros(0)
        self.max: Floats = np.zeros(0)
        self.ema: Floats = np.zeros(0)
        self.moved: Floats = np.zeros(0)

    def add(self, saliency: Floats, motion: float) -> None:
        """Add the map of the next frame [H, W], and how much it differs from the one before."""
        if self.frames == 0:
            self.sum, self.max, self.ema = saliency.copy(), saliency.copy(), saliency.copy()
            self.moved = saliency * motion
        else:
            self.sum += saliency
            self.max = np.maximum(self.max, saliency)
            self.ema += EMA_OF_THE_CURRENT * (saliency - self.ema)
            self.moved += saliency * motion
        self.frames += 1
        self.weight += motion

    def maps(self) -> dict[str, Floats]:
        """Return the aggregates by name."""
        mean = self.sum / self.frames
        moved = self.moved / self.weight if self.weight > 0 else mean
        return dict(zip(AGGREGATORS, (mean, self.max, self.ema, moved), strict=True))

    def columns(self) -> dict[str, dict[str, float]]:
        """Return the consumer's columns of each aggregate: mean and variance of the map."""
        return {
            name: {"saliency_mean": float(each.mean()), "saliency_var": float(each.var())}
            for name, each in self.maps().items()
        }
