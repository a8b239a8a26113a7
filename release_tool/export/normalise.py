"""Makes a raw graph the one graph that its network has: the skeleton.

Names of nodes and values say nothing about wrappers, weights or paths; the bytes depend on the
graph alone. What the graph computes is not changed.
"""

from collections.abc import Sequence

import onnx

from release_tool.core.errors import GateError

FLOAT = onnx.TensorProto.FLOAT


def normalise(raw: onnx.ModelProto, tensors: Sequence[str], prefix: str, output: str) -> bytes:
    """Return the skeleton of a graph whose weights are inputs called `prefix` + state-dict key.

    `tensors` are the state dict's float keys in order; each becomes an initializer without data.
    Raises `GateError` where the graph has other weights than these.
    """
    weights = {item.name.removeprefix(prefix): item for item in raw.graph.input[1:]}
    if len(raw.graph.initializer) or set(weights) != set(tensors):
        unused = sorted(set(tensors) - set(weights))
        raise GateError(
            f"the graph does not read {len(unused)} of the checkpoint's tensors "
            f"({', '.join(unused[:3])})"
        )
    model = onnx.ModelProto(
        ir_version=raw.ir_version,
        producer_name=raw.producer_name,
        producer_version=raw.producer_version,
    )
    model.opset_import.extend(raw.opset_import)
    model.graph.name = "main_graph"
    renamed = {weights[name].name: name for name in tensors}
    model.graph.node.extend(renumber(list(raw.graph.node), renamed, output))
    model.graph.initializer.extend(empty_tensor(name, weights[name]) for name in tensors)
    model.graph.input.append(plain(raw.graph.input[0]))
    model.graph.output.append(plain(raw.graph.output[0]))
    return bytes(model.SerializeToString(deterministic=True))


def renumber(
    nodes: list[onnx.NodeProto], renamed: dict[str, str], output: str
) -> list[onnx.NodeProto]:
    """Name each node by its operator and its place, and each value by the node that makes it."""
    renamed = dict(renamed)
    result = []
    for index, old in enumerate(nodes):
        node = onnx.NodeProto()
        node.CopyFrom(old)
        node.name = f"{old.op_type}_{index}"
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
        for place, name in enumerate(old.output):
            if name and name != output:
                renamed[name] = f"{node.name}_{place}"
        node.input[:] = [renamed.get(name, name) for name in old.input]
        node.output[:] = [renamed.get(name, name) for name in old.output]
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
        result.append(node)
    return result


def empty_tensor(name: str, weight: onnx.ValueInfoProto) -> onnx.TensorProto:
    """Make an initializer that lacks nothing but its bytes."""
    kind = weight.type.tensor_type
    if kind.elem_type != FLOAT:
        raise GateError(f"the graph reads {name} as something other than float32")
    dims = [dimension.dim_value for dimension in kind.shape.dim]
    return onnx.TensorProto(dims=dims, data_type=FLOAT, name=name)


def plain(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Copy an input or output without its remarks."""
    return onnx.ValueInfoProto(name=value.name, type=value.type)
