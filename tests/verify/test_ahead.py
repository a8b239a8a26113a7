"""Files that threads hash while something else is loaded."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as running

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify import ahead
from release_tool.verify.ahead import count_cores, hashing_ahead
from release_tool.verify.locate import find_files, hash_model

SECONDS = 30


class Noting:
    """Hashes files, notes which, and does not go on with the first before it is told to."""

    def __init__(self, *, holds_first: bool = False) -> None:
        self.begun: list[Path] = []
        self.first_begun, self.may_go_on = Event(), Event()
        if not holds_first:
            self.may_go_on.set()

    def hash(self, path: Path) -> tuple[Sha256, int]:
        self.begun.append(path)
        if len(self.begun) == 1:
            self.first_begun.set()
            assert self.may_go_on.wait(SECONDS)
        return hash_model(path)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.onnx" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(os.urandom(number * 100_000 + 1))
    return paths


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "count_cores", lambda: 1)


def wait_for_threads(before: list[Thread]) -> None:
    """Wait until the threads that were started since have nothing left to do."""
    for thread in running():
        if thread not in before:
            thread.join(SECONDS)
            assert not thread.is_alive()


def test_digests_and_sizes_are_those_of_the_files_in_whatever_order_they_are_asked(files):
    with hashing_ahead(files) as hash_file:
        for path in (*files[::-1], *files):
            assert hash_file(path) == hash_model(path)


@pytest.mark.parametrize("cores", [1, 3, 64])
def test_threads_hash_each_file_once_before_anybody_asks(files, monkeypatch, cores: int):
    monkeypatch.setattr(ahead, "count_cores", lambda: cores)
    before, noting = running(), Noting()
    with hashing_ahead([*files, files[0]], noting.hash) as hash_file:
        wait_for_threads(before)
        assert sorted(noting.begun) == sorted(files)
        assert [hash_file(path) for path in files] == [hash_model(path) for path in files]
    assert len(noting.begun) == len(files)


@pytest.mark.usefixtures("one_thread")
def test_who_asks_hashes_what_no_thread_has_begun(files):
    noting = Noting(holds_first=True)
    with hashing_ahead(files, noting.hash) as hash_file:
        assert noting.first_begun.wait(SECONDS)
        assert hash_file(files[-1]) == hash_model(files[-1])
        assert noting.begun == [files[0], files[-1]]
        noting.may_go_on.set()
        assert hash_file(files[0]) == hash_model(files[0])
        assert noting.begun.count(files[0]) == 1


def test_a_file_that_was_not_named_is_hashed_when_it_is_asked_for(files):
    with hashing_ahead(files[:3]) as hash_file:
        assert hash_file(files[5]) == hash_model(files[5])


def test_what_cannot_be_hashed_ends_in_its_own_error_and_stops_no_other(tmp_path, files):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    odd = [tmp_path / name for name in ("missing", "directory", "fifo", "\0")]
    before = running()
    with hashing_ahead([*odd, *files]) as hash_file:
        wait_for_threads(before)
        for path in odd:
            reason = "null byte" if path.name == "\0" else f"cannot read {path}: "
            for _ in range(2):
                with pytest.raises(CannotVerify, match=reason):
                    hash_file(path)
        assert [hash_file(path) for path in files] == [hash_model(path) for path in files]


@pytest.mark.usefixtures("one_thread")
def test_with_the_block_a_thread_ends_after_the_file_that_it_is_at(files):
    before, noting = running(), Noting(holds_first=True)
    with hashing_ahead(files, noting.hash):
        assert noting.first_begun.wait(SECONDS)
    noting.may_go_on.set()
    wait_for_threads(before)
    assert noting.begun == files[:1]


def test_ctrl_c_waits_for_no_file_that_is_being_hashed(files):
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from release_tool.verify.ahead import hashing_ahead\n"
        "path = Path(sys.argv[1])\n"
        "with hashing_ahead([path], lambda path: time.sleep(600)) as hash_file:\n"
        "    print('begun', flush=True)\n"
        "    hash_file(path)\n"
    )
    command = [sys.executable, "-P", "-c", script, str(files[0])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith(b"KeyboardInterrupt")


def test_the_cores_that_count_are_those_that_this_process_may_run_on(monkeypatch):
    assert count_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_cores() == 1


def test_a_directory_stands_for_the_one_model_in_it(tmp_path):
    model = tmp_path / U2NETP.names.model
    assert find_files([tmp_path]) == []
    model.touch()
    (tmp_path / "notes.txt").touch()
    assert find_files([tmp_path, model]) == [model, model]
    shutil.copy(model, tmp_path / "other.onnx")
    assert find_files([tmp_path, tmp_path / "none"]) == [tmp_path / "none"]


def test_hashing_begins_before_what_judges_is_loaded():
    script = (
        "import sys, release_tool.cli.commands.verify\n"
        "print(sorted({'cryptography', 'release_tool.verify.verdict'} & {*sys.modules}))\n"
    )
    loaded = subprocess.check_output([sys.executable, "-P", "-c", script], text=True)
    assert loaded == "[]\n"


def test_each_of_several_large_models_is_judged_by_its_own_bytes(rehearsed, tmp_path):
    models = [tmp_path / f"release{number}" / rehearsed.model.name for number in range(3)]
    for number, path in enumerate(models):
        path.parent.mkdir()
        path.write_bytes(b"%d" % number * 9_000_000)
        shutil.copy(rehearsed.directory / f"{path.name}.sigstore.json", path.parent)
    names = [str(path) for path in (*models, rehearsed.model)]
    command = [sys.executable, "-P", "-m", "release_tool", "verify", *names, *rehearsed.believing]
    finished = subprocess.run(
        [*command, "--offline", "--json"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 8, finished.stderr
    verdicts = json.loads(finished.stdout)["verdicts"]
    assert [verdict["model"] for verdict in verdicts] == names
    assert [verdict["verified"] for verdict in verdicts] == [False, False, False, True]
    for verdict, path in zip(verdicts, models, strict=False):
        assert f"actual {Sha256.of_file(path)}" in verdict["reason"]
