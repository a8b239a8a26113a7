"""Pictures and clips are found, sampled as the consumer does, and refused where damaged."""

import tracemalloc

import numpy as np
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.evaluate.media import Medium, find_media
from tests.evaluate.clips import level, make_clip
from tests.evaluate.conftest import draw_picture, encode

SIZE = (24, 32)


def open_medium(path) -> Medium:
    return Medium(path, Sha256.of_file(path), SIZE)


@pytest.mark.parametrize("ending", ["y4m", "mkv", "yuv"])
@pytest.mark.parametrize(
    ("total", "numbers"),
    [(1, [0]), (7, [0, 1, 2, 3, 4, 5, 6]), (20, [0, 2, 4, 6, 8, 10, 12, 14])],
)
def test_every_eighth_part_of_a_clip_is_a_frame(tmp_path, ending, total, numbers):
    medium = open_medium(make_clip(tmp_path / f"clip.{ending}", total))
    medium.check()
    frames = list(medium.frames())
    levels = [round(float(frame.luma.mean()) * 219 + 16) for frame in frames]
    assert levels == [level(number) for number in numbers]
    assert {frame.size for frame in frames} == {SIZE}
    assert frames[0].colours.shape == (*SIZE, 3)


def test_odd_sizes_are_read_whole(tmp_path):
    clip = make_clip(tmp_path / "odd.yuv", 2, 33, 25)
    frames = list(Medium(clip, Sha256.of_file(clip), (25, 33)).frames())
    assert [frame.size for frame in frames] == [(25, 33)] * 2


@pytest.mark.parametrize("ending", ["y4m", "mkv", "yuv"])
def test_a_truncated_clip_is_refused(tmp_path, ending):
    whole = make_clip(tmp_path / f"clip.{ending}", 30).read_bytes()
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(whole[: len(whole) * 2 // 3 + 5])
    with pytest.raises(InputError, match=r"cut\..* is truncated"):
        open_medium(cut).check()


def test_planes_need_their_size(tmp_path):
    clip = make_clip(tmp_path / "clip.yuv", 2)
    with pytest.raises(InputError, match="does not say its size") as caught:
        Medium(clip, Sha256.of_file(clip)).check()
    assert caught.value.hint == "give --size WxH"


@pytest.mark.parametrize("name", ["text.mp4", "text.png", "text.y4m"])
def test_what_is_no_medium_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("not at all")
    with pytest.raises(InputError, match="can be read"):
        open_medium(path).check()


def test_a_picture_of_30000_pixels_a_side_is_refused_by_its_header(tmp_path):
    from PIL import Image

    path = tmp_path / "huge.png"
    Image.new("1", (30_000, 30_000)).save(path)
    with pytest.raises(InputError, match=r"huge.png (has more|is 30000x30000)"):
        open_medium(path).check()


def test_a_folder_is_its_pictures_in_order(tmp_path):
    for name in ("b.png", "a.jpg", "c.txt"):
        (tmp_path / name).write_bytes(encode(draw_picture(1, 8, 8)))
    media = find_media([tmp_path], None)
    assert [medium.path.name for medium in media] == ["a.jpg", "b.png"]


def test_two_media_of_one_stem_are_refused(tmp_path):
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="two media are called 'a'"):
        find_media([tmp_path], None)
    with pytest.raises(InputError, match="no pictures or clips"):
        find_media([], None)


def test_a_clip_of_ten_thousand_frames_takes_the_memory_of_one(tmp_path, unmeasured):
    clip = make_clip(tmp_path / "long.yuv", 10_000, 32, 24)
    medium = open_medium(clip)
    tracemalloc.start()
    try:
        total = sum(float(np.mean(frame.luma)) for frame in medium.frames())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 0
    assert peak < clip.stat().st_size / 8
