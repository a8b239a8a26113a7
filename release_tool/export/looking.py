"""Finds out what a network is: which files run, what it returns, which sizes it takes.

It runs in the worker only, on code that no recipe pins yet, for `init` to write one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import onnx
import torch

from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError, ReleaseToolError
from release_tool.export import convert, fitting, normalise
from release_tool.export.building import Interface, build_network, saying, select, unpack
from release_tool.export.inputs import make_arrays
from release_tool.export.job import Job, JobSample
from release_tool.recipes.network import OutputSpec, axes_of

SIZES = (
    (64, 96),
    (96, 160),
    (128, 224),
    (224, 256),
    (320, 384),
    (32, 48),
    (16, 24),
    (8, 12),
    (5, 7),
)
"""Sizes that are tried for named axes, in their order and again from the first."""
WANTED_SIZES = 3


def look(
    job: Job, tensors: tuple[Tensor, ...], place: Path, step: Callable[[], None]
) -> dict[str, Any]:
    """Build, load, run and trace the network; return what a recipe says of it."""
    network, upstream = build_network(job.network, job.adapter)
    prefix, tensors = cut_prefix(upstream, tensors)
    fitting.check_fit(upstream, tensors, job.network.name, None)
    fitting.load_tensors(upstream, tensors)
    step()
    interface = Interface(network, upstream, job.inputs, job.outputs)
    ran = list(run_at_sizes(interface, place))
    step()
    outputs = name_outputs(job.outputs, ran[0][1])
    interface.outputs = describe_outputs(outputs, ran)
    graphs = [trace(interface, tensors, sizes, job, place) for sizes, _ in ran[:2]]
    used = {each.name for each in graphs[0].graph.initializer}
    memory = {each.memory for each in tensors if each.name in used and each.memory}
    unused = [
        each.name
        for each in tensors
        if each.name not in used
        and each.memory not in memory
        and not each.name.endswith(fitting.COUNTER)
    ]
    return {
        "prefix": prefix,
        "tensors": sum(not each.name.endswith(fitting.COUNTER) for each in tensors),
        "unused": unused,
        "outputs": [
            {"name": each.name, "type": each.type, "shape": each.shape, "select": each.select}
            for each in interface.outputs
        ],
        "sizes": [sizes for sizes, _ in ran],
        "remarks": list(remarks(ran, graphs)),
    }


def cut_prefix(
    network: torch.nn.Module, tensors: tuple[Tensor, ...]
) -> tuple[str, tuple[Tensor, ...]]:
    """Cut off what stands before the network's names in a checkpoint, and leave others out."""
    prefix = fitting.find_prefix([each.name for each in tensors], list(fitting.state_of(network)))
    return prefix, tuple(
        replace(each, name=each.name.removeprefix(prefix))
        for each in tensors
        if each.name.startswith(prefix)
    )


def run_at_sizes(interface: Interface, place: Path) -> Iterator[tuple[dict[str, int], Any]]:
    """Run the network at up to three sizes that it takes; raises `InputError` for none."""
    axes, found, refusal = list(axes_of(interface.inputs)), 0, None
    for number, pair in enumerate(SIZES if axes else SIZES[:1]):
        sizes = dict(zip(axes, cycle(pair), strict=False))
        sample = JobSample("", number, sizes, {})
        given = make_arrays(interface.inputs, sample, place).values()
        try:
            with torch.inference_mode(), saying("the network"):
                returned = interface.call(*(torch.from_numpy(each) for each in given))
        except ReleaseToolError as error:
            refusal = refusal or error
            continue
        found += 1
        yield sizes, returned
        if found == WANTED_SIZES:
            return
    if not found:
        raise refusal or InputError("the network was not run")


def name_outputs(asked: Sequence[OutputSpec], returned: Any) -> list[OutputSpec]:
    """Return which parts of what a network returns are outputs, and how they are called."""
    parts = unpack(returned)
    if not asked:
        names = list(returned) if isinstance(returned, dict) else None
        if names is None:
            names = ["output"] if len(parts) == 1 else [f"output_{i}" for i in range(len(parts))]
        return [OutputSpec(str(name), ()) for name in names]
    if not isinstance(returned, dict):
        return list(asked)
    return [replace(each, select=each.name) if each.select is None else each for each in asked]


def describe_outputs(
    outputs: Sequence[OutputSpec], ran: Sequence[tuple[dict[str, int], Any]]
) -> tuple[OutputSpec, ...]:
    """Give outputs their types and shapes: a size that moves with an axis has the axis's name."""
    runs = [(sizes, select(returned, outputs)) for sizes, returned in ran]
    described = []
    for index, spec in enumerate(outputs):
        seen = [(sizes, tuple(parts[index].shape)) for sizes, parts in runs]
        if len({len(shape) for _, shape in seen}) > 1:
            raise InputError(
                f"the output {spec.name} has another number of dimensions at each size"
            )
        shape = tuple(name_dimension(place, spec.name, seen) for place in range(len(seen[0][1])))
        kind = str(runs[0][1][index].dtype).removeprefix("torch.")
        described.append(replace(spec, shape=shape, type=kind))
    return tuple(described)


def name_dimension(
    place: int, output: str, seen: Sequence[tuple[dict[str, int], tuple[int, ...]]]
) -> int | str:
    """Return one dimension as a number, an input's axis, or an axis of its own."""
    found = [shape[place] for _, shape in seen]
    if len(set(found)) == 1:
        return found[0]
    for axis in seen[0][0]:
        if found == [sizes[axis] for sizes, _ in seen]:
            return axis
    return f"{''.join(c if c.isalnum() else '_' for c in output)}_{place}"


def trace(
    interface: Interface, tensors: Sequence[Tensor], sizes: dict[str, int], job: Job, place: Path
) -> onnx.ModelProto:
    """Return the graph without its weights that a trace at some size gives."""
    raw = convert.trace(interface, sizes, job.contract.opset, place / "raw.onnx")
    names, own = convert.name_tensors(interface, [each.name for each in tensors])
    return onnx.load_from_string(
        normalise.normalise(raw, names, own, interface.inputs, interface.outputs)
    )


def remarks(
    ran: Sequence[tuple[dict[str, int], Any]], graphs: Sequence[onnx.ModelProto]
) -> Iterator[str]:
    """Say what a person should know before trusting the recipe."""
    if ran[0][0] and len(ran) == 1:
        yield f"it runs at {describe_sizes(ran[0][0])} only, of the sizes that were tried"
    if len(graphs) < 2:
        return
    for first, second in zip(graphs[0].graph.node, graphs[1].graph.node, strict=False):
        if first != second:
            where = " and ".join(describe_sizes(sizes) for sizes, _ in ran[:2])
            yield (
                f"upstream's forward fixes a value in the graph: {first.name} differs between "
                f"traces at {where}{describe_constants(first, second)}"
            )
            return
    if len(graphs[0].graph.node) != len(graphs[1].graph.node):
        yield "the graph has another number of nodes at another size: forward decides by sizes"


def describe_sizes(sizes: dict[str, int]) -> str:
    """Write sizes as `H=64, W=96`."""
    return ", ".join(f"{axis}={size}" for axis, size in sizes.items())


def describe_constants(first: onnx.NodeProto, second: onnx.NodeProto) -> str:
    """Say what two constants are, where two nodes are small ones."""
    if first.op_type != "Constant" or second.op_type != "Constant":
        return ""
    values = [onnx.numpy_helper.to_array(node.attribute[0].t) for node in (first, second)]
    if any(value.size > 8 for value in values):
        return ""
    return f": {values[0].tolist()} and {values[1].tolist()}"
