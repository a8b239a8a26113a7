"""Kill anywhere: a publication dies by SIGKILL at every request, and the next run finishes it.

One process is started for the whole module; it forks a child for each death (see `zygote.py`).
Nothing here waits for a clock: a child dies by its own hand between two requests, or by the
stand-in's while a request is held.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from release_tool.rehearsal.exchange import Disconnect

TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
REQUESTS = 19
"""How many requests a publication of three files makes; a test keeps the number."""


class Zygote:
    """The process that forks the children that die."""

    def __init__(self):
        # Who is killed while it writes down what it covered leaves a damaged record behind.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        self.process: Any = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"GH_TOKEN": TOKEN},
        )
        self.pid = 0
        self.known, self.dead = threading.Event(), threading.Event()

    def run(self, world, files, number=0, moment="none"):
        """Publish in a child; return its wait status."""
        self.known.clear()
        self.dead.clear()
        order = {
            "api": world.stand_in.api,
            "repo": world.stand_in.repo,
            "files": {name: str(path) for name, path in files.items()},
            "number": number,
            "moment": moment,
        }
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.pid = int(self.process.stdout.readline())
        self.known.set()
        status = int(self.process.stdout.readline())
        self.dead.set()
        return status

    def kill_child(self):
        """Kill the child from one of the stand-in's threads, and see it dead."""
        assert self.known.wait(30)
        os.kill(self.pid, signal.SIGKILL)
        assert self.dead.wait(30)


@pytest.fixture(scope="module")
def zygote():
    made = Zygote()
    yield made
    made.process.stdin.close()
    assert made.process.wait(30) == 0
    made.process.stdout.close()


def check_after_death(world, files, status):
    """Nothing or the whole release is visible; the next run ends with one whole release."""
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    whole = {name: path.read_bytes() for name, path in files.items()}
    seen = world.visible()
    assert seen in (None, whole)
    world.stand_in.watch = None
    published = world.publish(files)
    assert published.already == (seen is not None)
    assert world.visible() == whole
    (release,) = world.state.releases.values()
    assert {asset.state for asset in release.assets.values()} == {"uploaded"}
    assert len(release.assets) == len(files)


def test_the_number_of_requests_is_known(world, files, zygote):
    assert zygote.run(world, files) == 0
    assert len(world.stand_in.requests) == REQUESTS


@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
@pytest.mark.parametrize("moment", ["before", "answered"])
def test_a_run_killed_between_two_requests_is_finished_by_the_next(
    world, files, zygote, number, moment
):
    check_after_death(world, files, zygote.run(world, files, number, moment))


@pytest.mark.parametrize("number", range(1, REQUESTS + 1))
@pytest.mark.parametrize("moment", ["received", "performed"])
def test_a_run_killed_while_github_works_is_finished_by_the_next(
    make_world, files, zygote, number, moment
):
    """The request was sent: GitHub has not begun with it, or has done it and not answered yet."""

    def kill(seen, entry):
        if (seen, entry.number) == (moment, number):
            zygote.kill_child()
            if seen == "received":
                raise Disconnect

    world = make_world(watch=kill)
    check_after_death(world, files, zygote.run(world, files))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_killed_in_the_middle_of_an_upload_is_finished_by_the_next(
    make_world, files, zygote, number
):
    """GitHub keeps the remains of such an upload under the asset's name."""
    uploads = []

    def kill(seen, entry):
        if (seen, entry.kind) == ("halfway", "upload"):
            uploads.append(entry)
            if len(uploads) == number:
                zygote.kill_child()
                raise Disconnect

    world = make_world(watch=kill)
    status = zygote.run(world, files)
    (release,) = world.state.releases.values()
    assert [asset.state for asset in release.assets.values()].count("starter") == 1
    check_after_death(world, files, status)
