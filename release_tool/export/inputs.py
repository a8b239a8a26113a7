"""Makes the parity gate's inputs: a picture scaled and normalised, or one that is drawn.

It runs in the worker only.
"""

from pathlib import Path

import numpy as np

from release_tool.core.errors import InputError

SEED = 20240112
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
MAX_PICTURE_PIXELS = 16_000_000

Image = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def read_picture(path: Path, height: int, width: int) -> Image:
    """Read an RGB picture as float32 [1, 3, height, width], scaled and normalised as ImageNet is.

    Raises `InputError` for a file that Pillow cannot read.
    """
    import PIL.Image  # noqa: PLC0415 - only recipes with pictures need Pillow

    try:
        with PIL.Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise InputError(f"{path.name} has more than {MAX_PICTURE_PIXELS} pixels")
            colours = picture.convert("RGB")
        scaled = colours.resize((width, height), PIL.Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path.name} is no picture that can be read: {error}") from error
    return normalise(np.asarray(scaled, np.float64).transpose(2, 0, 1) / 255)


def draw(height: int, width: int) -> Image:
    """Draw a seeded test image, float32 [1, 3, height, width], normalised as ImageNet is.

    Above the middle soft-edged bright ellipses on a dark gradient, to which a trained saliency
    network answers with maps that are neither all black nor all white; below it noise of the
    contrast of photographs, which does the same for weights that have learnt nothing.
    """
    random = np.random.default_rng([SEED, height, width])
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = 2 * (y + 0.5) / height, (x + 0.5) / width
    scene = np.stack([0.2 + 0.2 * x, 0.25 + 0.1 * y, 0.3 - 0.1 * x * y])
    for centre_y, centre_x, radius, softness in ((0.5, 0.45, 0.28, 8), (0.3, 0.8, 0.12, 5)):
        distance = np.hypot(y - centre_y, x - centre_x) / radius
        alpha = 1 / (1 + np.exp(np.clip(softness * (distance - 1), -60, 60)))
        colour = random.uniform(0.5, 1.0, size=(3, 1, 1))
        scene = scene * (1 - alpha) + colour * alpha
    scene = np.clip(scene + random.normal(0, 0.02, scene.shape), 0, 1)
    noise = random.normal(0, 1, (1, *scene.shape))
    image: Image = np.where(y < 1, normalise(scene), noise).astype(np.float32)
    return image


def normalise(scene: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Image:
    """Turn RGB [3, H, W] between 0 and 1 into float32 [1, 3, H, W] of ImageNet's distribution."""
    mean = np.array(IMAGENET_MEAN).reshape(3, 1, 1)
    deviation = np.array(IMAGENET_DEVIATION).reshape(3, 1, 1)
    image: Image = ((scene - mean) / deviation)[np.newaxis].astype(np.float32)
    return image
