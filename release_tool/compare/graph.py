"""Compares the graphs of two models: operators, nodes, interface, versions, metadata.

Tensors are compared elsewhere.
"""

from collections import Counter
from dataclasses import dataclass

from release_tool.core.errors import GateError
from release_tool.gates.metadata import parse_metadata
from release_tool.gates.skeleton import digest_skeleton
from release_tool.gates.wire import Message, Model

Change = tuple[str, str | None, str | None]
"""What it is, and what it says in the first and in the second; None where it says nothing."""
# TensorProto.DataType, as far as an interface names them.
ELEMENT_NAMES = {
    1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 16: "bfloat16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GraphDifference:
    """What two graphs have not in common.

    `same_skeleton` tells whether they are one graph, byte for byte, filled with other tensors.
    `node` says where the sequences of nodes part; None where they are equal.
    """

    same_skeleton: bool
    changes: tuple[Change, ...]
    operators: tuple[Change, ...]
    node: str | None


def compare_graphs(ours: Model, theirs: Model) -> GraphDifference:
    """Compare two models without their tensors; raises `GateError` where one has no graph."""
    left, right = graph_of(ours), graph_of(theirs)
    return GraphDifference(
        same_skeleton=digest_skeleton(ours) == digest_skeleton(theirs),
        changes=changes_between(declared(ours.message, left), declared(theirs.message, right)),
        operators=changes_between(census(left), census(right)),
        node=first_other_node(ours, theirs),
    )


def graph_of(model: Model) -> Message:
    """Return the outermost graph."""
    graph = model.message.one("graph")
    if not isinstance(graph, Message):
        raise GateError("the model has no graph")
    return graph


def changes_between(ours: dict[str, str], theirs: dict[str, str]) -> tuple[Change, ...]:
    """List what two tables do not say alike, in the order of the first."""
    return tuple(
        (name, ours.get(name), theirs.get(name))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    )


def declared(model: Message, graph: Message) -> dict[str, str]:
    """Collect what a model declares: versions, producer, interface, metadata."""
    facts = {
        "IR version": str(model.one("ir_version", 0)),
        "producer": f"{model.one('producer_name', '')} {model.one('producer_version', '')}".strip(),
    }
    for opset in model.all("opset_import"):
        facts[f"opset {opset.one('domain', '') or 'ai.onnx'}"] = str(opset.one("version", 0))
    for role in ("input", "output"):
        for value in graph.all(role):
            facts[f"{role} {value.one('name', '')}"] = describe_type(value)
    return facts | {f"metadata {key}": text for key, text in parse_metadata(model).items()}


def describe_type(value: Message) -> str:
    """Write element type and shape of an input or output, as in `float32[1,3,H,W]`."""
    kind = value.one("type")
    tensor = kind.one("tensor_type") if isinstance(kind, Message) else None
    if not isinstance(tensor, Message):
        return "no tensor"
    element = tensor.one("elem_type", 0)
    name = ELEMENT_NAMES.get(element, f"type {element}")
    shape = tensor.one("shape")
    if not isinstance(shape, Message):
        return f"{name}, any shape"
    sizes = [str(dim.one("dim_value", dim.one("dim_param", "?"))) for dim in shape.all("dim")]
    return f"{name}[{','.join(sizes)}]"


def census(graph: Message) -> dict[str, str]:
    """Count the nodes of each operator in the outermost graph."""
    counted = Counter(operator_of(node) for node in graph.all("node"))
    return {operator: str(count) for operator, count in sorted(counted.items())}


def operator_of(node: Message) -> str:
    """Name an operator, with its domain where that is not ONNX's own."""
    domain = node.one("domain", "")
    operator = node.one("op_type", "")
    return operator if domain in ("", "ai.onnx") else f"{domain}.{operator}"


def first_other_node(ours: Model, theirs: Model) -> str | None:
    """Say which node, in the order of the graph, is the first that is not the same."""
    left, right = nodes_of(ours), nodes_of(theirs)
    for index, ((a, written), (b, other)) in enumerate(zip(left, right, strict=False)):
        if written != other:
            return f"node {index}: {title(a)} against {title(b)}"
    if len(left) == len(right):
        return None
    more, count = ("second", len(right)) if len(right) > len(left) else ("first", len(left))
    return f"the {more} has {abs(len(left) - len(right))} more nodes, {count} in all"


def nodes_of(model: Model) -> list[tuple[Message, memoryview]]:
    """List the nodes of the outermost graph, each with its bytes in the file."""
    return [
        (field.value, model.content[field.start : field.stop])
        for field in graph_of(model).fields
        if field.name == "node"
    ]


def title(node: Message) -> str:
    """Name a node for people."""
    return f"{operator_of(node)} {node.one('name', '') or ', '.join(node.all('output'))}".strip()
