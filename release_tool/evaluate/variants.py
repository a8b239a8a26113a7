"""The ways in which consumers run a saliency network on a frame."""

from dataclasses import dataclass

import numpy as np

from release_tool.core.errors import UsageError
from release_tool.evaluate.colour import in_all_channels, normalise
from release_tool.evaluate.network import Network
from release_tool.evaluate.pictures import Floats, resize_linear

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture or a frame of a clip: RGB [H, W, 3] and luma [H, W], between 0 and 1."""

    colours: Floats
    luma: Floats

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        height, width = self.luma.shape
        return height, width


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run: at the frame's own size or the trained one, in colour or luma alone.

    At its own size a frame is padded at right and bottom to a multiple of `multiple`: with zeros
    after normalising (`vmaf-tune`), or by repeating the edge (the C extractor).
    """

    name: str
    is_own_size: bool
    is_colour: bool
    multiple: int = 1
    repeats_edge: bool = False

    def input_size(self, size: Size, trained: Size) -> Size:
        """Return the height and width at which the network runs."""
        if not self.is_own_size:
            return trained
        height, width = (-(-length // self.multiple) * self.multiple for length in size)
        return height, width

    def prepare(self, frame: Frame, trained: Size) -> Floats:
        """Make the network's input of a frame, channels last."""
        colours = frame.colours if self.is_colour else in_all_channels(frame.luma)
        if not self.is_own_size:
            return normalise(resize_linear(colours, *trained, black_outside=False))
        height, width = self.input_size(frame.size, trained)
        more = ((0, height - frame.size[0]), (0, width - frame.size[1]), (0, 0))
        if self.repeats_edge:
            return normalise(np.pad(colours, more, mode="edge"))
        return np.pad(normalise(colours), more)

    def run(self, network: Network, frame: Frame, trained: Size) -> Floats:
        """Return the network's map of a frame, at the frame's size [H, W]."""
        found = network.run(self.prepare(frame, trained))
        height, width = frame.size
        if self.is_own_size:
            return found[:height, :width]
        back = resize_linear(found[..., np.newaxis], height, width, black_outside=False)
        return back[..., 0]


VARIANTS = (
    Variant("own-colour", is_own_size=True, is_colour=True, multiple=32),
    Variant("own-luma", is_own_size=True, is_colour=False, multiple=8, repeats_edge=True),
    Variant("trained-colour", is_own_size=False, is_colour=True),
    Variant("trained-luma", is_own_size=False, is_colour=False),
)


def choose(names: tuple[str, ...]) -> tuple[Variant, ...]:
    """Return the variants of these names, or all; raises `UsageError`."""
    known = {variant.name: variant for variant in VARIANTS}
    for name in names:
        if name not in known:
            raise UsageError(f"no variant is called {name!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) or VARIANTS
