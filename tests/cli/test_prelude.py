"""What begins before the command line has been read."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.cli.prelude import find_models, hashing_models
from release_tool.core.digest import Sha256


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Three files of 9 MB, each in a directory."""
    paths = [tmp_path / f"release{number}" / "u2netp_mirror_v1.onnx" for number in range(3)]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(b"%d" % number * 9_000_000)
    return paths


def hashed(*arguments: str | Path) -> list[str]:
    """Tell which files are hashed for a command line before it is read."""
    with hashing_models([str(argument) for argument in arguments]) as hashers:
        return [] if hashers is None else list(hashers.paths)


def test_several_models_are_hashed_for_verify_and_for_nothing_else(models, monkeypatch):
    monkeypatch.setattr("release_tool.core.hashers.count_cores", lambda: 4)
    paths = [str(path) for path in models]
    assert hashed("verify", *paths, "--json") == paths
    assert hashed("verify", *[path.parent for path in models]) == paths
    assert hashed("verify", paths[0]) == []
    assert hashed("verify") == hashed() == []
    assert hashed("inspect", *paths) == hashed("fetch", *paths) == []


def test_a_directory_stands_for_the_one_model_in_it(models, tmp_path):
    assert find_models(str(models[0].parent)) == [str(models[0])]
    shutil.copy(models[0], models[0].with_name("other.onnx"))
    assert find_models(str(models[0].parent)) == []
    assert find_models(str(tmp_path)) == find_models("--json") == find_models("a\0b") == []


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
