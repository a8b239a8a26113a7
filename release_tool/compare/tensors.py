"""Compares the tensors of two models: which differ, and by how much, in bounded memory.

Needs numpy for the amounts, and neither torch nor onnx; what a model computes is not looked at.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from release_tool.core.errors import InputError
from release_tool.gates.graph import ELEMENT_BYTES
from release_tool.gates.wire import Message, Model

if TYPE_CHECKING:
    import numpy as np

CHUNK_BYTES = 4 * 1024 * 1024
# TensorProto.DataType -> numpy's name of the element; ONNX stores little-endian (onnx.proto).
NUMPY_TYPES = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
BFLOAT16 = 16


@dataclass(frozen=True, slots=True)
class TensorChange:
    """How one tensor differs: `differing` of its `elements`, with other bytes.

    `largest` is the largest absolute difference, `squares` the sum of the squared differences and
    `before` that of the squared elements of the first model; only elements that are finite in
    both models count in these three. `not_finite` counts the others.
    """

    name: str
    elements: int
    differing: int
    largest: float
    squares: float
    before: float
    not_finite: int

    @property
    def relative(self) -> float | None:
        """The norm of the difference over that of the first model's tensor; None where it is 0."""
        return math.sqrt(self.squares / self.before) if self.before else None

    @property
    def layer(self) -> str:
        """The name without its last part, such as `stage1.rebnconvin.conv_s1`."""
        return self.name.rpartition(".")[0] or self.name


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """Which tensors are equal byte for byte, changed, reshaped, or in one of the models alone."""

    equal: int
    changed: tuple[TensorChange, ...]
    reshaped: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def layers(self) -> tuple[TensorChange, ...]:
        """The changed tensors of each layer taken together, in the order of the first model."""
        layers: dict[str, list[TensorChange]] = {}
        for change in self.changed:
            layers.setdefault(change.layer, []).append(change)
        return tuple(join(name, changes) for name, changes in layers.items())


def join(name: str, changes: list[TensorChange]) -> TensorChange:
    """Add up what changed in several tensors."""
    return TensorChange(
        name,
        elements=sum(change.elements for change in changes),
        differing=sum(change.differing for change in changes),
        largest=max(change.largest for change in changes),
        squares=sum(change.squares for change in changes),
        before=sum(change.before for change in changes),
        not_finite=sum(change.not_finite for change in changes),
    )


def compare_tensors(ours: Model, theirs: Model) -> TensorDifference:
    """Compare the initializers of two models by their names.

    Raises `InputError` where numbers must be compared and numpy is not installed.
    """
    left, right = initializers(ours), initializers(theirs)
    equal, changed, reshaped = 0, [], []
    for name in left:
        if name not in right:
            continue
        a, b = left[name], right[name]
        if (kind_of(a), a.all("dims")) != (kind_of(b), b.all("dims")):
            reshaped.append(f"{name}: {describe(a)} to {describe(b)}")
        elif same_bytes(raw(a), raw(b)):
            equal += 1
        else:
            changed.append(measure(name, a, b))
        forget_pages(ours)
        forget_pages(theirs)
    return TensorDifference(
        equal,
        tuple(changed),
        tuple(reshaped),
        removed=tuple(name for name in left if name not in right),
        added=tuple(name for name in right if name not in left),
    )


def initializers(model: Model) -> dict[str, Message]:
    """Map the names of a model's tensors to them."""
    graph = model.message.one("graph")
    tensors = graph.all("initializer") if isinstance(graph, Message) else []
    return {tensor.one("name", ""): tensor for tensor in tensors}


def kind_of(tensor: Message) -> int:
    """Return the element type, a number of `TensorProto.DataType`."""
    kind: int = tensor.one("data_type", 0)
    return kind


def raw(tensor: Message) -> memoryview:
    """Return the bytes of a tensor."""
    content: memoryview = tensor.one("raw_data", memoryview(b""))
    return content


def describe(tensor: Message) -> str:
    """Write shape and element type for people."""
    kind = NUMPY_TYPES.get(kind_of(tensor), f"type {kind_of(tensor)}").lstrip("<")
    return f"{kind}[{','.join(map(str, tensor.all('dims')))}]"


def pieces(a: memoryview, b: memoryview) -> Iterator[tuple[memoryview, memoryview]]:
    """Cut two tensors of one size into pieces at the same places."""
    for start in range(0, max(len(a), len(b)), CHUNK_BYTES):
        yield a[start : start + CHUNK_BYTES], b[start : start + CHUNK_BYTES]


def same_bytes(a: memoryview, b: memoryview) -> bool:
    """Tell whether two tensors are equal byte for byte."""
    return len(a) == len(b) and all(bytes(x) == bytes(y) for x, y in pieces(a, b))


def measure(name: str, ours: Message, theirs: Message) -> TensorChange:
    """Measure how far two tensors of one type and shape are apart."""
    a, b, kind = raw(ours), raw(theirs), kind_of(ours)
    size = ELEMENT_BYTES.get(kind, 0)
    if not size or len(a) != len(b) or len(a) % size:
        raise InputError(f"the tensor {name[:120]!r} has bytes that do not fit its element type")
    measured = [measure_piece(name, kind, x, y) for x, y in pieces(a, b)]
    return join(name, measured)


def measure_piece(name: str, kind: int, ours: memoryview, theirs: memoryview) -> TensorChange:
    """Measure one piece of two tensors, in float64."""
    numpy = load_numpy()
    a, b = elements(numpy, kind, ours), elements(numpy, kind, theirs)
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    before, after = a[finite].astype("f8"), b[finite].astype("f8")
    change = after - before
    words = f"u{ELEMENT_BYTES[kind]}"
    differs = numpy.frombuffer(ours, words) != numpy.frombuffer(theirs, words)
    return TensorChange(
        name,
        elements=a.size,
        differing=int(numpy.count_nonzero(differs)),
        largest=float(numpy.abs(change).max(initial=0.0)),
        squares=float(change @ change),
        before=float(before @ before),
        not_finite=int(a.size - before.size),
    )


def elements(numpy: Any, kind: int, content: memoryview) -> "np.ndarray[Any, Any]":
    """See the bytes of a tensor as numbers; bfloat16 is the upper half of a float32."""
    if kind == BFLOAT16:
        words = numpy.frombuffer(content, "<u2").astype("<u4") << 16
        halves: np.ndarray[Any, Any] = words.view("<f4")
        return halves
    numbers: np.ndarray[Any, Any] = numpy.frombuffer(content, NUMPY_TYPES[kind])
    return numbers


def load_numpy() -> Any:
    """Import numpy, which a consumer need not have."""
    try:
        import numpy  # noqa: ICN001, PLC0415  (only where tensors differ)
    except ImportError as error:
        raise InputError(
            "measuring how far tensors differ needs numpy",
            hint="pip install numpy",
        ) from error
    return numpy


def forget_pages(model: Model) -> None:
    """Let the system take back what was read of a mapped file, so that memory stays bounded."""
    mapped = model.content.obj
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
