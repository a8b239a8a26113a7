"""Checks every node, value and tensor of a graph, and of the graphs inside its nodes.

It knows the rules that hold for any consumer of a recipe, not the interface of the outermost graph.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from release_tool.core.errors import GateError
from release_tool.gates.wire import Message
from release_tool.recipes.contract import Limits

MAX_NODES = 10_000
# TensorProto.DataType -> bytes of one element. Strings, complex and sub-byte types are no business
# of an image network.
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
DATA_TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "bool": 9,
    "float16": 10, "float64": 11, "bfloat16": 16,
}  # fmt: skip
"""TensorProto.DataType by the name that torch and NumPy give to a type."""
# AttributeProto.AttributeType -> the one field that may hold the value.
ATTRIBUTE_FIELDS = {
    1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors",
    10: "graphs",
}  # fmt: skip
REFUSED_IN_GRAPH = {
    "sparse_initializer": "sparse initializers",
    "quantization_annotation": "quantisation annotations",
    "metadata_props": "metadata inside its graph",
}


# The names known in each graph around the current one. They are looked through, never merged: a
# file of many branches would otherwise cost the square of its size.
Scopes = tuple[set[str], ...]


@dataclass(slots=True)
class Census:
    """What was counted so far, against the limits of a recipe."""

    limits: Limits
    nodes: int = 0
    parameters: int = 0
    depth: int = 0
    operators: Counter[str] = field(default_factory=Counter)

    def count_node(self, operator: str) -> None:
        """Count one node; raises `GateError` over a limit."""
        self.nodes += 1
        self.operators[operator] += 1
        if self.nodes > MAX_NODES:
            raise GateError(f"the model has more than {MAX_NODES} nodes")
        if self.operators["Loop"] > self.limits.max_loops:
            raise GateError(f"the model has more than {self.limits.max_loops} Loop nodes")


def check_graph(graph: Message, outer: Scopes, depth: int, census: Census) -> None:
    """Check one graph; `outer` are the names that the graphs around it have given to values."""
    if depth > census.limits.max_subgraph_depth:
        raise GateError(
            f"{graph.path} is a subgraph more than {census.limits.max_subgraph_depth} levels deep"
        )
    census.depth = max(census.depth, depth)
    for name, what in REFUSED_IN_GRAPH.items():
        if graph.has(name):
            raise GateError(f"{graph.path} has {what}")
    # Every value has one maker, and is made before it is read (SSA form, as ONNX demands).
    known: set[str] = set()
    for value in graph.all("input"):
        define(value.one("name", ""), known, outer, value.path)
    constants = check_initializers(graph, known, outer, census)
    read: set[str] = set()
    produced: set[str] = set()
    for node in graph.all("node"):
        check_node(node, census)
        read |= check_reads(node, known, outer, depth, census)
        for name in filter(None, node.all("output")):
            define(name, known, outer, node.path)
            produced.add(name)
    check_outputs(graph, produced, depth)
    unread = [name for name in constants if name not in read]
    if unread:
        raise GateError(f"{graph.path} carries the tensor {unread[0][:120]!r}, which no node reads")


def check_reads(
    node: Message, known: set[str], outer: Scopes, depth: int, census: Census
) -> set[str]:
    """Check that what a node reads was made before, and the graphs in it; return what it reads."""
    names = set(filter(None, node.all("input")))
    for name in names:
        if name not in known and not is_known(name, outer):
            raise GateError(f"{node.path} reads {name[:120]!r}, which nothing has made yet")
    for subgraph in subgraphs(node):
        check_graph(subgraph, (*outer, known), depth + 1, census)
        names |= names_read(subgraph)
    return names


def is_known(name: str, outer: Scopes) -> bool:
    """Tell whether a graph around the current one has made a value of that name."""
    return any(name in names for names in outer)


def define(name: str, known: set[str], outer: Scopes, where: str) -> None:
    """Note the name of a new value; raises `GateError` where it is empty or taken."""
    if not name:
        raise GateError(f"{where} makes a value without a name")
    if name in known or is_known(name, outer):
        raise GateError(f"{where} makes {name[:120]!r} a second time")
    known.add(name)


def check_initializers(graph: Message, known: set[str], outer: Scopes, census: Census) -> list[str]:
    """Check the tensors that a graph carries; return their names."""
    names = []
    for tensor in graph.all("initializer"):
        name = tensor.one("name", "")
        define(name, known, outer, tensor.path)
        census.parameters += check_tensor(tensor, name)
        names.append(name)
    return names


def check_outputs(graph: Message, produced: set[str], depth: int) -> None:
    """Check that nodes compute what the graph returns (a subgraph may also pass values on)."""
    for value in graph.all("output"):
        name = value.one("name", "")
        if name not in produced and depth == 0:
            raise GateError(f"no node computes the output {name[:120]!r}")


def check_node(node: Message, census: Census) -> None:
    """Check a node's operator and attributes."""
    operator = node.one("op_type", "")
    if node.one("domain", "") not in {"", "ai.onnx"} or node.has("overload"):
        domain = node.one("domain", "") or "with an overload"
        raise GateError(f"{node.path} is {operator[:80]!r} of the domain {domain[:80]!r}")
    if operator not in census.limits.operators:
        raise GateError(f"{node.path} uses {operator[:80]!r}, which the consumer does not allow")
    for name in ("metadata_props", "device_configurations"):
        if node.has(name):
            raise GateError(f"{node.path} has {name}")
    census.count_node(operator)
    seen: set[str] = set()
    for attribute in node.all("attribute"):
        name = attribute.one("name", "")
        if name in seen or not name:
            raise GateError(f"{node.path} has the attribute {name[:80]!r} twice or without a name")
        seen.add(name)
        check_attribute(attribute)


