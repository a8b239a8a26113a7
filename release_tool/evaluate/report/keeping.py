"""Keeps the maps of a comparison while it runs: arrays for programs, small PNGs for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from release_tool.core.files import writable
from release_tool.evaluate.alike import SALIENT
from release_tool.evaluate.blocks import QP_BLOCK, all_blocks
from release_tool.evaluate.compare import Way
from release_tool.evaluate.media import Medium
from release_tool.evaluate.pictures import Bytes, Floats, resize_linear, write_png
from release_tool.evaluate.variants import Frame

LONGEST_SIDE = 240
PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where maps go: `pictures` holds small PNGs, `maps`, if asked for, arrays of each map."""

    pictures: Path
    maps: Path | None = None

    def keep(self, medium: Medium, frame: Frame, found: Mapping[Way, Floats]) -> None:
        """Write a medium's first frame and its maps; raises `InputError` where that cannot be."""
        stem = medium.path.stem
        with writable(self.pictures):
            self.pictures.mkdir(exist_ok=True)
            self.write(stem, PICTURE, frame.colours)
            for way, saliency in found.items():
                self.write(stem, ".".join(way), saliency[..., np.newaxis])
            for way in shown_alike(found):
                self.write(stem, f"{'.'.join(way)}.blocks", overlay(frame.colours, found[way]))
            if len(found) > 1:
                one, other = (found[way] for way in shown_alike(found))
                self.write(stem, "difference", np.abs(one - other)[..., np.newaxis])
        if self.maps is None:
            return
        with writable(self.maps):
            for way, saliency in found.items():
                place = self.maps.joinpath(*way)
                place.mkdir(parents=True, exist_ok=True)
                np.save(place / f"{stem}.npy", saliency.astype(np.float32))

    def write(self, stem: str, kind: str, picture: Floats) -> None:
        """Write one small PNG."""
        (self.pictures / f"{stem}.{kind}.png").write_bytes(write_png(shrink(picture)))


def shown_alike(found: Mapping[Way, Floats]) -> tuple[Way, ...]:
    """Choose the two ways to show side by side: both models run alike, or the first two."""
    ways = list(found)
    alike = (way for way in ways[1:] if way[1] == ways[0][1])
    return (*ways[:1], next(alike, ways[-1])) if len(ways) > 1 else tuple(ways)


def overlay(colours: Floats, saliency: Floats) -> Floats:
    """Mark the salient blocks of 64x64 in a picture: the others are darker, these have a cross."""
    salient = np.repeat(
        np.repeat(all_blocks(saliency, QP_BLOCK) >= SALIENT, QP_BLOCK, 0), QP_BLOCK, 1
    )
    height, width = saliency.shape
    inside = salient[:height, :width]
    y, x = np.mgrid[0:height, 0:width] % QP_BLOCK
    cross = inside & ((np.abs(y - x) < 3) | (np.abs(y + x - QP_BLOCK) < 3))
    marked: Floats = np.where(inside[..., np.newaxis], colours, colours * 0.35)
    marked[cross] = 1.0
    return marked


def shrink(picture: Floats) -> Bytes:
    """Return [H, W, C] between 0 and 1 in 8 bits, no side longer than `LONGEST_SIDE`."""
    height, width = picture.shape[:2]
    factor = max(1, -(-max(height, width) // LONGEST_SIDE))
    size = max(1, height // factor), max(1, width // factor)
    small = np.rint(resize_linear(picture, *size, black_outside=False) * 255)
    levels = np.clip(small, 0, 255).astype(np.uint8)
    return levels[..., 0] if levels.shape[2] == 1 else levels
