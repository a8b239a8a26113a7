"""The steps that a recipe names: from a picture to the network's input, and from a map to grey."""

from collections.abc import Iterable

import numpy as np

from release_tool.evaluate.pictures import Bytes, Floats, resize_linear, scale


def prepare(colours: Bytes, steps: Iterable[str]) -> Floats:
    """Turn RGB [H, W, 3] of 8 bits into what the network takes, still with channels last."""
    prepared: Floats = colours / 255
    for step in steps:
        word, *arguments = step.split()
        prepared = take_step(prepared, word, arguments)
    return prepared


def take_step(picture: Floats, word: str, arguments: list[str]) -> Floats:
    """Take one step of the preparation, as `recipes.replay` describes them."""
    if word == "channels":
        return picture[..., ["RGB".index(channel) for channel in arguments[0]]]
    if word == "resize":
        height, width = map(int, arguments[1].split("x"))
        if arguments[0] == "linear":
            return resize_linear(picture, height, width, black_outside=True)
        levels = np.rint(picture * 255).astype(np.uint8)
        return scale(levels, height, width) / 255
    if word == "maximum":
        return picture / max(float(picture.max()), 1e-6)
    numbers = np.array([float(argument) for argument in arguments])
    changed: Floats = picture - numbers if word == "subtract" else picture / numbers
    return changed


def restore(found: Floats, steps: Iterable[str], height: int, width: int) -> Bytes:
    """Turn a map into the grey levels that upstream would have written."""
    if "range 0 1" in steps:
        least, most = float(found.min()), float(found.max())
        found = (found - least) / (most - least) if most > least else np.zeros_like(found)
    levels = np.clip(found * 255, 0, 255).astype(np.uint8)
    return scale(levels, height, width)
