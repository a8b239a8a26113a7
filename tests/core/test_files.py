"""Files appear whole or not at all, and reads have limits."""

import errno
import os
from pathlib import Path

import pytest

from release_tool.core import files
from release_tool.core.errors import InputError, PublishError
from release_tool.core.files import new_file, open_regular, read_limited, write_whole


def test_a_file_is_written_whole_into_a_directory_that_did_not_exist(tmp_path: Path):
    write_whole(tmp_path / "new" / "a.txt", b"content")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"content"
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "a.txt"]


def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path: Path):
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    with pytest.raises(PublishError), new_file(target) as temporary:
        temporary.write_bytes(b"new")
        raise PublishError("stopped")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_interruption_leaves_no_temporary_file(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), new_file(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "advice"), [(errno.ENOSPC, "make room"), (errno.EACCES, "choose a directory")]
)
def test_a_refusal_to_write_says_where_and_what_to_do(tmp_path: Path, code: int, advice: str):
    with pytest.raises(InputError, match="cannot write to") as caught, new_file(tmp_path / "a.txt"):
        raise OSError(code, os.strerror(code))
    assert advice in str(caught.value.hint)


def test_a_directory_that_is_a_file_cannot_be_written_to(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write to"):
        write_whole(tmp_path / "file" / "a.txt", b"content")


def test_a_full_disk_is_an_input_error_and_leaves_nothing(tmp_path: Path):
    link = tmp_path / "a.txt"
    with pytest.raises(InputError, match="no space left"), new_file(link):
        Path("/dev/full").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_fifo_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="not a regular file"):
        open_regular(tmp_path / "fifo")


def test_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not a regular file"):
        open_regular(tmp_path)


def test_a_missing_file_and_a_symlink_loop_are_refused(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("loop", "missing"):
        with pytest.raises(InputError, match="cannot read"):
            open_regular(tmp_path / name)


def test_a_file_over_the_limit_is_refused(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_limited(tmp_path / "a", 5) == b"12345"
    with pytest.raises(InputError, match="larger than 4 bytes"):
        read_limited(tmp_path / "a", 4)


def test_a_read_error_is_reported(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        read_limited(Path("/proc/self/mem"), 10)


def test_an_operating_system_error_without_words_is_still_told():
    assert files.reason(OSError("odd")) == "odd"
