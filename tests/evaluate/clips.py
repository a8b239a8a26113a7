"""Clips made at test time, each frame one grey level."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def level(number: int) -> int:
    """The luma of a frame, in limited range."""
    return 20 + 7 * (number % 30)


def make_clip(path: Path, frames: int, width: int = 32, height: int = 24) -> Path:
    """Write a clip whose kind its name tells: .y4m, .mkv (lossless) or .yuv (planes alone)."""
    if path.suffix == ".yuv":
        half = ((height + 1) // 2) * ((width + 1) // 2)
        with path.open("wb") as planes:
            for number in range(frames):
                planes.write(bytes([level(number)]) * (height * width) + bytes([128]) * (2 * half))
        return path
    codec = {".y4m": "wrapped_avframe", ".mkv": "ffv1"}[path.suffix]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, value in zip(frame.planes, (level(number), 128, 128), strict=True):
                plane.update(np.full(plane.buffer_size, value, np.uint8).tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
