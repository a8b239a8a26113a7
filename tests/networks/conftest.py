"""Small networks of many kinds, each a git repository with a checkpoint of its own."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from release_tool.rehearsal.upstream import run_git
from tests.upstream.test_recognise import text_of


@dataclass(frozen=True)
class Made:
    """A repository, its checkpoint, and what `init` is told of them."""

    place: Path
    options: list[str] = field(default_factory=list)

    @property
    def upstream(self) -> Path:
        return self.place / "mynet"

    @property
    def checkpoint(self) -> Path:
        return next(self.place.glob("w.*"))

    @property
    def recipe(self) -> Path:
        return self.place / "mynet.toml"

    @property
    def sources(self) -> list[str]:
        return ["--upstream-dir", str(self.upstream), "--checkpoint", str(self.checkpoint)]

    @property
    def init(self) -> list[str]:
        """The command that writes the recipe."""
        return ["init", *self.sources, *self.options, "--out", str(self.recipe)]

    @property
    def export(self) -> list[str]:
        """The command that exports by it."""
        return ["export", *self.sources, "--recipe", str(self.recipe), "--out",
                str(self.place / "dist")]  # fmt: skip


def commit(place: Path, sources: dict[str, str], spdx: str = "MIT") -> Path:
    """Make the repository."""
    checkout = place / "mynet"
    for name, text in {"LICENSE": text_of(spdx), **sources}.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for arguments in (
        ["init", "--quiet", "--template=", "--initial-branch=main"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--no-gpg-sign", "--message=A network"],
    ):
        run_git(checkout, arguments)
    return checkout


def weights_of(checkout: Path, call: str, root: str = "") -> dict[str, torch.Tensor]:
    """Draw the weights of a network in a process of its own, as its authors would."""
    module, _, name = call.partition(":")
    script = (
        f"import sys, torch; sys.path.insert(0, {str(checkout / root)!r}); torch.manual_seed(3)\n"
        f"import {module} as m; net = eval({f'm.{name}'!r})\n"
        "torch.save(net.state_dict(), sys.argv[1])\n"
    )
    path = checkout.parent / "drawn.pth"
    subprocess.run([sys.executable, "-B", "-P", "-c", script, str(path)], check=True, timeout=120)
    drawn: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    path.unlink()
    return drawn


def save(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that makes a repository and a checkpoint."""

    def call(
        sources: dict[str, str],
        network: str,
        *options: str,
        spdx: str = "MIT",
        root: str = "",
        form: Callable[[dict[str, torch.Tensor]], bytes] = save,
        ending: str = "pth",
    ) -> Made:
        checkout = commit(tmp_path, sources, spdx)
        content = form(weights_of(checkout, network, root))
        (tmp_path / f"w.{ending}").write_bytes(content)
        named = network.partition("(")[0]
        return Made(tmp_path, ["--network", named, *options])

    return call
