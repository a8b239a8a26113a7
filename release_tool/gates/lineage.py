"""Proves that a model is a known skeleton filled with a checkpoint, byte for byte, without torch.

Finding a tensor's bytes somewhere in the file would prove nothing: a decoy copy scores as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.gates.graph import DATA_TYPES, ELEMENT_BYTES
from release_tool.gates.metadata import parse_metadata
from release_tool.gates.skeleton import CheckpointLike, TensorLike, digest_skeleton
from release_tool.gates.wire import Message, Model, open_model
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.recipe import Recipe

COUNTER = "num_batches_tracked"
"""BatchNorm's training counter: part of a state dict, of no use to inference, never exported."""
CHUNK_BYTES = 1024 * 1024
PRODUCER = "pytorch"


@dataclass(frozen=True, slots=True)
class LineageReport:
    """What the proof has counted: tensors of the checkpoint, those in place, which graph.

    `tied` names the ones that are the same memory of the checkpoint as one in place; `unused` the
    ones that the recipe says the network does not use. These are all.
    """

    tensors: int
    in_place: int
    skeleton: Sha256
    tied: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def check_lineage(
    path: Path, checkpoint: CheckpointLike, recipe: Recipe, *, skeleton: Sha256 | None = None
) -> LineageReport:
    """Check that `path` is skeleton + checkpoint; raises `GateError` that says what is not.

    The skeleton must be the given one, or else the one that the recipe pins for the torch version
    that the model names as its producer; with neither there is nothing to prove against.
    """
    return hold_lineage(open_model(path), checkpoint, recipe, skeleton=skeleton)


def hold_lineage(
    model: Model, checkpoint: CheckpointLike, recipe: Recipe, *, skeleton: Sha256 | None = None
) -> LineageReport:
    """Check a model that is open already, as `check_lineage` does."""
    initializers = graph_of(model.message).all("initializer")
    tensors = {item.name: item for item in checkpoint.tensors if not item.name.endswith(COUNTER)}
    # 1. The names of the checkpoint, but for those that are known to be left out.
    names = [item.one("name", "") for item in initializers]
    tied = find_tied(checkpoint.tensors, names)
    unused = [name for name in tensors if name in recipe.checkpoint.unused]
    check_names(names, [name for name in tensors if name not in {*tied, *unused}])
    # 2. Type, shape and every byte of each.
    for initializer in initializers:
        check_place(initializer, tensors[initializer.one("name")])
    # 3. What the model says about itself is what its recipe and this checkpoint make it say.
    check_metadata(model.message, make_metadata(recipe, checkpoint.digest))
    # 4. What remains of the model without the tensors, their order included, is a known graph.
    found = digest_skeleton(model)
    expected = skeleton or pinned_skeleton(model.message, recipe)
    if found != expected:
        raise GateError(
            f"the graph is not the known one: its skeleton is {found}, expected {expected}",
            hint="every tensor is in place, but the nodes between them differ from the pinned ones",
        )
    return LineageReport(len(tensors), len(names), found, tuple(tied), tuple(unused))


def find_tied(tensors: Iterable[TensorLike], used: Iterable[str]) -> list[str]:
    """Return the names of tensors that are, under another name, the very memory of one in use."""
    names = set(used)
    memory = {item.memory for item in tensors if item.name in names and item.memory}
    return [item.name for item in tensors if item.name not in names and item.memory in memory]


def check_metadata(model: Message, expected: dict[str, str]) -> None:
    """Refuse metadata that is not the expected one, entry by entry and in its order."""
    found = list(parse_metadata(model).items())
    for index, entry in enumerate(expected.items()):
        if index >= len(found) or found[index] != entry:
            actual = repr(found[index])[:160] if index < len(found) else "nothing"
            raise GateError(f"metadata entry {index} should be {entry!r}, and is {actual}")
    if len(found) > len(expected):
        raise GateError(f"the metadata says more than it should: {found[len(expected)][0][:80]!r}")


def graph_of(model: Message) -> Message:
    """Return the model's graph, or refuse a model that has none."""
    graph = model.one("graph")
    if not isinstance(graph, Message):
        raise GateError("the model has no graph")
    return graph


def pinned_skeleton(model: Message, recipe: Recipe) -> Sha256:
    """Return the skeleton that the recipe pins for the toolchain that the model names.

    Believing the model's own word here costs nothing: whatever it names, the graph is a pinned one.
    """
    version = model.one("producer_version", "")
    pinned = recipe.skeleton_for(version) if model.one("producer_name") == PRODUCER else None
    if pinned is None:
        producer = f"{model.one('producer_name', '')} {version}".strip()
        raise GateError(
            f"the recipe {recipe.name} pins no graph for the producer {producer[:80]!r}",
            hint="pin the skeleton's digest in the recipe, or rebuild the model and compare",
        )
    return pinned


def check_names(found: list[str], expected: list[str]) -> None:
    """Compare the names of the initializers with those of the checkpoint."""
    have, want = set(found), set(expected)
    missing = [name for name in expected if name not in have]
    surplus = [name for name in found if name not in want]
    if missing or surplus:
        parts = [
            f"{what} {len(names)} ({', '.join(name[:120] for name in names[:3])})"
            for what, names in (("lacks", missing), ("has in surplus", surplus))
            if names
        ]
        raise GateError(
            f"of the checkpoint's {len(expected)} tensors the model {', '.join(parts)}",
            hint="tensors that the network does not use are named in checkpoint.unused",
        )
    if len(found) != len(expected):
        raise GateError("the model has a tensor of the same name twice")


def check_place(initializer: Message, tensor: TensorLike) -> None:
    """Check one tensor at its place: type, shape, bytes."""
    name = tensor.name[:120]
    if initializer.one("data_type") != DATA_TYPES.get(tensor.dtype):
        raise GateError(f"the tensor {name} is {tensor.dtype} in the checkpoint, not in the model")
    dims = tuple(initializer.all("dims"))
    if dims != tensor.shape:
        raise GateError(
            f"the tensor {name} has shape {dims[:8]} in the model, {tensor.shape} in the checkpoint"
        )
    offset = first_difference(initializer.one("raw_data", memoryview(b"")), tensor.data)
    if offset is not None:
        element = offset // ELEMENT_BYTES[DATA_TYPES[tensor.dtype]]
        raise GateError(f"the tensor {name} differs from the checkpoint's in element {element}")


def first_difference(left: memoryview, right: memoryview) -> int | None:
    """Return the offset of the first byte that differs, or None; pieces keep the memory small."""
    for start in range(0, max(len(left), len(right)), CHUNK_BYTES):
        ours, theirs = (
            bytes(left[start : start + CHUNK_BYTES]),
            bytes(right[start : start + CHUNK_BYTES]),
        )
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
            return start + at
    return None
