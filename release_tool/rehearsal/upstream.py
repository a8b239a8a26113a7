"""Makes a stand-in for the upstream project: a git repository and a checkpoint, small and constant.

The network is our own and has learnt nothing. It shares no code with the stages that read it, so
that a misunderstanding of theirs is not repeated here.
"""

import io
import os
import random
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from math import prod, sqrt
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import writable, write_whole
from release_tool.core.names import CommitId, RepoSlug
from release_tool.core.programs import absolute_path
from release_tool.recipes.license import LicensePin
from release_tool.recipes.recipe import (
    Attribution,
    CheckpointPin,
    Publisher,
    Recipe,
    UpstreamPin,
)
from release_tool.recipes.saliency import sample
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.sigstore.claims import ISSUER, Claims

GIT_TIMEOUT_SECONDS = 60
COMMIT = CommitId("6f3f1ed95f4d578d36c6e2f26e942680a53d5920")
SKELETON = Sha256("f864d41c26fc39b78d01bc24194760374b9bef62f713048f3df21bdaf22d2130")
"""Of the graph that torch 2.13.0 makes of MODULE."""
OWNER_ID, REPO_ID = Claims.of("rehearsal/u2netp-mirror").ids
PUBLISHER = Publisher(
    RepoSlug("rehearsal", "u2netp-mirror"),
    "release.yml",
    ("refs/heads/main",),
    ISSUER,
    OWNER_ID,
    REPO_ID,
)
CHANNELS = 8
LEVELS = 6
SEED = 412

MODULE = '''\
"""A stand-in for U2NETP, made for rehearsals: a small nested network that has learnt nothing."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, in_ch, out_ch, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(in_ch, out_ch, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm2d(out_ch)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)))


def like(x, target):
    return F.interpolate(x, size=target.shape[2:], mode="bilinear", align_corners=False)


class U2NETP(nn.Module):
    """Six levels down, five up, a map from each, and one fused of them all."""

    def __init__(self, in_ch=3, out_ch=1):
        super().__init__()
        width, levels = 8, 6
        self.down = nn.ModuleList(
            Block(in_ch if level == 0 else width, width, 2 if level == 1 else 1)
            for level in range(levels)
        )
        self.up = nn.ModuleList(Block(2 * width, width) for _ in range(levels - 1))
        self.side = nn.ModuleList(nn.Conv2d(width, out_ch, 3, padding=1) for _ in range(levels))
        self.fuse = nn.Conv2d(levels * out_ch, out_ch, 1)
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)

    def forward(self, x):
        features = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            features.append(x)
        maps = [self.side[-1](x)]
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat((like(x, features[level]), features[level]), 1))
            maps.insert(0, self.side[level](x))
        maps = [maps[0]] + [like(each, maps[0]) for each in maps[1:]]
        fused = self.fuse(torch.cat(maps, 1))
        return tuple(torch.sigmoid(each) for each in (fused, *maps))
'''

README = """\
# A stand-in for xuebinqin/U-2-Net

Made by `release-tool rehearse`. Nothing in here has learnt anything, and nobody should use it.
"""


@dataclass(frozen=True, slots=True)
class StandInUpstream:
    """Where the stand-in lies, and the recipe that pins it."""

    checkout: Path
    checkpoint: Path
    recipe: Recipe


def make_upstream(directory: Path) -> StandInUpstream:
    """Make `upstream/`, a git repository, and `u2netp.pth` in a directory.

    The commit id and every byte of both are the same on any machine. Raises `InputError` where
    the directory cannot be written, holds an upstream already, or git is missing.
    """
    checkout = directory / "upstream"
    with writable(directory):
        checkout.mkdir(parents=True)
        content = {
            "LICENSE": license_text(),
            "README.md": README.encode(),
            "model/__init__.py": b"from .u2net import U2NETP\n",
            "model/u2net.py": MODULE.encode(),
        }
        for name, text in content.items():
            path = checkout / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text)
    commit_all(checkout)
    checkpoint = directory / "u2netp.pth"
    weights = make_checkpoint()
    write_whole(checkpoint, weights)
    return StandInUpstream(checkout, checkpoint, make_recipe(weights))


def license_text() -> bytes:
    """Return the Apache License 2.0, as upstream has it."""
    return files("release_tool.recipes").joinpath("apache-2.0.txt").read_bytes()


def make_recipe(checkpoint: bytes) -> Recipe:
    """Pin the stand-in under the real release's names: a verdict needs no recipe of its own."""
    tensors = list(make_tensors())
    return replace(
        U2NETP,
        name="u2netp-rehearsal",
        upstream=UpstreamPin(
            repo="https://rehearsal.invalid/U-2-Net",
            commit=COMMIT,
            modules=(("model/u2net.py", Sha256.of_bytes(MODULE.encode())),),
        ),
        license=LicensePin("Apache-2.0", "LICENSE", Sha256.of_bytes(license_text())),
        checkpoint=CheckpointPin(
            path=U2NETP.checkpoint.path,
            sha256=Sha256.of_bytes(checkpoint),
            tensors=sum(tensor.storage == "FloatStorage" for tensor in tensors),
        ),
        skeletons=(("torch 2.13.0", SKELETON),),
        parity=replace(
            U2NETP.parity,
            samples=(
                *(sample(*size) for size in ((32, 32), (37, 53), (64, 96), (96, 128))),
                sample(160, 256, full=True),
            ),
        ),
        attribution=Attribution(
            title="A stand-in for U²-Net, made for a rehearsal",
            copyright="Copyright the release-tool authors",
            paper="None: this network has learnt nothing",
        ),
        publisher=PUBLISHER,
        replay=None,
    )


