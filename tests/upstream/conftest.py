"""A stand-in upstream to damage, and a writer of checkpoints that torch would never write."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from release_tool.rehearsal.upstream import StandInUpstream, make_upstream

Git = Callable[..., str]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> StandInUpstream:
    return make_upstream(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def upstream(pristine: StandInUpstream, tmp_path: Path) -> StandInUpstream:
    """Give a copy of the stand-in that a test may damage."""
    checkout = tmp_path / "upstream"
    shutil.copytree(pristine.checkout, checkout, symlinks=True)
    checkpoint = tmp_path / "u2netp.pth"
    shutil.copyfile(pristine.checkpoint, checkpoint)
    return StandInUpstream(checkout, checkpoint, pristine.recipe)


@pytest.fixture
def git(upstream: StandInUpstream) -> Git:
    def run(*arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments],
            cwd=cwd or upstream.checkout,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    return run
