"""Files that are hashed ahead: by real processes, which die, lag behind or find nothing."""

import errno
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import contextmanager
from hashlib import sha256
from mmap import ALLOCATIONGRANULARITY
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from release_tool.core import hashers
from release_tool.core.ahead import Ahead
from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.hasher import RESULT, TASK, Orphaned, hash_all
from release_tool.core.hashers import Hashers, count_cores, hashing, pipe_of_tasks

LIMIT = 1024**5
PAGE = ALLOCATIONGRANULARITY


def hash_file(path: Path) -> tuple[Sha256, int]:
    """Hash a file here, as the program does."""
    artifact = Artifact.of_file(path, "file")
    return artifact.digest, artifact.size


def refuse(path: Path) -> tuple[Sha256, int]:
    """Stand for a process that has better things to do."""
    raise InputError(f"{path} was hashed here")


@contextmanager
def at_work(paths: Sequence[Path], count: int = 1, limit: int = LIMIT):
    """Start so many processes, whatever they are worth."""
    started = Hashers([str(path) for path in paths], limit)
    try:
        started.start(count)
        yield started
    finally:
        started.stop()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.onnx" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(os.urandom(number * 100_000 + 1))
    return paths


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A file that takes ten minutes to hash and no room."""
    path = tmp_path / "sparse.onnx"
    with path.open("wb") as stream:
        stream.truncate(1024**4)
    return path


def descriptors() -> list[str]:
    """List this process's open descriptors."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def wait_for_all(started: Hashers) -> None:
    """Wait until the processes have found nothing left to do."""
    for process in started.processes:
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def wait_for_the_first(started: Hashers) -> None:
    """Wait until a process has taken the first file off the list."""
    left = len(started.paths) * TASK.size
    while left == len(started.paths) * TASK.size:
        answer = fcntl.ioctl(started.tasks, termios.FIONREAD, bytes(4))
        left = int.from_bytes(answer, sys.byteorder)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_digests_and_sizes_are_those_of_the_files_in_whatever_order_they_are_asked(files, count):
    with at_work(files, count) as started:
        ahead = Ahead(started, hash_file)
        for path in (*files[::-1], *files):
            assert ahead.hash(path) == hash_file(path)


def test_a_process_hashes_what_nobody_here_has_hashed(files):
    with at_work(files) as started:
        wait_for_all(started)
        ahead = Ahead(started, refuse)
        assert [ahead.hash(path)[0] for path in files] == [hash_file(path)[0] for path in files]


def test_who_asks_lends_a_hand_while_the_processes_are_busy(sparse, files):
    here: list[Path] = []

    def note(path: Path) -> tuple[Sha256, int]:
        here.append(path)
        return hash_file(path)

    with at_work([sparse, *files]) as started:
        wait_for_the_first(started)
        Ahead(started, note).hash(files[-1])
    assert here == files


def test_a_file_that_nobody_was_told_of_is_hashed_here(files):
    with at_work(files[:3]) as started:
        assert Ahead(started, hash_file).hash(files[5]) == hash_file(files[5])


def test_an_error_over_one_file_is_not_told_of_another(sparse, files, tmp_path):
    missing = tmp_path / "missing"
    with at_work([sparse, missing, files[0]]) as started:
        wait_for_the_first(started)
        ahead = Ahead(started, hash_file)
        assert ahead.hash(files[0]) == hash_file(files[0])
        with pytest.raises(InputError, match="missing: no such file"):
            ahead.hash(missing)


@pytest.mark.parametrize("count", [0, 1])
def test_what_no_process_can_hash_ends_in_its_own_error(tmp_path, files, count):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").write_bytes(b"")
    odd = [tmp_path / name for name in ("none", "directory", "fifo", "loop", "\0")]
    with at_work([*odd[:4], tmp_path / "empty", files[0]], count) as started:
        ahead = Ahead(started, hash_file)
        for path in odd:
            with pytest.raises(InputError):
                ahead.hash(path)
        assert ahead.hash(tmp_path / "empty") == (Sha256.of_bytes(b""), 0)
        assert ahead.hash(files[0]) == hash_file(files[0])


def test_a_file_beyond_the_limit_is_left_to_who_asks(files):
    with at_work(files, limit=500_000) as started:
        wait_for_all(started)
        with pytest.raises(InputError, match="was hashed here"):
            Ahead(started, refuse).hash(files[6])
        assert Ahead(started, hash_file).hash(files[6]) == hash_file(files[6])