def commit_all(checkout: Path) -> None:
    """Commit everything with a fixed author, date and configuration; raises `InputError`."""
    for arguments in (
        ["init", "--quiet", "--object-format=sha1", "--template=", "--initial-branch=master"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--no-gpg-sign", "--message=A stand-in for rehearsals"],
    ):
        run_git(checkout, arguments)
    commit = run_git(checkout, ["rev-parse", "HEAD"])
    if commit != COMMIT.hex:
        raise InputError(f"git made commit {commit} of the stand-in upstream, not {COMMIT}")


def run_git(checkout: Path, arguments: list[str]) -> str:
    """Run git with nothing of the user's configuration; return what it prints."""
    name, email, date = "release-tool rehearsal", "rehearsal@localhost", "2024-01-12T00:00:00+00:00"
    environment = {
        "PATH": absolute_path(os.environ),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_{key}": value for key, value in
                        (("NAME", name), ("EMAIL", email), ("DATE", date))}  # fmt: skip
    settings = ("core.autocrlf=false", "core.hooksPath=/dev/null", "safe.directory=*",
                "core.fileMode=false", "core.fsmonitor=false", "gc.auto=0")  # fmt: skip
    options = [part for setting in settings for part in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"git could not make the stand-in upstream: {error}") from error
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class StandInTensor:
    """One entry of the state dict: name, storage type of torch, shape, little-endian bytes."""

    name: str
    storage: str
    shape: tuple[int, ...]
    content: bytes


def make_tensors() -> Iterator[StandInTensor]:
    """Draw MODULE's state dict, calibrated so that the maps are neither black nor white.

    Only operations that IEEE 754 rounds in one way are used, so the bytes are the same anywhere.
    """
    source = random.Random(SEED)  # noqa: S311 - weights, not keys

    def uniform(name: str, shape: tuple[int, ...], low: float, high: float) -> StandInTensor:
        values = [low + (high - low) * source.random() for _ in range(prod(shape))]
        return StandInTensor(name, "FloatStorage", shape, struct.pack(f"<{len(values)}f", *values))

    def conv(name: str, inputs: int, outputs: int, size: int) -> Iterator[StandInTensor]:
        bound = sqrt(6 / (inputs * size * size))
        yield uniform(f"{name}.weight", (outputs, inputs, size, size), -bound, bound)
        yield uniform(f"{name}.bias", (outputs,), -0.1, 0.1)

    def block(name: str, inputs: int) -> Iterator[StandInTensor]:
        yield from conv(f"{name}.conv", inputs, CHANNELS, 3)
        yield uniform(f"{name}.norm.weight", (CHANNELS,), 0.8, 1.2)
        yield uniform(f"{name}.norm.bias", (CHANNELS,), -0.1, 0.1)
        yield uniform(f"{name}.norm.running_mean", (CHANNELS,), -0.1, 0.1)
        yield uniform(f"{name}.norm.running_var", (CHANNELS,), 0.8, 1.6)
        yield StandInTensor(
            f"{name}.norm.num_batches_tracked", "LongStorage", (), struct.pack("<q", 1000)
        )

    for level in range(LEVELS):
        yield from block(f"down.{level}", CHANNELS if level else 3)
    for level in range(LEVELS - 1):
        yield from block(f"up.{level}", 2 * CHANNELS)
    for level in range(LEVELS):
        yield from conv(f"side.{level}", CHANNELS, 1, 3)
    yield from conv("fuse", LEVELS, 1, 1)


def make_checkpoint() -> bytes:
    """Write the state dict as torch.save does after training with DataParallel."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        tensors = list(make_tensors())
        members = {"data.pkl": make_pickle(tensors), "byteorder": b"little"}
        members |= {f"data/{key}": tensor.content for key, tensor in enumerate(tensors)}
        members |= {"version": b"3\n"}
        for name, content in members.items():
            entry = zipfile.ZipInfo(f"u2netp/{name}", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 0
            archive.writestr(entry, content)
    return buffer.getvalue()


def make_pickle(tensors: list[StandInTensor]) -> bytes:
    """Write an OrderedDict of tensors as a pickle of protocol 2, each name behind `module.`."""
    empty_dict = b"ccollections\nOrderedDict\n)R"
    entries = bytearray()
    for key, tensor in enumerate(tensors):
        strides = tuple(prod(tensor.shape[place + 1 :]) for place in range(len(tensor.shape)))
        location = (
            b"(" + text("storage") + f"ctorch\n{tensor.storage}\n".encode() + text(str(key))
            + text("cpu") + number(prod(tensor.shape)) + b"tQ"
        )  # fmt: skip
        entries += text(f"module.{tensor.name}") + b"ctorch._utils\n_rebuild_tensor_v2\n("
        entries += location + number(0) + numbers(tensor.shape) + numbers(strides)
        entries += b"\x89" + empty_dict + b"tR"
    return b"\x80\x02" + empty_dict + b"(" + bytes(entries) + b"u."


def text(value: str) -> bytes:
    """Write BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """Write BININT."""
    return b"J" + struct.pack("<i", value)


def numbers(values: tuple[int, ...]) -> bytes:
    """Write a tuple of integers."""
    return b"(" + b"".join(number(value) for value in values) + b"t"
