"""`init` writes a recipe of any network, by which the same network is exported and proved."""

import json
import struct
from argparse import Namespace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from release_tool.recipes.catalog import open_recipe
from tests.networks.conftest import Made, save

pytestmark = pytest.mark.usefixtures("unmeasured_children")

CLASSIFIER = {
    "mynet/__init__.py": "",
    "mynet/net.py": """
from torch import nn
from .blocks import block

class Net(nn.Module):
    def __init__(self, *, classes, width=8):
        super().__init__()
        self.body = nn.Sequential(block(3, width), block(width, 2 * width))
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
""",
    "mynet/blocks.py": """
from torch import nn

def block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
""",
    "mynet/train.py": "raise RuntimeError('this trains')\n",
}
CLASSIFIED = (
    "--argument", "classes=10", "--input", "image=float32[1,3,H,W]", "--output", "logits",
)  # fmt: skip
CALLED = "mynet.net:Net(classes=10)"


def initialise(run, made: Made):
    """Write the recipe, which an export proves; return what was printed."""
    written = run(*made.init, "--json")
    assert written.code == 0, written.err
    return written.document


def succeed(run, made: Made):
    """Write the recipe, and export by it once more; return what was printed of both."""
    written = initialise(run, made)
    exported = run(*made.export, "--json")
    assert exported.code == 0, exported.err
    return written, exported.document


def model_of(made: Made) -> onnx.ModelProto:
    return onnx.load(made.place / "dist" / open_recipe(str(made.recipe)).names.model)


def test_a_classifier_of_two_files_under_mit(run, make):
    made = make(CLASSIFIER, CALLED, *CLASSIFIED)
    written, exported = succeed(run, made)
    recipe = open_recipe(str(made.recipe))
    assert written["executed"] == ["mynet/__init__.py", "mynet/blocks.py", "mynet/net.py"]
    assert recipe.license.spdx == "MIT"
    assert recipe.outputs[0].shape == (1, 10)
    assert recipe.skeletons[0][0] == "torch 2.13.0"
    assert exported["gates"]["in_place"] == recipe.checkpoint.tensors == 12
    assert len(recipe.parity.samples) == 3
    assert any("publisher.repo" in remark for remark in written["remarks"])
    manifest = json.loads((made.place / "dist" / recipe.names.manifest).read_text())
    assert set(manifest["upstream"]["modules"]) == set(written["executed"])
    # It overwrites nothing unless it is told to.
    again = run(*made.init)
    assert again.code == 2
    assert "is there already" in again.err


def test_a_package_in_src_and_a_function_that_makes_the_network(run, make):
    sources = {f"src/{path}": text for path, text in CLASSIFIER.items()}
    sources["src/mynet/hub.py"] = (
        "from mynet.net import Net\ndef small(n):\n    return Net(classes=n)\n"
    )
    made = make(sources, "mynet.hub:small(10)", "--positional", "10", *CLASSIFIED[2:], root="src")
    written = initialise(run, made)
    assert "src/mynet/hub.py" in written["executed"]


