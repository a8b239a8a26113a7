"""Traces a network into a raw ONNX graph that carries no weights.

It runs in the worker only. Names and numbering are put right by `normalise`.
"""

import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import onnx
import torch
from torch._C import _get_tracing_state, _get_value_trace  # type: ignore[attr-defined]

from release_tool.core.errors import GateError, InputError
from release_tool.export.building import Interface, saying
from release_tool.export.fitting import DTYPES, state_of
from release_tool.export.importing import place_in_source
from release_tool.recipes.network import InputSpec, OutputSpec, Shape, shape_text

DECISIONS = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist")
"""What makes a number of Python out of a tensor."""


def make_examples(interface: Interface, axes: dict[str, int]) -> tuple[torch.Tensor, ...]:
    """Return the inputs that are traced, of zeros or the smallest allowed numbers."""
    return tuple(
        torch.full(
            sized(spec.shape, axes),
            int(spec.low) if spec.drawn == "integers" else 0,
            dtype=DTYPES[spec.type],
        )
        for spec in interface.inputs
    )


def sized(shape: Shape, axes: dict[str, int]) -> tuple[int, ...]:
    """Return a shape with a number for each named axis."""
    return tuple(axes[size] if isinstance(size, str) else size for size in shape)


def check_outputs(interface: Interface, returned: Sequence[torch.Tensor]) -> None:
    """Hold types and ranks of what came out, and sizes that are numbers, against the recipe."""
    for spec, tensor in zip(interface.outputs, returned, strict=True):
        found = (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        fits = len(found[1]) == len(spec.shape) and all(
            isinstance(size, str) or size == actual
            for size, actual in zip(spec.shape, found[1], strict=True)
        )
        if found[0] != spec.type or not fits:
            raise InputError(
                f"the output {spec.name} is {found[0]}{shape_text(found[1])}, the recipe says "
                f"{spec.type}{shape_text(spec.shape)}"
            )


def run_network(
    interface: Interface, examples: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """Run the network once as it is; raises `InputError` with the place in upstream's file."""
    with torch.inference_mode(), saying("the network"):
        returned = interface(*examples)
    return returned if isinstance(returned, tuple) else (returned,)


def trace(interface: Interface, axes: dict[str, int], opset: int, scratch: Path) -> onnx.ModelProto:
    """Export the network with its weights as inputs, in evaluation mode, without constant folding.

    Weights of equal value are not merged, so the graph does not depend on them. `scratch` is a file
    to write to. Raises `GateError` where the network decides something by values.
    """
    named: list[InputSpec | OutputSpec] = [*interface.inputs, *interface.outputs]
    dynamic = {
        spec.name: {i: size for i, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in named
    }
    with refusing_decisions(), saying("tracing the network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            interface.eval(),
            make_examples(interface, axes),
            scratch,
            export_params=False,
            keep_initializers_as_inputs=True,
            dynamo=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.EVAL,
            opset_version=opset,
            input_names=[spec.name for spec in interface.inputs],
            output_names=[spec.name for spec in interface.outputs],
            dynamic_axes={name: sizes for name, sizes in dynamic.items() if sizes},
        )
    return onnx.load(scratch)


@contextmanager
def refusing_decisions() -> Iterator[None]:
    """Refuse a network that decides by the values of a tensor; by its sizes it may.

    A trace holds the one way that was gone, so with other values the model would be wrong.
    """
    with ExitStack() as patched:
        for name in DECISIONS:
            patched.enter_context(mock.patch.object(torch.Tensor, name, watching(name)))
        yield


def watching(name: str) -> Any:
    """Return a method of tensors that looks where the tensor comes from before it does its work."""
    usual = getattr(torch.Tensor, name)

    def method(self: torch.Tensor, *arguments: Any) -> Any:
        if _get_tracing_state() is not None and comes_from_values(self):
            frames = traceback.extract_stack()
            place = place_in_source((frame.filename, frame.lineno or 0) for frame in frames)
            raise GateError(
                f"the network decides by the values of a tensor, in {place or 'a library'}: "
                "a trace would keep one way only",
                hint="an adapter can replace that part of the network",
            )
        return usual(self, *arguments)

    return method


def comes_from_values(tensor: torch.Tensor) -> bool:
    """Tell whether a traced tensor is computed from an input or a weight, not from sizes alone."""
    value = _get_value_trace(tensor)
    waiting, seen = [value] if value is not None else [], set()
    while waiting:
        node = waiting.pop().node()
        if node.kind() == "prim::Param":
            return True
        if node.kind() == "aten::size" or node in seen:
            continue
        seen.add(node)
        waiting.extend(node.inputs())
    return False


def name_tensors(
    interface: Interface, given: Sequence[str]
) -> tuple[dict[str, str], dict[str, onnx.TensorProto]]:
    """Return what the graph's weights are called in the checkpoint, and the adapter's own tensors.

    `given` are the checkpoint's names, of which two may be one tensor: the first stands for both.
    """
    held, known = state_of(interface.upstream), set(given)
    names = {id(tensor): name for name, tensor in reversed(held.items()) if name in known}
    named: dict[str, str] = {}
    own: dict[str, onnx.TensorProto] = {}
    inner = {id(tensor) for tensor in held.values()}
    for key, tensor in state_of(interface).items():
        if id(tensor) in names and names[id(tensor)] not in named.values():
            named[key] = names[id(tensor)]
        elif id(tensor) not in inner:
            own[key] = onnx.numpy_helper.from_array(tensor.detach().numpy())
    return named, own
