"""Replay: upstream's published pictures made again from the exported model.

So a model shows that it is the published network, whatever file its weights came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from release_tool.core.errors import GateError
from release_tool.core.progress import SILENT, Progress
from release_tool.evaluate.alike import mean_error, overlap
from release_tool.evaluate.network import Network
from release_tool.evaluate.pictures import Bytes, read_colours, read_grey
from release_tool.evaluate.preparing import prepare, restore
from release_tool.recipes.replay import PublishedResult, ReplayBounds, ReplaySpec

ANOTHER_NETWORK = (
    "this is not the network whose results upstream published; look at the checkpoint first. "
    "--no-replay exports it all the same, and the manifest says so"
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One published result and the picture made again, both as grey levels [H, W]."""

    result: PublishedResult
    made: Bytes
    published: Bytes

    @property
    def mean_error(self) -> float:
        """Mean absolute error, of a range of 1."""
        return mean_error(self.made / 255, self.published / 255)

    @property
    def iou(self) -> float:
        """Overlap of what is salient from half of the range on."""
        return overlap(self.made / 255, self.published / 255)

    @property
    def levels(self) -> int:
        """The largest difference, in grey levels."""
        return int(np.abs(self.made.astype(np.int16) - self.published).max())

    @property
    def name(self) -> str:
        """The picture's name."""
        return self.result.picture.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PictureReplay:
    """What was measured of one published result."""

    picture: str
    mean_error: float
    iou: float
    levels: int
    is_lossless: bool

    def __str__(self) -> str:
        return (
            f"{self.picture}: mean error {self.mean_error:.1e}, IoU {self.iou:.4f}, "
            f"largest difference {self.levels} grey levels"
        )


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How alike every picture was, and the bounds that the recipe sets."""

    pictures: tuple[PictureReplay, ...]
    bounds: ReplayBounds

    @property
    def mean_error(self) -> float:
        """The mean over all pictures."""
        return sum(each.mean_error for each in self.pictures) / len(self.pictures)

    @property
    def worst(self) -> PictureReplay:
        """The picture that is least alike."""
        return max(self.pictures, key=lambda each: (each.mean_error, -each.iou))

    @property
    def broken(self) -> tuple[str, ...]:
        """Say of each bound that does not hold what was measured."""
        bounds, found = self.bounds, []
        if self.mean_error > bounds.mean_error:
            found.append(f"mean error {self.mean_error:.1e} over all, at most {bounds.mean_error}")
        found += [
            f"IoU {each.iou:.4f} of {each.picture}, at least {bounds.iou}"
            for each in self.pictures
            if each.iou < bounds.iou
        ]
        found += [
            f"{each.levels} grey levels of {each.picture}, at most {bounds.lossless_levels}"
            for each in self.pictures
            if each.is_lossless and each.levels > bounds.lossless_levels
        ]
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Tell whether every bound holds."""
        return not self.broken

    def __str__(self) -> str:
        return (
            f"{len(self.pictures)} published results made again: mean error "
            f"{self.mean_error:.1e}, IoU at least {min(each.iou for each in self.pictures):.4f}"
        )

    def require(self) -> None:
        """Raise `GateError` where a bound does not hold, and name the worst picture."""
        if self.broken:
            worst = self.worst
            more = f" and {len(self.broken) - 1} more" if len(self.broken) > 1 else ""
            raise GateError(
                f"the replay does not hold: {self.broken[0]}{more}; the worst picture is "
                f"{worst.picture} with mean error {worst.mean_error:.1e}, IoU {worst.iou:.4f}",
                hint=ANOTHER_NETWORK,
            )


def replay_pictures(
    model: Path, spec: ReplaySpec, files: Mapping[str, bytes], progress: Progress = SILENT
) -> tuple[Replayed, ...]:
    """Make every published picture again; `files` are upstream's, by path, held to their pins."""
    network = Network.open(model)
    made = []
    with progress.bar("replay", len(spec.results)) as advance:
        for result in spec.results:
            made.append(replay_picture(network, spec, result, files))
            advance(1)
    return tuple(made)


def replay_picture(
    network: Network, spec: ReplaySpec, result: PublishedResult, files: Mapping[str, bytes]
) -> Replayed:
    """Make one published picture again."""
    colours = read_colours(files[result.picture], result.picture)
    published = read_grey(files[result.result], result.result)
    found = network.run(prepare(colours, spec.preparation))
    return Replayed(result, restore(found, spec.restoration, *published.shape), published)


def measure_replay(replayed: tuple[Replayed, ...], bounds: ReplayBounds) -> ReplayReport:
    """Say how alike the pictures are."""
    pictures = tuple(
        PictureReplay(each.name, each.mean_error, each.iou, each.levels, each.result.is_lossless)
        for each in replayed
    )
    return ReplayReport(pictures, bounds)


def run_replay(
    model: Path, spec: ReplaySpec, files: Mapping[str, bytes], progress: Progress = SILENT
) -> ReplayReport:
    """Replay a model and say how alike the pictures are; the caller decides what follows."""
    return measure_replay(replay_pictures(model, spec, files, progress), spec.bounds)
