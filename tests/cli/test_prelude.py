"""What begins before the command line has been read."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from release_tool.cli.interruption import SIGNALS
from release_tool.cli.main import main
from release_tool.cli.prelude import find_files, hashing_models
from release_tool.core.digest import Sha256
from release_tool.core.hashers import Hashers
from release_tool.core.limits import MODEL_LIMIT_BYTES


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Three files of 9 MB, each in a directory."""
    paths = [tmp_path / f"release{number}" / "u2netp_mirror_v1.onnx" for number in range(3)]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(b"%d" % number * 9_000_000)
    return paths


def hashed(*arguments: str | Path) -> list[str]:
    """Tell which files are hashed for the arguments of `verify` before they are read."""
    with hashing_models([str(argument) for argument in arguments]) as hashers:
        if hashers is None:
            return []
        assert hashers.limit_bytes == MODEL_LIMIT_BYTES
        return list(hashers.paths)


def test_several_models_are_hashed_and_no_small_one(models, monkeypatch):
    monkeypatch.setattr("release_tool.core.hashers.count_cores", lambda: 4)
    paths = [str(path) for path in models]
    assert hashed(*paths, "--json", "--repo", "o/r") == paths
    assert hashed(*[path.parent for path in models]) == paths
    assert hashed(paths[0]) == hashed() == []


def test_a_directory_stands_for_the_one_model_in_it(models, tmp_path):
    (models[0].parent / "notes.txt").touch()
    assert find_files(str(models[0].parent)) == [str(models[0])]
    shutil.copy(models[0], models[0].with_name("other.onnx"))
    assert find_files(str(models[0].parent)) == find_files(str(tmp_path)) == []
    assert find_files("a\0b") == ["a\0b"]


def test_what_was_hashed_before_the_command_line_was_read_is_not_hashed_again(
    rehearsed, tmp_path, monkeypatch: pytest.MonkeyPatch, capfd
):
    copy = Path(shutil.copytree(rehearsed.directory, tmp_path / "copy"))
    names = [str(rehearsed.model), str(copy / rehearsed.model.name)]

    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} was hashed again")

    monkeypatch.setattr("release_tool.verify.locate.open_regular", refuse)
    hashers = Hashers(names, MODEL_LIMIT_BYTES)
    hashers.start(1)
    os.waitid(os.P_PID, hashers.processes[0], os.WEXITED | os.WNOWAIT)
    try:
        main(["verify", *names, *rehearsed.believing, "--json"], hashers=hashers)
    finally:
        hashers.stop()
    verdicts = json.loads(capfd.readouterr().out)["verdicts"]
    assert [verdict["verified"] for verdict in verdicts] == [True, True]


@pytest.mark.parametrize("command", ["verify", "fetch", "inspect", "--help"])
def test_the_program_begins_to_hash_before_anything_is_loaded(models, monkeypatch, command: str):
    seen: list[Hashers | None] = []
    monkeypatch.setattr("release_tool.core.hashers.count_cores", lambda: 4)
    monkeypatch.setattr(sys, "argv", ["release-tool", command, *[str(path) for path in models]])

    def note(hashers: Hashers | None) -> None:
        seen.append(hashers)

    monkeypatch.setattr("release_tool.cli.main.main", note)
    before = [(told, signal.getsignal(told)) for told in SIGNALS]
    try:
        # Importing it decides what ctrl-C does, which is not for the other tests.
        import_module("release_tool.__main__").main()
    finally:
        for told, action in before:
            signal.signal(told, action)
    [hashers] = seen
    hashed = [] if hashers is None else list(hashers.paths)
    assert hashed == ([str(path) for path in models] if command == "verify" else [])


def test_each_of_several_large_models_is_judged_by_its_own_bytes(models, rehearsed):
    for path in models:
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
