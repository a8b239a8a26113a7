"""A recipe of one's own: another network, another licence, another publisher."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
import torch

from release_tool.core.digest import Sha256
from tests.upstream.test_recognise import text_of

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, classes)

    def forward(self, image):
        return self.fc(self.conv(image).relu().mean((2, 3)))
"""
RECIPE = """\
name = "mynet"

[upstream]
repo = "https://example.invalid/own/mynet"
commit = "{commit}"
modules = {{ "mynet/net.py" = "{module}" }}

[license]
spdx = "MIT"
path = "LICENSE"
sha256 = "{license}"

[network]
call = "mynet.net:Net"
arguments = {{ classes = 10 }}

[checkpoint]
path = "w.pth"
sha256 = "{checkpoint}"
tensors = 4

[[inputs]]
name = "image"
shape = [1, 3, "H", "W"]

[[outputs]]
name = "logits"
shape = [1, 10]

[axes]
H = 16
W = 24

[attribution]
title = "My network"
copyright = "Copyright its author"

[publisher]
repo = "own/models"
workflow = "models.yml"
refs = ["refs/tags/v<version>"]
"""


@dataclass(frozen=True)
class Own:
    """A maintainer's directory: the checkout, the weights and the recipe that pins them."""

    place: Path

    @property
    def options(self) -> list[str]:
        sources = ["--upstream-dir", str(self.place / "mynet")]
        return ["--recipe", str(self.place / "mynet.toml"), *sources,
                "--checkpoint", str(self.place / "w.pth")]  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    place = tmp_path_factory.mktemp("own")
    checkout = place / "mynet"
    (checkout / "mynet").mkdir(parents=True)
    (checkout / "mynet/net.py").write_text(NET)
    (checkout / "LICENSE").write_text(f"The MIT License (MIT)\n{text_of('MIT')}")
    git = ["git", "-C", str(checkout), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "--quiet"], ["add", "-A"], ["commit", "--quiet", "-m", "net"]):
        subprocess.run([*git, *command], check=True)
    asked = [*git, "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    namespace: dict[str, type[torch.nn.Module]] = {"__name__": "net"}  # type: ignore[dict-item]
    exec(compile(NET, "net", "exec"), namespace)  # noqa: S102
    torch.manual_seed(0)
    torch.save(namespace["Net"](10).state_dict(), place / "w.pth")
    recipe = RECIPE.format(
        commit=commit,
        module=Sha256.of_file(checkout / "mynet/net.py").hex,
        license=Sha256.of_file(checkout / "LICENSE"),
        checkpoint=Sha256.of_file(place / "w.pth"),
    )
    (place / "mynet.toml").write_text(recipe)
    return Own(place)


def test_a_classifier_under_mit_is_rehearsed_by_its_own_publisher(
    run, own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "dist"
    result = run("rehearse", *own.options, "--out", out, "--json")
    assert result.code == 0, result.err
    names = {path.name for path in out.iterdir() if path.is_file()}
    assert {"mynet_v1.onnx", "mynet_v1.recipe.toml", "MIT-mynet.txt"} <= names
    identity = "https://github.com/own/models/.github/workflows/models.yml@refs/tags/v1.0.0"
    assert result.document["verdict"]["signer"]["identity"] == identity
    manifest = json.loads((out / "mynet_v1.manifest.json").read_text())
    assert manifest["license"] == {"spdx": "MIT", "recognised": True}
    metadata = {each.key: each.value for each in onnx.load(out / "mynet_v1.onnx").metadata_props}
    assert metadata["license"] == "MIT"
    said = [*metadata.values(), json.dumps(manifest), (out / "MIT-mynet.txt").read_text()]
    assert not [text for text in said if "Apache" in text or "saliency" in text]

    # The command as it is printed, where nothing else lies; and who signed alone is enough.
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    command = result.document["verify_command"]
    assert "--recipe" not in command
    verified = run(*command[1:])
    assert verified.code == 0, verified.err
    assert "recipe     mynet" in verified.out
    assert run("verify", out, *command[3:]).code == 0
    assert run(*command[1:], "--recipe", own.place / "mynet.toml").code == 0
    refused = run(*command[1:], "--recipe", "u2netp")
    assert refused.code == 8
    assert "as the recipe u2netp pins it" in refused.err


def test_a_recipe_that_is_rehearsed_says_what_it_lacks(run, own: Own, tmp_path: Path):
    """And is no rehearsal of another network."""
    options = ["--recipe", own.place / "mynet.toml", "--out", tmp_path / "dist"]
    for given in ([], ["--upstream-dir", own.place / "mynet"]):
        result = run("rehearse", *options, *given)
        assert result.code == 3
        assert "the recipe mynet names no source of its checkpoint" in result.err
        assert "give the file with --checkpoint" in result.err
    assert not (tmp_path / "dist").exists()


def test_a_publisher_that_is_no_workflow_cannot_be_rehearsed(run, own: Own, tmp_path: Path):
    text = (own.place / "mynet.toml").read_text()
    recipe = tmp_path / "mynet.toml"
    recipe.write_text(text + 'issuer = "https://accounts.example.org"\n')
    options = ["--recipe", recipe, *own.options[2:], "--out", tmp_path / "dist"]
    result = run("rehearse", *options)
    assert result.code == 2
    assert "publisher is vouched for by https://accounts.example.org" in result.err
