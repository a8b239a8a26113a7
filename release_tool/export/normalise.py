"""Makes a raw graph the one graph that its network has: the skeleton.

Names of nodes and values say nothing about wrappers, weights or paths; the bytes depend on the
graph alone. What the graph computes is not changed.
"""

from collections.abc import Iterable, Mapping, Sequence

import onnx

from release_tool.core.errors import GateError
from release_tool.gates.graph import DATA_TYPES
from release_tool.recipes.network import InputSpec, OutputSpec

Values = Sequence[InputSpec | OutputSpec]


def normalise(
    raw: onnx.ModelProto,
    tensors: Mapping[str, str],
    own: Mapping[str, onnx.TensorProto],
    inputs: Values,
    outputs: Values,
) -> bytes:
    """Return the skeleton of a graph whose weights are inputs.

    `tensors` gives their names in the checkpoint by those in the graph, in state-dict order; each
    that the graph reads becomes an initializer without data. `own` are an adapter's, by their names
    in the graph; they become constants. Raises `GateError` where the graph has other weights.
    """
    given = {item.name: item for item in raw.graph.input}
    names = [spec.name for spec in inputs]
    weights = {name: item for name, item in given.items() if name not in names}
    strange = [name for name in weights if name not in tensors and name not in own]
    if len(raw.graph.initializer) or strange or not given.keys() >= set(names):
        raise GateError(f"the graph reads what is no tensor of the checkpoint: {strange[:3]}")
    model = onnx.ModelProto(
        ir_version=raw.ir_version,
        producer_name=raw.producer_name,
        producer_version=raw.producer_version,
    )
    model.opset_import.extend(raw.opset_import)
    model.graph.name = "main_graph"
    constants = [constant(name, own[name]) for name in own if name in weights]
    used = [name for name in tensors if name in weights]
    kept = {name: name for name in (*names, *(spec.name for spec in outputs))}
    renamed = kept | {name: tensors[name] for name in used}
    model.graph.node.extend(renumber([*constants, *raw.graph.node], renamed, set(kept)))
    model.graph.initializer.extend(empty_tensor(tensors[name], weights[name]) for name in used)
    model.graph.input.extend(declare(spec) for spec in inputs)
    model.graph.output.extend(declare(spec) for spec in outputs)
    return bytes(model.SerializeToString(deterministic=True))


def renumber(
    nodes: Iterable[onnx.NodeProto], renamed: Mapping[str, str], kept: set[str]
) -> list[onnx.NodeProto]:
    """Name each node by its operator and its place, and each value by the node that makes it."""
    renamed = dict(renamed)
    result = []
    for index, old in enumerate(nodes):
        node = onnx.NodeProto()
        node.CopyFrom(old)
        node.name = f"{old.op_type}_{index}"
        for place, name in enumerate(old.output):
            if name and name not in kept:
                renamed[name] = f"{node.name}_{place}"
        rename(node, renamed)
        result.append(node)
    return result


def rename(node: onnx.NodeProto, renamed: Mapping[str, str]) -> None:
    """Give the values of a node, and of the graphs inside it, their new names; drop remarks."""
    node.ClearField("doc_string")
    node.ClearField("metadata_props")
    node.input[:] = [renamed.get(name, name) for name in node.input]
    node.output[:] = [renamed.get(name, name) for name in node.output]
    for attribute in node.attribute:
        attribute.ClearField("doc_string")
        for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
            for value in graph.output:
                value.name = renamed.get(value.name, value.name)
            for inner in graph.node:
                rename(inner, renamed)


def constant(name: str, tensor: onnx.TensorProto) -> onnx.NodeProto:
    """Make the node that gives a tensor of the adapter's own."""
    return onnx.helper.make_node("Constant", [], [name], value=tensor)


def empty_tensor(name: str, weight: onnx.ValueInfoProto) -> onnx.TensorProto:
    """Make an initializer that lacks nothing but its bytes."""
    kind = weight.type.tensor_type
    dims = [dimension.dim_value for dimension in kind.shape.dim]
    return onnx.TensorProto(dims=dims, data_type=kind.elem_type, name=name)


def declare(spec: InputSpec | OutputSpec) -> onnx.ValueInfoProto:
    """Declare an input or output as the recipe has it."""
    return onnx.helper.make_tensor_value_info(spec.name, DATA_TYPES[spec.type], spec.shape)
