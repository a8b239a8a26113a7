"""What a recipe says of results that upstream published: of which pictures, how made, how alike."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import check_inner_path

NUMBER = r"-?\d+(\.\d+)?"
PREPARING = {
    "channels": re.compile(r"[RGB]{3}"),
    "resize": re.compile(r"(linear|antialiased) [1-9]\d{0,3}x[1-9]\d{0,3}"),
    "maximum": re.compile(r"1"),
    "subtract": re.compile(rf"{NUMBER} {NUMBER} {NUMBER}"),
    "divide": re.compile(rf"{NUMBER} {NUMBER} {NUMBER}"),
}
"""Steps from a picture to the network's input, and what may stand behind each one's name.

`channels RGB` takes three values between 0 and 1 in this order and must come first; `resize linear
HxW` takes the point between four pixels and black outside (scikit-image's `resize` of order 1,
mode "constant", without anti-aliasing), `resize antialiased HxW` Pillow's bilinear filter; `maximum
1` divides by the largest value; `subtract` and `divide` take a number for each channel.
"""

RESTORING = {
    "range": re.compile(r"0 1"),
    "bits": re.compile(r"8"),
    "resize": re.compile(r"bilinear"),
}
"""Steps from the network's output to a picture: `range 0 1` spreads it from 0 to 1, `bits 8` makes
grey levels of it, rounded down, and `resize bilinear` gives it the picture's size (Pillow)."""


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A picture in upstream's tree and what upstream's authors got for it, both pinned."""

    picture: str
    picture_sha256: Sha256
    result: str
    result_sha256: Sha256

    def __post_init__(self) -> None:
        for path in (self.picture, self.result):
            check_inner_path(path)

    @property
    def files(self) -> tuple[tuple[str, Sha256], ...]:
        """Both files, with their digests."""
        return (self.picture, self.picture_sha256), (self.result, self.result_sha256)

    @property
    def is_lossless(self) -> bool:
        """Tell whether every decoder reads the picture alike."""
        return self.picture.lower().endswith(".png")


@dataclass(frozen=True, slots=True)
class ReplayBounds:
    """How far the pictures made again may be from the published ones.

    The mean absolute error, of a range of 1, is the mean over all pictures; the overlap (IoU) of
    what is salient from half of the range on is each picture's. Where every decoder reads the
    picture alike, no pixel may differ by more than `lossless_levels` grey levels.
    """

    # The trained U2NETP: 2.6e-4, of which other JPEG decoders are the cause; at least 0.994; and 1.
    # One digit more or less in any of ImageNet's constants makes 3 to 12 grey levels.
    mean_error: float = 5e-4
    iou: float = 0.99
    lossless_levels: int = 1


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """How upstream's published results are made again from an exported model.

    `source` says where the steps stand that were followed. Each step is a word and its arguments.
    """

    source: str
    preparation: tuple[str, ...]
    restoration: tuple[str, ...]
    results: tuple[PublishedResult, ...]
    bounds: ReplayBounds = ReplayBounds()

    def __post_init__(self) -> None:
        check_steps(self.preparation, PREPARING)
        check_steps(self.restoration, RESTORING)
        if not self.preparation or not self.preparation[0].startswith("channels "):
            raise InputError("the preparation of pictures begins with their channels")
        if self.restoration[-2:] != ("bits 8", "resize bilinear"):
            raise InputError("results end with the steps `bits 8` and `resize bilinear`")
        if not self.results:
            raise InputError("a replay needs a published result")

    @property
    def files(self) -> tuple[tuple[str, Sha256], ...]:
        """Every file of upstream's tree that is needed."""
        return tuple(file for result in self.results for file in result.files)


def check_steps(steps: Iterable[str], known: dict[str, re.Pattern[str]]) -> None:
    """Check that each step is known and has the arguments that it takes."""
    for step in steps:
        word, _, arguments = step.partition(" ")
        if word not in known or not known[word].fullmatch(arguments):
            raise InputError(f"not a step: {step[:80]!r}; there are {', '.join(known)}")
