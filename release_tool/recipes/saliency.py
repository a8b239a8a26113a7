"""The inputs on which an export of U²-Net's networks is compared with PyTorch, and the bounds."""

from release_tool.core.digest import Sha256
from release_tool.recipes.parity import ParityBounds, ParitySpec, Sample, SampleFile

# Upstream's own test pictures at the pinned commit; PNG, which every decoder reads alike.
GIRL = SampleFile(
    "test_data/test_images/girl.png",
    Sha256("b0b1984957a3a5257788c4395fda0f5f9ca2a33fcc256e71a2f2b6c5cba8702d"),
)
IM_21 = SampleFile(
    "test_data/test_images/im_21.png",
    Sha256("ed9bb4934105e527008461f29e8145938b6b9c798e88ec2bbb405e820df50411"),
)
IM_14 = SampleFile(
    "test_data/test_images/im_14.png",
    Sha256("9dabe42da608c6941b7459baafbe6a0aaf3083344cfd240e7b75b408412c7c7d"),
)


def sample(
    height: int, width: int, picture: SampleFile | None = None, *, full: bool = False
) -> Sample:
    """Return a picture scaled to some pixels, or one that is drawn."""
    files = () if picture is None else (("input", picture),)
    return Sample((("H", height), ("W", width)), files, full)


PARITY = ParitySpec(
    # Small odd sizes, the size of the training, and pictures as the consumer feeds them: at their
    # own size, or padded to a multiple of 32.
    samples=(
        sample(37, 53, IM_21),
        sample(64, 96, GIRL),
        sample(157, 251, IM_14),
        sample(267, 400, GIRL),
        sample(320, 320, IM_21),
        sample(480, 854, GIRL, full=True),
        sample(720, 1280, IM_14, full=True),
    ),
    # The trained network leaves 2 to 30 % of a picture's map undecided.
    bounds=ParityBounds(unsaturated_share=0.01),
)
