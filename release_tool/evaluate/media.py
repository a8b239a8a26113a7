"""The pictures and clips of a comparison: found, opened, and read frame by frame."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import open_regular, read_limited
from release_tool.evaluate.colour import from_planes, grey
from release_tool.evaluate.pictures import MAX_PICTURE_PIXELS, Bytes, read_colours
from release_tool.evaluate.variants import Frame, Size

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
RAW = ".yuv"
MAX_PICTURE_BYTES = 64 * 1024 * 1024
MAX_MEDIA = 20_000
MAX_Y4M_HEADER = 256
SAMPLED = 8
"""Frames of a clip: every max(1, total // 8)-th, at most 8, as the fork samples them."""


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or a clip, by name and digest; `size` is needed for raw planes alone."""

    path: Path
    digest: Sha256
    size: Size | None = None

    @property
    def is_picture(self) -> bool:
        """Tell whether it is one picture."""
        return self.path.suffix.lower() in PICTURES

    def check(self) -> None:
        """Raise `InputError` where it cannot be read; a clip is looked through, not decoded."""
        if self.is_picture:
            read_colours(read_limited(self.path, MAX_PICTURE_BYTES), self.path.name)
        else:
            count_frames(self)

    def frames(self) -> Iterator[Frame]:
        """Yield its frames, sampled; raises `InputError` for what cannot be read to its end."""
        if self.is_picture:
            content = read_limited(self.path, MAX_PICTURE_BYTES)
            colours = read_colours(content, self.path.name) / 255
            yield Frame(colours, grey(colours))
        else:
            yield from sample_clip(self)


def find_media(paths: Iterable[Path], size: Size | None) -> tuple[Medium, ...]:
    """Find pictures and clips, those of a folder in the order of their names.

    Raises `InputError` where there are none, too many, or two of one name.
    """
    files = [file for path in paths for file in files_of(path)]
    if not files:
        raise InputError("there are no pictures or clips", hint="--media takes files and folders")
    if len(files) > MAX_MEDIA:
        raise InputError(f"there are {len(files)} media, more than {MAX_MEDIA}")
    stems = [file.stem for file in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(f"two media are called {twice[0]!r}: a map and a mask go by that name")
    return tuple(Medium(file, Sha256.of_file(file), size) for file in files)


def files_of(path: Path) -> list[Path]:
    """Return a file, or the pictures of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)


def sample_clip(medium: Medium) -> Iterator[Frame]:
    """Yield the sampled frames of a clip, one at a time; nothing else of it is kept."""
    total = count_frames(medium)
    step = max(1, total // SAMPLED)
    seen = taken = 0
    for number, frame in enumerate(decode(medium)):
        seen = number + 1
        if number % step == 0 and taken < SAMPLED:
            taken += 1
            yield frame_of(frame)
    if seen != total:
        raise InputError(f"{medium.path.name} is truncated: {seen} of {total} frames can be read")


def frame_of(frame: Any) -> Frame:
    """Turn a decoded frame into colours and luma."""
    planes = frame.reformat(format="yuv420p")
    height, width = planes.height, planes.width
    y, u, v = (plane_of(planes.planes[index]) for index in range(3))
    half = ((height + 1) // 2, (width + 1) // 2)
    colours, luma = from_planes(
        y[:height, :width], u[: half[0], : half[1]], v[: half[0], : half[1]]
    )
    return Frame(colours, luma)


def plane_of(plane: Any) -> Bytes:
    """Return a plane's bytes as rows, with what pads them."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)


def decode(medium: Medium) -> Iterator[Any]:
    """Decode a clip's frames in their order; raises `InputError`."""
    try:
        with open_clip(medium) as container:
            stream = container.streams.video[0]
            check_size(medium, stream.width, stream.height)
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise InputError(f"{medium.path.name} is truncated or damaged")
                yield frame
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise InputError(f"{medium.path.name} is no clip that can be read: {error}") from error


def count_frames(medium: Medium) -> int:
    """Count a clip's frames by its packets, without decoding them; raises `InputError`."""
    if medium.path.suffix.lower() == RAW:
        return count_raw(medium)
    try:
        with open_clip(medium) as container:
            stream = container.streams.video[0]
            packets = sum(1 for packet in container.demux(stream) if packet.size)
            promised = expected_frames(container, stream)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise InputError(f"{medium.path.name} is no clip that can be read: {error}") from error
    if packets == 0:
        raise InputError(f"{medium.path.name} has no frame")
    if packets < promised or is_cut(medium):
        raise InputError(f"{medium.path.name} is truncated: it has {packets} whole frames")
    return packets


def expected_frames(container: Any, stream: Any) -> int:
    """Return how many frames the header promises; of a mere duration a tenth less."""
    if stream.frames or not container.duration or not stream.average_rate:
        return int(stream.frames)
    return int(0.9 * container.duration / av.time_base * float(stream.average_rate))


def is_cut(medium: Medium) -> bool:
    """Tell whether a Y4M file of 8-bit 4:2:0 ends within a frame."""
    with open_regular(medium.path) as stream:
        head = stream.readline(MAX_Y4M_HEADER)
        rest = stream.seek(0, io.SEEK_END) - len(head)
    words = head.split()
    if words[:1] != [b"YUV4MPEG2"] or any(w[:1] == b"C" and w[1:4] != b"420" for w in words):
        return False
    if any(word.startswith((b"C420p1", b"C420p9")) for word in words):
        return False
    sizes = {word[:1]: int(word[1:]) for word in words if word[:1] in {b"W", b"H"}}
    return rest % (len(b"FRAME\n") + frame_bytes(sizes[b"H"], sizes[b"W"])) != 0


def frame_bytes(height: int, width: int) -> int:
    """Return the bytes of one frame of planar 4:2:0."""
    return height * width + 2 * ((height + 1) // 2) * ((width + 1) // 2)


def count_raw(medium: Medium) -> int:
    """Count the frames of a file that is nothing but planes."""
    if medium.size is None:
        raise InputError(f"{medium.path.name} does not say its size", hint="give --size WxH")
    height, width = medium.size
    frame = frame_bytes(height, width)
    with open_regular(medium.path) as stream:
        length = stream.seek(0, io.SEEK_END)
    if length == 0 or length % frame:
        raise InputError(
            f"{medium.path.name} is truncated, or not {width}x{height}: {length} bytes are not "
            f"whole frames of {frame}"
        )
    return length // frame


def open_clip(medium: Medium) -> Any:
    """Open a clip; raw planes need to be told their size."""
    with open_regular(medium.path):
        pass  # neither a folder, a device nor a FIFO, and never an address
    name = f"file:{medium.path.absolute()}"
    if medium.path.suffix.lower() != RAW or medium.size is None:
        return av.open(name, metadata_errors="replace")
    height, width = medium.size
    options = {"video_size": f"{width}x{height}", "pixel_format": "yuv420p"}
    return av.open(name, format="rawvideo", options=options)


def check_size(medium: Medium, width: int, height: int) -> None:
    """Refuse a clip whose frames are larger than pictures may be."""
    if width * height > MAX_PICTURE_PIXELS:
        raise InputError(
            f"{medium.path.name} is {width}x{height} pixels, more than {MAX_PICTURE_PIXELS}"
        )
