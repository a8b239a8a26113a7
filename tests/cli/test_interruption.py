"""Ctrl-C at any point from the first line on: exit code 130, one line, nothing left behind.

The signals are real; the program sends them to itself, at the nth thing that it imports.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Python runs this before anything of ours; it counts from the first import that is ours.
COUNTING = """
import atexit, os, sys

point, number, seen = int(os.environ["POINT"]), int(os.environ["NUMBER"]), 0

def count(event, given):
    global seen
    if event == "import" and (seen or given[0] == "release_tool.cli"):
        seen += 1
        if seen == point:
            os.kill(os.getpid(), number)

sys.addaudithook(count)
if not point:
    atexit.register(lambda: os.write(1, b"%d" % seen))
"""


@pytest.fixture
def stopped(tmp_path: Path):
    """Give a function that runs the program and lets a signal come at its nth import."""
    (tmp_path / "sitecustomize.py").write_text(COUNTING)

    def run(
        point: int, number: int, *arguments: str, **options
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
        paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        counted = {"PYTHONPATH": paths, "POINT": str(point), "NUMBER": str(number)}
        return subprocess.run(
            [sys.executable, "-P", "-m", "release_tool", *arguments],
            env={**kept, **counted},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return run


def test_ctrl_c_during_the_imports_ends_with_130_and_one_line(stopped):
    command = ["verify", "/nonexistent/x.onnx", "--offline", "--json"]
    whole = stopped(0, 0, *command)
    assert whole.returncode == 9
    last = int(whole.stdout.rpartition("}")[2])
    assert last > 100
    spread = [1, 2, 3, 4, *range(5, last, last // 8), last]
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for position, point in enumerate(spread):
        # The other two say nothing of Python's until they are told to.
        number = numbers[position % 3] if point > 30 else signal.SIGINT
        done = stopped(point, number, *command)
        assert done.returncode == 130, (point, done.stderr)
        said = [line for line in done.stderr.splitlines() if line.strip()]
        assert "error: interrupted" in said
        assert "Traceback" not in done.stderr
        error = json.loads(done.stdout)["error"]
        assert (error["exit_code"], error["message"]) == (130, "interrupted")


def test_what_whoever_started_us_wants_ignored_is_ignored(stopped):
    """As `nohup` and a shell's background jobs do."""

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    done = stopped(
        5, signal.SIGHUP, "verify", "/nonexistent/x.onnx", "--offline", preexec_fn=ignore
    )
    assert done.returncode == 9, done.stderr
    assert stopped(5, signal.SIGINT, "--version").stderr == "error: interrupted\n"