def check_attribute(attribute: Message) -> None:
    """Check that an attribute has one value, of the type that it declares."""
    holder = ATTRIBUTE_FIELDS.get(attribute.one("type", 0))
    if holder is None:
        raise GateError(f"{attribute.path} has the type {attribute.one('type', 0)}")
    extra = attribute.by_name.keys() - {"name", "type", "doc_string", holder}
    if extra:
        raise GateError(f"{attribute.path} has {min(extra)} beside its value in {holder}")
    if not attribute.has(holder) and not holder.endswith("s"):
        raise GateError(f"{attribute.path} lacks its value in {holder}")
    for tensor in (*attribute.all("t"), *attribute.all("tensors")):
        check_tensor(tensor, tensor.path)


def subgraphs(node: Message) -> list[Message]:
    """Return the graphs that a node carries in its attributes."""
    return [
        graph
        for attribute in node.all("attribute")
        for graph in (*attribute.all("g"), *attribute.all("graphs"))
    ]


def names_read(graph: Message) -> set[str]:
    """Return every name that a subgraph reads, at any depth."""
    names = {name for node in graph.all("node") for name in node.all("input")}
    names |= {value.one("name", "") for value in graph.all("output")}
    for node in graph.all("node"):
        for inner in subgraphs(node):
            names |= names_read(inner)
    return names


def check_tensor(tensor: Message, name: str) -> int:
    """Check that a tensor is whole, inside the file, in `raw_data` alone; return its elements."""
    what = f"the tensor {name[:120]!r}"
    if tensor.has("external_data") or tensor.one("data_location", 0) != 0:
        raise GateError(f"{what} has its data outside the model")
    if not tensor.has("raw_data"):
        raise GateError(f"{what} has no raw_data")
    extra = tensor.by_name.keys() - {"dims", "data_type", "name", "raw_data", "data_location"}
    if extra:
        raise GateError(f"{what} has {min(extra)} beside its raw_data")
    element_bytes = ELEMENT_BYTES.get(tensor.one("data_type", 0))
    if element_bytes is None:
        raise GateError(f"{what} has the element type {tensor.one('data_type', 0)}")
    dims = tensor.all("dims")
    if len(dims) > 8 or any(not 0 <= size < 2**31 for size in dims):
        raise GateError(f"{what} has impossible dimensions")
    elements: int = math.prod(dims)
    if elements * element_bytes != len(tensor.one("raw_data")):
        raise GateError(
            f"{what} has {len(tensor.one('raw_data'))} bytes instead of {elements * element_bytes}"
        )
    return elements
