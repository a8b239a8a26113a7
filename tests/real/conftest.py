"""The audited upstream and the trained network, each got once: from the network, by its pins."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release_tool.cli.sourcing import open_cache
from release_tool.recipes.u2netp import U2NETP
from release_tool.upstream.checkout import open_checkout
from release_tool.upstream.sources import fetch_checkout
from tests.real.weights import encode_checkpoint, fetch_onnx, make_network, unfold


@dataclass(frozen=True)
class Trained:
    """Upstream's checkout, the network as the package has it, and its weights unfolded."""

    checkout: Path
    onnx: bytes
    checkpoint: Path

    @property
    def options(self) -> list[str]:
        """The options of a command that takes both."""
        sources = ["--upstream-dir", str(self.checkout), "--checkpoint", str(self.checkpoint)]
        return [*sources, "--unpinned-checkpoint"]


@pytest.fixture(scope="session")
def upstream_dir() -> Path:
    """Give the checkout that UPSTREAM_DIR names, else the one in the cache, fetched if need be."""
    given = os.environ.get("UPSTREAM_DIR")
    if given:
        return Path(given).absolute()
    cache = os.environ.get("RELEASE_TOOL_CACHE")
    return fetch_checkout(U2NETP, open_cache(Path(cache) if cache else None), os.environ)


@pytest.fixture(scope="session")
def trained(upstream_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("trained")
    content = fetch_onnx(place)
    network = make_network(open_checkout(upstream_dir, U2NETP), U2NETP)
    checkpoint = place / "u2netp.pth"
    checkpoint.write_bytes(encode_checkpoint(unfold(content, network)))
    return Trained(upstream_dir, content, checkpoint)


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsed release: where it lies, and what the command printed with `--json`."""

    directory: Path
    document: dict[str, Any]


def rehearse(directory: Path, *options: str) -> Rehearsed:
    """Rehearse the whole chain in a process of its own."""
    command = [sys.executable, "-P", "-m", "release_tool", "rehearse", "--out", str(directory)]
    environment = {name: text for name, text in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [*command, "--json", *options], check=False, env=environment, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Rehearsed(directory, json.loads(done.stdout))


@pytest.fixture(scope="session")
def rehearsed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """Give the trained network's release."""
    return rehearse(tmp_path_factory.mktemp("rehearsed") / "dist", *trained.options)


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_children: None) -> None:
    """Measure no child here; tracing torch's import doubles its time."""