def safetensors(state: dict[str, torch.Tensor]) -> bytes:
    table, body = {}, b""
    for name, value in state.items():
        content = value.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        offsets = [len(body), len(body) + len(content)]
        table[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": offsets}
        body += content
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + body


LANGUAGE = {
    "lm.py": """
from dataclasses import dataclass
import torch
from torch import nn

@dataclass
class Config:
    vocabulary: int = 7
    width: int = 4

class Lm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.register_buffer("positions", torch.arange(512))
        self.places = nn.Embedding(512, config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        self.unused = nn.Linear(2, 2)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(self.positions[: tokens.shape[1]])
        return self.head(torch.tanh(x))
"""
}


def test_an_integer_network_with_a_config_object_tied_weights_and_safetensors(run, make):
    made = make(
        LANGUAGE, "lm:Lm(m.Config(vocabulary=11))",
        "--argument", 'config={"call": "lm:Config", "arguments": {"vocabulary": 11}}',
        "--input", "tokens=int64[1,T] integers 0 10", "--output", "logits",
        spdx="BSD-3-Clause", form=safetensors, ending="safetensors",
    )  # fmt: skip
    written, exported = succeed(run, made)
    recipe = open_recipe(str(made.recipe))
    assert recipe.outputs[0].shape == (1, "T", 11)
    assert written["unused"] == ["head.weight", "unused.bias", "unused.weight"]
    assert exported["gates"]["in_place"] == 3
    assert [(each.name, each.data_type) for each in model_of(made).graph.initializer] == [
        ("positions", 7), ("tokens.weight", 1), ("places.weight", 1)]  # fmt: skip


PAIR = {
    "pair.py": """
import torch
from torch import nn

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, ref, *, dist):
        a, b = self.one(ref), self.one(dist)
        distance = (a - b).square().mean(1, keepdim=True)
        return {"distance": distance.mean((1, 2, 3)), "map": distance, "best": a.argmax(1)}
"""
}


def test_two_inputs_one_by_keyword_and_a_dict_of_outputs(run, make):
    made = make(
        PAIR, "pair:Pair()", "--input", "ref=float32[1,3,H,W]", "--input",
        "dist=float32[1,3,H,W] keyword=dist", "--output", "map", "--output", "distance",
        "--output", "classes=best", "--opset", "21",
    )  # fmt: skip
    succeed(run, made)
    outputs = open_recipe(str(made.recipe)).outputs
    assert [(each.name, each.type, each.shape, each.select) for each in outputs] == [
        ("map", "float32", (1, 1, "H", "W"), "map"),
        ("distance", "float32", (1,), "distance"),
        ("classes", "int64", (1, "H", "W"), "best"),
    ]
    assert model_of(made).opset_import[0].version == 21


def lightning(state: dict[str, torch.Tensor]) -> bytes:
    held = {f"model.{name}": value for name, value in state.items()} | {"loss.w": torch.ones(2)}
    return save(
        {
            "epoch": np.float64(3),
            "hyper_parameters": Namespace(width=8),
            "state_dict": held,
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        }
    )


def compiled(state: dict[str, torch.Tensor]) -> bytes:
    return save({f"_orig_mod.module.{name}": value for name, value in state.items()})


def channels_last(state: dict[str, torch.Tensor]) -> bytes:
    last = torch.channels_last
    return save({n: v.to(memory_format=last) if v.dim() == 4 else v for n, v in state.items()})


def test_a_lightning_checkpoint(run, make):
    made = make(CLASSIFIER, CALLED, *CLASSIFIED, form=lightning)
    written = initialise(run, made)
    place = open_recipe(str(made.recipe)).checkpoint.state_dict
    assert (place.key, place.prefix) == ("state_dict", "model.")
    assert "optimizer_states" in written["beside"]
    assert "argparse.Namespace" in written["foreign"]


@pytest.mark.parametrize("form", [compiled, channels_last])
def test_names_behind_wrappers_and_weights_in_channels_last(run, make, form):
    initialise(run, make(CLASSIFIER, CALLED, *CLASSIFIED, form=form))


ADAPTER = """
import torch

class Luma(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("scale", torch.full((1, 3, 1, 1), 0.5))

    def forward(self, luma):
        return self.network(luma * self.scale)
"""


def test_an_adapter_stands_around_the_network_and_its_own_tensors_in_the_skeleton(run, make):
    made = make(CLASSIFIER, CALLED, "--argument", "classes=10", "--input",
                "luma=float32[1,1,H,W]", "--output", "logits", "--profile", "vmaf")  # fmt: skip
    adapter = made.place / "adapter.py"
    adapter.write_text(ADAPTER)
    made.options.extend(["--adapter", f"{adapter}:Luma"])
    succeed(run, made)
    recipe = open_recipe(str(made.recipe))
    model = model_of(made)
    assert recipe.adapter is not None
    assert not any("scale" in each.name for each in model.graph.initializer)
    manifest = json.loads((made.place / "dist" / recipe.names.manifest).read_text())
    assert manifest["upstream"]["adapter"]["call"] == "Luma"
    assert any("Luma of adapter.py was put around" in each.value for each in model.metadata_props)
    adapter.write_text(ADAPTER + "\n# changed\n")
    changed = run(*made.export)
    assert changed.code == 3
    assert "the adapter adapter.py has sha256:" in changed.err


# --- what is refused


def changed(made: Made, path: str, text: str) -> Path:
    """Change a file of the checkout and commit it, so that only its pin tells."""
    from release_tool.rehearsal.upstream import run_git

    (made.upstream / path).write_text(text)
    run_git(made.upstream, ["add", "--all", "--force"])
    run_git(made.upstream, ["commit", "--quiet", "--no-gpg-sign", "--message=Another"])
    head = run_git(made.upstream, ["rev-parse", "HEAD"])
    recipe = made.recipe.read_text()
    start = recipe.index('commit = "') + 10
    made.recipe.write_text(recipe[:start] + head + recipe[start + 40 :])
    return made.upstream / path


def test_a_changed_file_of_the_package_is_refused_and_so_is_an_unpinned_sibling(run, make):
    made = make(CLASSIFIER, CALLED, *CLASSIFIED)
    assert run(*made.init).code == 0
    changed(made, "mynet/blocks.py", CLASSIFIER["mynet/blocks.py"] + "# more\n")
    refused = run(*made.export)
    assert refused.code == 3
    assert "mynet/blocks.py of the checkout is not the audited one" in refused.err
    changed(made, "mynet/blocks.py", CLASSIFIER["mynet/blocks.py"])
    recipe = made.recipe.read_text()
    without = ", ".join(
        part for part in recipe.partition("modules = { ")[2].partition(" }")[0].split(", ")
        if "blocks" not in part
    )  # fmt: skip
    whole = recipe.partition("modules = { ")[2].partition(" }")[0]
    made.recipe.write_text(recipe.replace(whole, without))
    refused = run(*made.export)
    assert refused.code == 3
    assert "mynet/blocks.py of the checkout is imported, and the recipe does not pin it" in (
        refused.err
    )


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("open('/etc/hostname').read()", 3, "upstream's code opens /etc/hostname"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", 3, "opens a connection"),
        ("import subprocess; subprocess.run(['true'])", 3, "starts a program"),
        ("import click", 3, "No module named 'click' (upstream.distributions"),
        ("int('x')", 3, "ValueError: invalid literal for int() with base 10: 'x' (mynet/net.py l"),
    ],
)
def test_what_a_network_does_while_it_is_built_is_refused(run, make, line, code, words):
    net = CLASSIFIER["mynet/net.py"]
    made = make(CLASSIFIER, CALLED, *CLASSIFIED)
    (made.upstream / "mynet/net.py").write_text(
        net.replace("super().__init__()", f"super().__init__(); {line}")
    )
    commit_all(made)
    refused = run(*made.init)
    assert refused.code == code, refused.err
    assert words in refused.err
    assert not made.recipe.exists()


