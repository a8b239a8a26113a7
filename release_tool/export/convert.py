"""Turns upstream's module, with a checkpoint loaded, into a raw ONNX graph that carries no weights.

It runs in the worker only. Names and numbering are put right by `normalise`.
"""

import sys
import types
import warnings
from collections.abc import Iterable
from pathlib import Path

import onnx
import torch

from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import GateError, InputError
from release_tool.export.job import Job

COUNTER = "num_batches_tracked"
MODULE_NAME = "release_tool_upstream_module"
WRAPPED = "network"


class SelectedOutput(torch.nn.Module):
    """Upstream's network with one of the maps that it returns."""

    def __init__(self, network: torch.nn.Module, index: int) -> None:
        super().__init__()
        self.network = network
        self.index = index

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the selected map alone."""
        selected: torch.Tensor = self.network(image)[self.index]
        return selected


def build_network(source: bytes, job: Job) -> torch.nn.Module:
    """Run the audited bytes of upstream's module and build the network that the recipe names."""
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    exec(compile(source, f"<upstream {job.module_path}>", "exec"), module.__dict__)  # noqa: S102
    maker = getattr(module, job.class_name, None)
    if not (isinstance(maker, type) and issubclass(maker, torch.nn.Module)):
        raise InputError(f"upstream's {job.module_path} has no network called {job.class_name}")
    network: torch.nn.Module = maker(job.input_channels, 1)
    return network.eval()


def check_fit(network: torch.nn.Module, tensors: Iterable[Tensor], job: Job) -> None:
    """Check a checkpoint's names and shapes against the network; raises `InputError`.

    Training counters (`num_batches_tracked`) may be missing, as torch 0.4.0 did not write them.
    """
    wanted = network.state_dict()
    given = {tensor.name: tensor for tensor in tensors}
    missing = [name for name in wanted if name not in given and not name.endswith(COUNTER)]
    surplus = [name for name in given if name not in wanted]
    if missing or surplus:
        raise InputError(
            f"the checkpoint is not {job.class_name}'s: "
            f"{counted(missing, 'missing')}, {counted(surplus, 'surplus')}",
            hint=advise_prefix(list(given), list(wanted)),
        )
    for name, tensor in given.items():
        if tensor.shape != tuple(wanted[name].shape):
            raise InputError(
                f"the checkpoint is not {job.class_name}'s: {name} has shape {tensor.shape} "
                f"instead of {tuple(wanted[name].shape)}"
            )
    floats = sum(not name.endswith(COUNTER) for name in given)
    if floats != job.float_tensors:
        raise InputError(f"the checkpoint has {floats} tensors, the recipe {job.float_tensors}")


def advise_prefix(given: list[str], wanted: list[str]) -> str | None:
    """Say which prefix the names have, where without it they would fit."""
    first, needed = given[0], set(wanted)
    for length in range(1, len(first)):
        prefix, rest = first[:length], first[length:]
        if prefix.endswith(".") and rest in needed:
            cut = {name.removeprefix(prefix) for name in given if name.startswith(prefix)}
            if {name for name in needed if not name.endswith(COUNTER)} <= cut:
                return f"the network's names begin with {prefix!r}; save them without it"
    return None


def load_tensors(network: torch.nn.Module, tensors: Iterable[Tensor]) -> None:
    """Load a checkpoint's tensors, bit for bit, into a network that they fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mapped file cannot be written, and never is
        state = {tensor.name: as_torch(tensor) for tensor in tensors}
    network.load_state_dict(state, strict=False)


def counted(names: list[str], what: str) -> str:
    """Say how many names there are, and the first of them."""
    examples = f" ({', '.join(names[:3])})" if names else ""
    return f"{len(names)} {what}{examples}"


def as_torch(tensor: Tensor) -> torch.Tensor:
    """See a tensor's bytes as torch does, without a copy."""
    dtype = {"float32": torch.float32, "int64": torch.int64}[tensor.dtype]
    return torch.frombuffer(tensor.data, dtype=dtype).reshape(tensor.shape)


def make_distinct(network: torch.nn.Module) -> None:
    """Fill every tensor of the state dict with a number of its own."""
    with torch.no_grad():
        for index, tensor in enumerate(network.state_dict().values(), start=1):
            tensor.fill_(index)


def trace(network: torch.nn.Module, job: Job, scratch: Path) -> onnx.ModelProto:
    """Export the network with its weights as inputs, in evaluation mode, without constant folding.

    The exporter merges weights of equal value, also where they are inputs only. So it is shown
    weights that all differ (`network` keeps them), and the graph cannot depend on the checkpoint.
    `scratch` is a file to write to.
    """
    make_distinct(network)
    example = torch.zeros(1, job.input_channels, job.height, job.width)
    torch.onnx.export(
        SelectedOutput(network, job.selected_output).eval(),
        (example,),
        scratch,
        export_params=False,
        dynamo=False,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.EVAL,
        opset_version=job.opset,
        input_names=[job.input_name],
        output_names=[job.output_name],
        dynamic_axes={name: {2: "H", 3: "W"} for name in (job.input_name, job.output_name)},
    )
    model = onnx.load(scratch)
    if not model.graph.node:
        raise GateError("the exporter produced an empty graph")
    return model
