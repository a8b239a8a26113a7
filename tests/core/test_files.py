"""Files appear whole or not at all, and reads have limits."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.core import files
from release_tool.core.errors import InputError, PublishError, TryAgain
from release_tool.core.files import (
    new_file,
    open_regular,
    read_limited,
    temporary_directory,
    write_whole,
)
from release_tool.core.locks import in_turn, only_one


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


def test_a_file_that_states_no_size_or_a_smaller_one_is_read_whole_and_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    content = Path("/proc/version").read_bytes()
    assert read_limited(Path("/proc/version"), len(content)) == content
    with pytest.raises(InputError, match="is larger than"):
        read_limited(Path("/proc/version"), len(content) - 1)
    (tmp_path / "grows").write_bytes(b"0123456789")
    small = (tmp_path / "grows").stat()
    (tmp_path / "grows").write_bytes(b"0123456789" * 100_000)
    monkeypatch.setattr(os, "fstat", lambda _descriptor: small)
    assert len(read_limited(tmp_path / "grows", 1_000_000)) == 1_000_000
    with pytest.raises(InputError, match="is larger than 999999 bytes"):
        read_limited(tmp_path / "grows", 999_999)


def test_a_read_error_is_reported(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        read_limited(Path("/proc/self/mem"), 10)


def test_an_operating_system_error_without_words_is_still_told():
    assert files.reason(OSError("odd")) == "odd"


def interrupt_at(step: int, act) -> int:
    """Let ctrl-C come at the nth step of Python's within `act`; return how many there were."""
    seen = 0

    def trace(frame, event, _argument):
        nonlocal seen
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return seen


@pytest.mark.parametrize("make", ["directory", "file"])
def test_ctrl_c_at_any_step_leaves_nothing_temporary(tmp_path: Path, make: str):
    place = tmp_path / "place"
    place.mkdir()

    def act() -> None:
        if make == "directory":
            with temporary_directory(place) as made:
                (made / "inner").mkdir()
        else:
            with new_file(place / "a.txt") as temporary:
                temporary.touch()

    steps = interrupt_at(0, act)
    kept = (place / "a.txt").exists()
    assert list(place.iterdir()) == [place / "a.txt"] * kept
    interrupted = 0
    for step in range(1, steps, 1 + steps // 400):
        try:
            interrupt_at(step, act)
        except KeyboardInterrupt:
            interrupted += 1
        files.remove_leftovers()  # as at the end of the process
        assert [path for path in place.iterdir() if path.name != "a.txt"] == [], step
    assert interrupted > 300
    assert not files.TEMPORARY


def test_what_an_interrupted_removal_left_goes_with_the_process_that_made_it(tmp_path: Path):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from release_tool.core import files\n"
        "made = files.temporary_directory(Path(sys.argv[1]))\n"
        "place = made.__enter__()\n"
        "remove, files.remove_tree = files.remove_tree, lambda _: os.kill(os.getpid(), 2)\n"
        "if os.fork() == 0:\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "assert place.is_dir()\n"
        "try:\n"
        "    made.__exit__(None, None, None)\n"
        "except KeyboardInterrupt:\n"
        "    assert place.is_dir()\n"
        "    files.remove_tree = remove\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(tmp_path)], check=True)
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_temporary_directories_the_error_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(InputError, match="cannot write to"), temporary_directory(tmp_path / "no"):
        pass

    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    with pytest.raises(InputError, match="no place for temporary") as caught, temporary_directory():
        pass
    assert "TMPDIR" in str(caught.value.hint)
    assert not files.TEMPORARY


def test_a_link_in_place_of_a_temporary_directory_is_removed_and_not_followed(tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    with temporary_directory(tmp_path) as made:
        made.rmdir()
        made.symlink_to("theirs")
    assert [path.name for path in tmp_path.rglob("*")] == ["theirs", "file"]


def test_a_lock_goes_with_its_process_and_leaves_only_what_came_into_the_directory(tmp_path: Path):
    place = tmp_path / "a" / "place"
    with only_one(place, "working"):
        again = only_one(place, "working")
        with pytest.raises(TryAgain, match="another process is working in"), again:
            pass
        assert place.is_dir()
    assert not place.exists()
    with only_one(place, "working"):
        (place / "file").touch()
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from release_tool.core.files import only_one\n"
        "only_one(Path(sys.argv[1]), 'working').__enter__()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(place)], check=False)
    with only_one(place, "working"):
        assert [path.name for path in place.iterdir()] == ["file"]


def test_a_lock_on_a_directory_that_was_replaced_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "place"

    def replace(*_: object) -> None:
        place.rename(tmp_path / "old")
        place.mkdir()

    monkeypatch.setattr("fcntl.flock", replace)
    with pytest.raises(TryAgain), only_one(place, "working"):
        pass


def test_whoever_waits_for_a_lock_says_so_once_and_has_it_then(tmp_path: Path):
    place = tmp_path / "a" / "place"
    said: list[str] = []
    with contextlib.ExitStack() as another:
        another.enter_context(only_one(place, "working"))

        def finish(text: str) -> None:
            said.append(text)
            another.close()
            assert not place.exists()

        with in_turn(place, finish):
            with pytest.raises(TryAgain), only_one(place, "working"):
                pass
            assert place.is_dir()
    assert said == [f"another process is at work in {place}, waiting for it to finish"]
    assert list(tmp_path.iterdir()) == []
    with in_turn(place, said.append):
        (place / "file").touch()
    assert (place / "file").exists()
    assert len(said) == 1


def test_waiting_for_a_lock_ends_at_ctrl_c(tmp_path: Path):
    with (
        only_one(tmp_path, "working"),
        pytest.raises(KeyboardInterrupt),
        in_turn(tmp_path, lambda _: os.kill(os.getpid(), signal.SIGINT)),
    ):
        pass
    with only_one(tmp_path, "working"):
        pass


def test_where_directories_cannot_be_locked_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with in_turn(tmp_path / "new", pytest.fail):
        assert (tmp_path / "new").is_dir()


def test_a_lock_on_what_is_no_directory_is_an_input_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="cannot write to"),
        in_turn(tmp_path / "file", pytest.fail),
    ):
        pass


def test_a_directory_that_goes_while_it_is_being_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place, opened, steps = tmp_path / "place", os.open, []

    def open_between(path: Path, flags: int) -> int:
        """Before the first opening and after the second it is removed by whoever had it."""
        steps.append(path)
        if len(steps) == 1:
            place.rmdir()
        descriptor = opened(path, flags)
        if len(steps) == 2:
            place.rmdir()
        return descriptor

    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr("os.open", open_between)
        with in_turn(place, said.append), pytest.raises(TryAgain), only_one(place, "working"):
            pass
    assert steps == [place] * 4
    assert len(said) == 1
    assert not place.exists()