def commit_all(made: Made) -> None:
    from release_tool.rehearsal.upstream import run_git

    run_git(made.upstream, ["commit", "--quiet", "--all", "--no-gpg-sign", "--message=Another"])


def test_a_network_that_decides_by_values_is_refused_with_the_place(run, make):
    net = CLASSIFIER["mynet/net.py"].replace(
        "        return self.head",
        "        if x.mean() > 0:\n            x = -x\n        return self.head",
    )
    made = make(CLASSIFIER | {"mynet/net.py": net}, CALLED, *CLASSIFIED)
    refused = run(*made.init)
    assert refused.code == 4
    assert "decides by the values of a tensor, in mynet/net.py line 12" in refused.err


def test_a_size_that_forward_fixes_is_said(run, make):
    net = CLASSIFIER["mynet/net.py"].replace(
        "return self.head(", "return self.head(float(x.shape[2]) * "
    )
    made = make(CLASSIFIER | {"mynet/net.py": net}, CALLED, *CLASSIFIED)
    refused = run(*made.init)
    assert refused.code == 4
    assert "parity against torch" in refused.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--argument", "classes=ten"], "classes is no JSON: 'ten'"),
        (["--argument", "classes"], "not an argument: 'classes'"),
        (["--input", "image"], "not an input: 'image'"),
        (["--input", "image=float[1]"], "image has the type 'float'; there are float16"),
        (["--input", "a=int64[1] integers 0"], "not part of an input: 'integers'"),
        (["--output", "a b"], "not a name of an input or output"),
        (["--network", "mynet.net"], "not a class or function of a module"),
        (["--adapter", "adapter.py"], "not an adapter"),
        (["--distribution", "einops"], "not a pinned package"),
        (["--out", "mynet.json"], "mynet.json is no name of a recipe"),
    ],
)
def test_words_that_are_not_understood_are_usage(run, tmp_path, options, words):
    given = ["--upstream-dir", str(tmp_path), "--checkpoint", str(tmp_path / "w"), "--network",
             "a:B", "--input", "x=float32[1]", "--out", str(tmp_path / "a.toml")]  # fmt: skip
    refused = run("init", *given, *options)
    assert refused.code == 2, refused.err
    assert words in refused.err


def test_a_network_that_is_not_there_is_refused_with_what_is(run, make):
    made = make(CLASSIFIER, CALLED, *CLASSIFIED)
    made.options[1] = "net:Net"
    refused = run(*made.init)
    assert refused.code == 3
    assert "no module net: neither net.py nor src/net.py" in refused.err
    assert "mynet/net.py" in refused.err
