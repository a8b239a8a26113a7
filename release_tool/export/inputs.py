"""Makes the parity gate's inputs: a picture scaled and normalised, an array, or what is drawn.

It runs in the worker only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from release_tool.core.errors import InputError
from release_tool.export.job import JobSample
from release_tool.recipes.network import InputSpec

SEED = 20240112
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
MAX_PICTURE_PIXELS = 16_000_000

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
Image = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def make_arrays(specs: Sequence[InputSpec], sample: JobSample, place: Path) -> dict[str, Array]:
    """Make the inputs of one sample, by name; `place` has the files."""
    return {spec.name: make_array(spec, i, sample, place) for i, spec in enumerate(specs)}


def make_array(spec: InputSpec, index: int, sample: JobSample, place: Path) -> Array:
    """Draw one input, or read it from its file."""
    shape = tuple(sample.axes[size] if isinstance(size, str) else size for size in spec.shape)
    file = sample.files.get(spec.name)
    if file is None:
        return draw(spec, shape, (SEED, sample.number, index))
    if spec.drawn == "image":
        picture = read_picture(place / file, shape[2], shape[3]).astype(spec.type)
        return held(np.broadcast_to(picture, (shape[0], *picture.shape[1:])), spec, shape)
    return held(read_array(place / file), spec, shape)


def held(array: Array, spec: InputSpec, shape: tuple[int, ...]) -> Array:
    """Refuse an array of another type or shape than the input's."""
    if array.dtype != spec.type or array.shape != shape:
        raise InputError(
            f"the file for {spec.name} holds {array.dtype}{list(array.shape)}, and the input is "
            f"{spec.type}{list(shape)}"
        )
    return np.ascontiguousarray(array)


def read_array(path: Path) -> Array:
    """Read an array as NumPy writes it (`.npy`), without objects; raises `InputError`."""
    try:
        with path.open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise TypeError("it is an archive of several")
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path.name} is no array that can be read: {error}") from error
    return array


def draw(spec: InputSpec, shape: tuple[int, ...], seed: tuple[int, ...]) -> Array:
    """Draw one input as the recipe says, the same on any machine."""
    random = np.random.default_rng(seed)
    drawn: Array
    match spec.drawn:
        case "image":
            drawn = draw_image(shape, random)
        case "normal":
            drawn = random.normal(0, 1, shape)
        case "uniform":
            drawn = random.uniform(spec.low, spec.high, shape)
        case _:
            drawn = random.integers(int(spec.low), int(spec.high), shape, endpoint=True)
    return np.asarray(drawn, dtype=spec.type)


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


def draw_image(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Draw a test image of any number of channels, normalised as ImageNet is where there are three.

    Above the middle soft-edged bright ellipses on a dark gradient, to which a trained saliency
    network answers with maps that are neither all black nor all white; below it noise of the
    contrast of photographs, which does the same for weights that have learnt nothing.
    """
    batch, channels, height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = 2 * (y + 0.5) / height, (x + 0.5) / width
    ground = (0.2 + 0.2 * x, 0.25 + 0.1 * y, 0.3 - 0.1 * x * y)
    scene = np.stack([ground[channel % 3] for channel in range(channels)])
    for centre_y, centre_x, radius, softness in ((0.5, 0.45, 0.28, 8), (0.3, 0.8, 0.12, 5)):
        distance = np.hypot(y - centre_y, x - centre_x) / radius
        alpha = 1 / (1 + np.exp(np.clip(softness * (distance - 1), -60, 60)))
        colour = random.uniform(0.5, 1.0, size=(channels, 1, 1))
        scene = scene * (1 - alpha) + colour * alpha
    scene = np.clip(scene + random.normal(0, 0.02, scene.shape), 0, 1)
    noise = random.normal(0, 1, (batch, *scene.shape))
    image: Array = np.where(y < 1, normalise(scene), noise)
    return image


def normalise(scene: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Image:
    """Turn [C, H, W] between 0 and 1 into float32 [1, C, H, W] of ImageNet's distribution.

    Of other than three channels the channels' mean and deviation repeat.
    """
    channels = [channel % 3 for channel in range(len(scene))]
    mean = np.array(IMAGENET_MEAN)[channels].reshape(-1, 1, 1)
    deviation = np.array(IMAGENET_DEVIATION)[channels].reshape(-1, 1, 1)
    image: Image = ((scene - mean) / deviation)[np.newaxis].astype(np.float32)
    return image