def test_processes_that_die_are_not_missed(files):
    with at_work(files, 2) as started:
        for process in started.processes:
            os.kill(process, signal.SIGKILL)
        ahead = Ahead(started, hash_file)
        assert [ahead.hash(path) for path in files] == [hash_file(path) for path in files]


def test_a_process_that_dies_over_a_file_leaves_it_to_who_asks(sparse, files):
    with at_work([sparse, *files]) as started:
        wait_for_the_first(started)
        os.kill(started.processes[0], signal.SIGKILL)
        ahead = Ahead(started, hash_file)
        sparse.write_bytes(b"small")
        assert ahead.hash(sparse) == (Sha256.of_bytes(b"small"), 5)


def test_a_file_that_shrinks_under_a_process_is_hashed_as_it_is(sparse, files):
    with at_work([sparse, *files]) as started:
        wait_for_the_first(started)
        sparse.write_bytes(b"small")
        ahead = Ahead(started, hash_file)
        assert ahead.hash(sparse) == (Sha256.of_bytes(b"small"), 5)
        assert [ahead.hash(path) for path in files] == [hash_file(path) for path in files]


def test_the_processes_end_with_the_block_whatever_they_are_at(sparse, files, monkeypatch):
    monkeypatch.setattr(hashers, "count_cores", lambda: 3)
    before = descriptors()
    with hashing([str(path) for path in (sparse, *files)], LIMIT) as started:
        assert started is not None
        wait_for_the_first(started)
        processes = started.processes
        assert len(processes) == 2
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert descriptors() == before


