"""A consumer's commands run where Windows lacks what POSIX has; what needs POSIX says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from release_tool.cli.main import COMMANDS

# Python runs this before anything of ours, so that our imports find what Windows has.
WITHOUT_POSIX = """
import os, signal, sys

ABSENT = {"fcntl", "grp", "pwd", "resource", "termios"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in ABSENT:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK",
    "killpg", "posix_spawn", "posix_spawnp", "sched_getaffinity", "setsid",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
EVERY_HELP = """
import sys
from release_tool.cli.main import COMMANDS, main
for words in ([], *([name] for name in COMMANDS)):
    try:
        main([*words, "--help"])
    except SystemExit as stop:
        assert not stop.code, words
"""
TWO_AT_ONCE = """
import sys
from pathlib import Path
from release_tool.core.errors import TryAgain
from release_tool.core.locks import LockedByName, only_one, open_lockable
from release_tool.core.names import Destination, RepoSlug, Tag
from release_tool.verify.quarantine import open_quarantine

place = Path(sys.argv[1])
release = Destination(RepoSlug.parse("a/b"), Tag.parse("v1"))
for first in (lambda: only_one(place, "at work"), lambda: open_quarantine(place, release)):
    for _ in range(2):
        with first():
            try:
                with first():
                    raise SystemExit("both have it")
            except TryAgain:
                pass
place.mkdir(exist_ok=True)
assert isinstance(open_lockable(place), LockedByName)
"""


@pytest.fixture
def python(tmp_path: Path, unmeasured_children: None):
    """Give a function that runs Python with the modules and names of POSIX taken away."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WITHOUT_POSIX)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(hook), "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_every_command_starts_without_posix(python):
    done = python("-c", EVERY_HELP)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: release-tool") == 1 + len(COMMANDS)
    assert "Traceback" not in done.stderr


def test_verify_inspect_and_check_reach_their_end_without_posix(python, rehearsed):
    verified = python("-m", "release_tool", "verify", rehearsed.model, *rehearsed.believing)
    assert verified.returncode == 0, verified.stderr
    assert "signed by" in verified.stdout
    for command in ("inspect", "check"):
        done = python("-m", "release_tool", command, rehearsed.model)
        assert done.returncode in {0, 4}, done.stderr
        assert "Traceback" not in done.stderr


def test_one_changed_byte_is_refused_without_posix(python, rehearsed, tmp_path: Path):
    model = tmp_path / rehearsed.model.name
    model.write_bytes(rehearsed.model.read_bytes() + b"x")
    bundle = rehearsed.model.with_name(f"{model.name}.sigstore.json")
    model.with_name(bundle.name).write_bytes(bundle.read_bytes())
    done = python("-m", "release_tool", "verify", model, *rehearsed.believing)
    assert done.returncode == 8, done.stderr


def test_one_run_at_a_time_works_in_a_directory_without_posix(python, tmp_path: Path):
    done = python("-c", TWO_AT_ONCE, tmp_path / "place")
    assert done.returncode == 0, done.stderr


def test_an_export_says_in_one_line_that_it_needs_posix(python, standin, tmp_path: Path):
    done = python("-m", "release_tool", "export", *standin.options, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "an export runs on Linux and macOS, not on this system" in done.stderr
    assert "Traceback" not in done.stderr
