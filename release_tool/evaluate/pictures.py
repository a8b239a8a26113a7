"""Reads pictures into arrays, within limits; what is in them is for others."""

import io
from typing import cast

import numpy as np
import PIL.Image

from release_tool.core.errors import InputError

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Bytes = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PICTURE_PIXELS = 40_000_000


def read_colours(content: bytes, name: str) -> Bytes:
    """Read a picture as RGB, [H, W, 3]; raises `InputError` for what is none, or too large."""
    return read_picture(content, name, "RGB")


def read_grey(content: bytes, name: str) -> Bytes:
    """Read a picture as grey levels, [H, W]; raises `InputError` for what is none, or too large."""
    return read_picture(content, name, "L")


def read_picture(content: bytes, name: str, mode: str) -> Bytes:
    """Decode a picture whose size its header has told before."""
    try:
        with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise InputError(
                    f"{name} is {picture.width}x{picture.height} pixels, "
                    f"more than {MAX_PICTURE_PIXELS} altogether"
                )
            return np.asarray(picture.convert(mode))
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise InputError(f"{name} has more than {MAX_PICTURE_PIXELS} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{name} is no picture that can be read: {error}") from error


def write_png(picture: Bytes) -> bytes:
    """Write grey levels [H, W] or RGB [H, W, 3] as a PNG, the same bytes for the same picture."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def scale(picture: Bytes, height: int, width: int) -> Bytes:
    """Give a picture another size with Pillow's bilinear filter."""
    size = (width, height)
    scaled = PIL.Image.fromarray(picture).resize(size, PIL.Image.Resampling.BILINEAR)
    return np.asarray(scaled)


def resize_linear(picture: Floats, height: int, width: int, *, black_outside: bool) -> Floats:
    """Give [H, W, C] another size: at each new centre the point between four pixels.

    No anti-aliasing: a smaller picture takes no more pixels into account. Outside of the picture
    all is black, or the edge goes on.
    """
    rows, columns = picture.shape[:2]
    around = ((1, 1), (1, 1), (0, 0))
    padded = np.pad(picture, around) if black_outside else np.pad(picture, around, mode="edge")
    top, down = between(rows, height)
    left, right = between(columns, width)
    down, right = down[:, np.newaxis, np.newaxis], right[np.newaxis, :, np.newaxis]
    tall = padded[top] * (1 - down) + padded[top + 1] * down
    return cast("Floats", tall[:, left] * (1 - right) + tall[:, left + 1] * right)


def between(old: int, new: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Floats]:
    """Say for each new centre which old pixel lies before it (one of padding), and how far on."""
    centres = (np.arange(new) + 0.5) * (old / new) - 0.5
    before = np.floor(centres).astype(np.intp)
    return before + 1, centres - before
