"""Refuses a model that its consumer must not load: interface, operators, limits, wire form.

Says nothing about where the weights come from (lineage) or what they compute (parity).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.gates.graph import DATA_TYPES, Census, check_graph
from release_tool.gates.metadata import parse_metadata
from release_tool.gates.skeleton import digest_skeleton
from release_tool.gates.wire import Message, Model, map_file, parse_model
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.network import InputSpec, OutputSpec, shape_text
from release_tool.recipes.recipe import Recipe

REFUSED_IN_MODEL = {
    "functions": "model-local functions, which can be named like a standard operator",
    "training_info": "training information",
    "configuration": "device configurations",
}


@dataclass(frozen=True, slots=True)
class ContractReport:
    """What the contract measured in a model that holds it.

    `known_skeleton` names the toolchain, such as `torch 2.13.0`, whose pinned graph this is.
    """

    size: int
    ir_version: int
    opset: int
    producer: str
    nodes: int
    initializers: int
    parameters: int
    operators: tuple[tuple[str, int], ...]
    loops: int
    subgraph_depth: int
    metadata: tuple[tuple[str, str], ...]
    skeleton: Sha256
    known_skeleton: str | None


def check_contract(path: Path, recipe: Recipe) -> ContractReport:
    """Check a model of any size up to 2 GiB against a recipe, in bounded memory.

    Raises `GateError` that names what is wrong. The tensors' bytes are never touched.
    """
    return hold_contract(open_bounded(path, recipe), recipe)


def open_bounded(path: Path, recipe: Recipe) -> Model:
    """Open a model that is no larger than the recipe's consumer takes."""
    content = map_file(path)
    # 1. Size, before anything is parsed.
    most = recipe.contract.limits.max_model_bytes
    if len(content) > most:
        raise GateError(f"{path.name} has {len(content)} bytes, the consumer takes at most {most}")
    # 2. Canonical wire form: one reading, the same for every reader.
    return parse_model(content)


def hold_contract(model: Model, recipe: Recipe) -> ContractReport:
    """Check a model that is open already, as `check_contract` does."""
    # 3. The envelope: versions, nothing beside the graph.
    check_envelope(model.message, recipe.contract)
    # 4. The interface.
    graph = model.message.one("graph")
    check_values(graph.all("input"), "input", recipe.inputs)
    check_values(graph.all("output"), "output", recipe.outputs)
    # 5. Every node at any depth.
    census = Census(recipe.contract.limits)
    check_graph(graph, (), 0, census)
    # 6. Metadata that means one thing only.
    metadata = parse_metadata(model.message)
    return report(model, recipe, census, metadata)


def report(
    model: Model, recipe: Recipe, census: Census, metadata: dict[str, str]
) -> ContractReport:
    """Write down what the checks have seen."""
    graph = model.message.one("graph")
    skeleton = digest_skeleton(model)
    known = [toolchain for toolchain, digest in recipe.skeletons if digest == skeleton]
    return ContractReport(
        size=len(model.content),
        ir_version=model.message.one("ir_version"),
        opset=recipe.contract.opset,
        producer=f"{model.message.one('producer_name', '')} "
        f"{model.message.one('producer_version', '')}".strip(),
        nodes=census.nodes,
        initializers=len(graph.all("initializer")),
        parameters=census.parameters,
        operators=tuple(sorted(Counter(census.operators).items())),
        loops=census.operators["Loop"],
        subgraph_depth=census.depth,
        metadata=tuple(metadata.items()),
        skeleton=skeleton,
        known_skeleton=known[0] if known else None,
    )


def check_envelope(model: Message, spec: ContractSpec) -> None:
    """Check the versions, and that the model is a graph and nothing else."""
    for name, what in REFUSED_IN_MODEL.items():
        if model.has(name):
            raise GateError(f"the model has {what}")
    if not model.has("graph"):
        raise GateError("the model has no graph")
    if model.one("ir_version") != spec.ir_version:
        raise GateError(
            f"the model has IR version {model.one('ir_version')} instead of {spec.ir_version}"
        )
    opsets = [
        (entry.one("domain", ""), entry.one("version")) for entry in model.all("opset_import")
    ]
    if opsets != [("", spec.opset)]:
        found = ", ".join(f"{domain[:80] or 'ai.onnx'} {version}" for domain, version in opsets)
        raise GateError(f"the model imports opset {found or 'none'} instead of {spec.opset}")


def check_values(
    values: Sequence[Message], role: str, specs: Sequence[InputSpec | OutputSpec]
) -> None:
    """Check names, types and shapes of all inputs or of all outputs, in their order."""
    found, wanted = [value.one("name", "") for value in values], [spec.name for spec in specs]
    if found != wanted:
        shown = ", ".join(repr(given[:80]) for given in found[:4]) or "nothing"
        expected = ", ".join(repr(name) for name in wanted)
        raise GateError(f"the model's {role} is {shown} instead of {expected}")
    for value, spec in zip(values, specs, strict=True):
        check_tensor_type(value, f"{role} {spec.name!r}", spec)


def check_tensor_type(value: Message, what: str, spec: InputSpec | OutputSpec) -> None:
    """Check that a value is a tensor of the recipe's element type and shape, axes by name."""
    kind = value.one("type")
    tensor = kind.one("tensor_type") if kind else None
    if tensor is None or any(field.name != "tensor_type" for field in kind.fields):
        raise GateError(f"{what} is not a plain tensor")
    if tensor.one("elem_type") != DATA_TYPES[spec.type]:
        raise GateError(f"{what} has element type {tensor.one('elem_type')} instead of {spec.type}")
    shape = tensor.one("shape")
    found = tuple(dimensions(shape)) if shape else None
    if found != spec.shape:
        shown = "none" if found is None else shape_text(str(item)[:40] for item in found[:8])
        raise GateError(f"{what} has shape {shown} instead of {shape_text(spec.shape)}")


def dimensions(shape: Message) -> Iterator[int | str]:
    """Yield each dimension as its number or its name; `?` where it is neither or both."""
    for dimension in shape.all("dim"):
        match [field.name for field in dimension.fields]:
            case ["dim_value"]:
                yield dimension.one("dim_value")
            case ["dim_param"]:
                yield dimension.one("dim_param")
            case _:
                yield "?"