def test_the_processes_end_when_who_started_them_is_killed(sparse):
    script = (
        "import sys, time\n"
        "from release_tool.core.hashers import Hashers\n"
        "started = Hashers(sys.argv[1:], 2**60)\n"
        "started.start(1)\n"
        "print(started.processes[0], flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-P", "-c", script, str(sparse)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select([process], [], [], 30)[0]
    os.close(process)


def test_a_process_is_told_no_secret_and_believes_no_environment(
    monkeypatch: pytest.MonkeyPatch, sparse
):
    monkeypatch.setenv("GH_TOKEN", "a-secret-token")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nonexistent")
    with at_work([sparse]) as started:
        wait_for_the_first(started)  # before that, it may not have any yet
        place = Path(f"/proc/{started.processes[0]}")
        environment = (place / "environ").read_bytes()
        command = (place / "cmdline").read_bytes().split(b"\0")
        limits = (place / "limits").read_text()
    assert [item.partition(b"=")[0] for item in environment.split(b"\0")] == [
        b"LD_LIBRARY_PATH",
        b"",
    ]
    assert command[1:3] == [b"-I", b"-S"]
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_a_process_that_is_interrupted_says_nothing(sparse, capfd):
    for _ in range(3):
        with at_work([sparse]) as started:
            wait_for_the_first(started)
            os.kill(started.processes[0], signal.SIGINT)
            wait_for_all(started)
    assert capfd.readouterr() == ("", "")


def test_more_files_than_a_pipe_holds_are_hashed_all_the_same(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    tasks = pipe_of_tasks(100_000)
    listed = 0
    while task := os.read(tasks, 65536):
        listed += len(task) // TASK.size
    os.close(tasks)
    assert 1000 < listed < 100_000
    with at_work([path], 0) as started:
        os.read(started.tasks, TASK.size)  # as if it had not gone in
        assert Ahead(started, hash_file).hash(path) == hash_file(path)


@pytest.mark.parametrize(
    ("sizes", "cores", "count"),
    [
        ([20_000_000, 20_000_000], 2, 1),
        ([20_000_000, 20_000_000], 1, 0),
        ([20_000_000, 20_000_000], 64, 2),
        ([20_000_000] * 20, 64, 7),
        ([20_000_000] * 20, 4, 3),
        ([40_000_000], 8, 1),
        ([1_000] * 20, 8, 0),
        ([9_000_000] * 4, 8, 2),
        ([], 8, 0),
    ],
)
def test_as_many_processes_are_started_as_are_worth_it(
    tmp_path, monkeypatch, sizes: list[int], cores: int, count: int
):
    monkeypatch.setattr(hashers, "count_cores", lambda: cores)
    paths = [tmp_path / f"{number}" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        with path.open("wb") as stream:
            stream.truncate(size)
    with hashing([str(path) for path in paths], LIMIT) as started:
        assert (len(started.processes) if started else 0) == count


def test_nothing_is_started_for_files_that_are_not_there_nor_without_an_interpreter(
    sparse, monkeypatch
):
    monkeypatch.setattr(hashers, "count_cores", lambda: 8)
    monkeypatch.setattr(hashers, "WORTH_BYTES", 1)
    with hashing(["/none/1", "/none/2", "\0", "/dev/zero", "/"], LIMIT) as started:
        assert started is None
    (sparse.parent / "other").write_bytes(b"x")
    both = [str(sparse), str(sparse.parent / "other")]
    with hashing(both, LIMIT) as started:
        assert started is not None
        assert started.paths == both
    monkeypatch.setattr(sys, "executable", "")
    with hashing(both, LIMIT) as started:
        assert started is None


@pytest.mark.parametrize("made", [0, 1])
def test_without_descriptors_nothing_is_started_and_none_is_lost(files, monkeypatch, made: int):
    monkeypatch.setattr(hashers, "count_cores", lambda: 8)
    monkeypatch.setattr(hashers, "WORTH_BYTES", 1)
    make, left = os.pipe, [None] * made

    def pipe() -> tuple[int, int]:
        if not left:
            raise OSError(errno.EMFILE, "too many open files")
        left.pop()
        return make()

    before = descriptors()
    monkeypatch.setattr(os, "pipe", pipe)
    with hashing([str(path) for path in files], LIMIT) as started:
        assert started is None
    assert descriptors() == before


def test_where_no_process_can_be_started_the_files_are_hashed_here(files, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with at_work(files, 3) as started:
        assert started.processes == []
        assert Ahead(started, hash_file).hash(files[3]) == hash_file(files[3])


def test_children_that_are_ignored_are_neither_waited_for_nor_killed(files):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with at_work(files) as started:
            ahead = Ahead(started, hash_file)
            assert [ahead.hash(path) for path in files] == [hash_file(path) for path in files]
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_cores_that_count_are_those_that_this_process_may_run_on(monkeypatch):
    assert count_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_cores() == 1


def said_of(paths: Sequence[Path], limit: int) -> list[tuple[int, bool, int, bytes]]:
    """Run the program's work in this process, and read what it says."""
    reading, writing = os.pipe()
    tasks = pipe_of_tasks(len(paths))
    hash_all(tasks, writing, os.getppid(), limit, [str(path) for path in paths])
    os.close(writing)
    os.close(tasks)
    with os.fdopen(reading, "rb") as stream:
        return list(RESULT.iter_unpack(stream.read()))


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(contents=[b"12345"], limit=5)
@example(contents=[b"12345"], limit=4)
@example(contents=[b"a" * PAGE + b"b" * PAGE + b"c"], limit=LIMIT)
@given(
    contents=st.lists(st.binary(max_size=200) | st.none(), min_size=1, max_size=6),
    limit=st.integers(0, 200),
)
def test_the_program_says_of_each_file_what_is_true_or_that_it_does_not_know(
    tmp_path, monkeypatch, contents, limit
):
    monkeypatch.setattr("release_tool.core.hasher.WINDOW_BYTES", PAGE)
    paths = [tmp_path / f"{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    before = descriptors()
    said = said_of(paths, limit)
    assert descriptors() == before
    for place, content in enumerate(contents):
        known = content is not None and 0 < len(content) <= limit
        size, found = (len(content), sha256(content).digest()) if known else (0, bytes(32))
        assert said[place] == (place, known, size, found)


def test_the_program_waits_for_nothing_and_believes_no_size_that_changes(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "grows").write_bytes(b"content")
    odd = [tmp_path / "fifo", Path("/dev/zero"), Path("/proc/version"), tmp_path]
    assert [known for _, known, _, _ in said_of(odd, LIMIT)] == [False] * 4
    stat = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        status = stat(descriptor)
        with (tmp_path / "grows").open("ab") as stream:
            stream.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", growing)
    assert [known for _, known, _, _ in said_of([tmp_path / "grows"], LIMIT)] == [False]


def test_the_program_ends_when_nobody_waits_for_what_it_finds(files):
    reading, writing = os.pipe()
    tasks = pipe_of_tasks(len(files))
    with pytest.raises(Orphaned):
        hash_all(tasks, writing, os.getpid(), LIMIT, [str(path) for path in files])
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        hash_all(tasks, writing, os.getppid(), LIMIT, [str(path) for path in files])
    assert os.read(tasks, TASK.size) == TASK.pack(2)
    os.close(tasks)
    os.close(writing)
