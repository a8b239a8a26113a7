"""How far two ways to run agree, frame by frame, over a medium and over all."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from release_tool.evaluate.alike import mean_error, overlap, ratio
from release_tool.evaluate.blocks import SIZES, block_areas, qp_offsets
from release_tool.evaluate.pictures import Floats

Areas = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FrameAgreement:
    """What was measured of two maps of one frame; block areas are (in both, in either)."""

    mean_error: float
    iou: float
    blocks: tuple[Areas, ...]
    qp_equal: float
    qp_largest: float
    qp_mean: float

    @classmethod
    def of(cls, one: Floats, other: Floats, strength: float) -> "FrameAgreement":
        """Measure two maps [H, W] of one size."""
        apart = np.abs(qp_offsets(one, strength) - qp_offsets(other, strength))
        return cls(
            mean_error=mean_error(one, other),
            iou=overlap(one, other),
            blocks=tuple(block_areas(one, other, size) for size in SIZES),
            qp_equal=float((apart == 0).mean()),
            qp_largest=float(apart.max()),
            qp_mean=float(apart.mean()),
        )


@dataclass(slots=True)
class Agreement:
    """The agreement over the frames of one medium."""

    frames: list[FrameAgreement] = field(default_factory=list)

    def add(self, one: Floats, other: Floats, strength: float) -> None:
        """Add two maps of the next frame."""
        self.frames.append(FrameAgreement.of(one, other, strength))

    def numbers(self) -> dict[str, float]:
        """Return the means over the frames, and the largest difference of QP offsets."""
        frames = self.frames
        found = {
            "mean_error": mean(each.mean_error for each in frames),
            "iou": mean(each.iou for each in frames),
        }
        for place, size in enumerate(SIZES):
            found[f"block_iou_{size}"] = mean(ratio(*each.blocks[place]) for each in frames)
        return found | {
            "qp_equal_share": mean(each.qp_equal for each in frames),
            "qp_largest_difference": max(each.qp_largest for each in frames),
            "qp_mean_difference": mean(each.qp_mean for each in frames),
        }


def summarise(agreements: list[Agreement]) -> dict[str, float]:
    """Return the agreement over all media: macro, the mean of each; micro, of all blocks."""
    each = [agreement.numbers() for agreement in agreements]
    found = {"mean_error": mean(n["mean_error"] for n in each), "iou": mean(n["iou"] for n in each)}
    for place, size in enumerate(SIZES):
        blocks = [frame.blocks[place] for agreement in agreements for frame in agreement.frames]
        found[f"block_iou_{size}_macro"] = mean(n[f"block_iou_{size}"] for n in each)
        found[f"block_iou_{size}_micro"] = ratio(
            sum(b for b, _ in blocks), sum(e for _, e in blocks)
        )
    return found | {
        "qp_equal_share": mean(n["qp_equal_share"] for n in each),
        "qp_largest_difference": max(n["qp_largest_difference"] for n in each),
        "qp_mean_difference": mean(n["qp_mean_difference"] for n in each),
    }


def mean(numbers: Iterable[float]) -> float:
    """Return the mean of some numbers, of which there is one at least."""
    listed = list(numbers)
    return sum(listed) / len(listed)
