"""Compares two models, or the ways to run one, over pictures and clips.

Each frame goes through every model and variant before the next is read, so memory does not grow
with the media. What one picture fails at is recorded and the others go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from release_tool.core.errors import GateError, InputError
from release_tool.core.progress import Progress
from release_tool.evaluate import memory
from release_tool.evaluate.aggregates import Aggregates
from release_tool.evaluate.agreement import Agreement
from release_tool.evaluate.blocks import DEFAULT_STRENGTH
from release_tool.evaluate.masks import judge, read_mask
from release_tool.evaluate.media import Medium
from release_tool.evaluate.network import Network
from release_tool.evaluate.pictures import Floats
from release_tool.evaluate.variants import VARIANTS, Frame, Size, Variant

Way = tuple[str, str]
"""Which model, candidate or incumbent, and the name of the variant."""

Keep = Callable[[Medium, Frame, Mapping[Way, Floats]], None]


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How models are compared; `masks_from` is the data set of the masks."""

    trained: Size = (320, 320)
    variants: tuple[Variant, ...] = VARIANTS
    strength: float = DEFAULT_STRENGTH
    masks_from: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """What one run took, of which model and at which size."""

    model: str
    size: Size
    cost: memory.Cost


@dataclass(slots=True)
class MediumResult:
    """What was measured of one medium."""

    medium: Medium
    size: Size = (0, 0)
    frames: int = 0
    mask: str | None = None
    columns: dict[Way, dict[str, dict[str, float]]] = field(default_factory=dict)
    truth: dict[Way, dict[str, float]] = field(default_factory=dict)
    agreements: dict[tuple[Way, Way], Agreement] = field(default_factory=dict)
    problems: dict[Way, str] = field(default_factory=dict)
    left_out: dict[Way, str] = field(default_factory=dict)


class Comparison:
    """One comparison under way: the models, how they are run, and what was measured."""

    def __init__(
        self, networks: Mapping[str, Network], settings: ComparisonSettings, keep: Keep
    ) -> None:
        self.networks = networks
        self.settings = settings
        self.keep = keep
        self.ways = [(model, each.name) for model in networks for each in settings.variants]
        self.pairs = list(self.make_pairs())
        self.variants = {each.name: each for each in settings.variants}
        self.results: list[MediumResult] = []
        self.runs: list[NetworkRun] = []
        self.per_pixel: dict[str, float] = {}

    def make_pairs(self) -> list[tuple[Way, Way]]:
        """Pair the variants of one model, and the same variant of both."""
        return [
            (one, other)
            for one, other in combinations(self.ways, 2)
            if one[0] == other[0] or one[1] == other[1]
        ]

    def run(self, media: tuple[Medium, ...], masks: Mapping[str, Path], progress: Progress) -> None:
        """Measure every medium; raises `InputError` for one that cannot be read."""
        for name, network in self.networks.items():
            self.calibrate(name, network)
        with progress.bar("compare", len(media)) as advance:
            for medium in media:
                self.results.append(self.measure(medium, masks.get(medium.path.stem)))
                advance(1)

    def calibrate(self, name: str, network: Network) -> None:
        """Find out what a pixel takes, by a run at the size that is sure to fit."""
        size = network.fixed_size or self.settings.trained
        grey = np.zeros((*size, 3))
        network.run(grey)
        with memory.measured() as cost:
            network.run(grey)
        self.per_pixel[name] = cost.memory_bytes / (size[0] * size[1])

    def measure(self, medium: Medium, mask: Path | None) -> MediumResult:
        """Run one medium every way, and compare what comes out."""
        result = MediumResult(medium)
        aggregates: dict[Way, Aggregates] = {way: Aggregates() for way in self.ways}
        before: Floats | None = None
        first: Frame | None = None
        for frame in medium.frames():
            first = first or frame
            if frame.size != first.size:
                raise InputError(f"the frames of {medium.path.name} are not of one size")
            motion = 0.0 if before is None else float(np.abs(frame.luma - before).mean())
            before = frame.luma
            maps = self.run_frame(frame, result)
            for way, saliency in maps.items():
                aggregates[way].add(saliency, motion)
            self.add_agreements(maps, result)
            result.frames += 1
        if first is None:
            raise InputError(f"{medium.path.name} has no frame")
        result.size = first.size
        complete = {way: each for way, each in aggregates.items() if each.frames == result.frames}
        result.columns = {way: each.columns() for way, each in complete.items()}
        maps = {way: each.maps()["mean"] for way, each in complete.items()}
        if mask is not None:
            self.judge(result, maps, mask)
        self.keep(medium, first, maps)
        return result

    def run_frame(self, frame: Frame, result: MediumResult) -> dict[Way, Floats]:
        """Return the map of each way that this frame can be run."""
        maps = {}
        for way in self.ways:
            if way in result.problems or way in result.left_out:
                continue
            network, variant = self.networks[way[0]], self.variants[way[1]]
            trained = network.fixed_size or self.settings.trained
            size = variant.input_size(frame.size, trained)
            reason = self.reason_against(way[0], network, size)
            if reason is not None:
                result.left_out[way] = reason
                continue
            try:
                with memory.measured() as cost:
                    maps[way] = variant.run(network, frame, trained)
            except GateError as error:
                result.problems[way] = error.message
                continue
            self.runs.append(NetworkRun(way[0], size, cost))
        return maps

    def reason_against(self, name: str, network: Network, size: Size) -> str | None:
        """Say why a model is not run at a size, or None."""
        if network.fixed_size not in {None, size}:
            height, width = network.fixed_size or size
            return f"it takes {width}x{height} only"
        if not memory.fits(self.per_pixel[name], size[0] * size[1], memory.available_memory()):
            return f"{size[1]}x{size[0]} would need more memory than there is"
        return None

    def add_agreements(self, maps: Mapping[Way, Floats], result: MediumResult) -> None:
        """Compare the maps of one frame, pair by pair."""
        for one, other in self.pairs:
            if one in maps and other in maps:
                agreement = result.agreements.setdefault((one, other), Agreement())
                agreement.add(maps[one], maps[other], self.settings.strength)

    def judge(self, result: MediumResult, maps: Mapping[Way, Floats], path: Path) -> None:
        """Hold the maps against the medium's mask."""
        mask, digest = read_mask(path, result.size)
        result.mask = digest.hex
        result.truth = {way: judge(saliency, mask) for way, saliency in maps.items()}
