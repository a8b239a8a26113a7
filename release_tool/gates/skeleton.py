"""Takes a model apart into skeleton and tensors, and puts it together again.

The skeleton is the model with every initializer's `raw_data`, and the metadata, removed: it is the
same for any weights. Nothing here decides whether a skeleton is the right one.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError
from release_tool.gates.wire import (
    Message,
    Model,
    encode_metadata,
    header,
    parse_model,
)

RAW_DATA = 9
Chunk = bytes | memoryview
RawData = Callable[[Message], Chunk | None]


class TensorLike(Protocol):
    """A named tensor whose `data` are its little-endian bytes in C order."""

    @property
    def name(self) -> str:
        """The key in the state dict."""

    @property
    def dtype(self) -> str:
        """Such as `float32`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, outermost first."""

    @property
    def data(self) -> memoryview:
        """The elements."""

    @property
    def memory(self) -> str:
        """What is the same for two names of one tensor, or nothing where that is not known."""


class TensorsLike(Protocol):
    """Whatever holds the tensors of a state dict, in its order."""

    @property
    def tensors(self) -> Sequence[TensorLike]:
        """The tensors, in state-dict order."""


class CheckpointLike(TensorsLike, Protocol):
    """A checkpoint as the gates need it: its tensors, and which file they come from."""

    @property
    def digest(self) -> Sha256:
        """The digest of the checkpoint's file."""


def digest_skeleton(model: Model) -> Sha256:
    """Hash the skeleton of a model that is open already, without touching its tensors."""
    digest = hashlib.sha256()
    for chunk in rebuild(model, lambda _initializer: None):
        digest.update(chunk)
    return Sha256(digest.hexdigest())


def filled(
    skeleton: bytes, checkpoint: TensorsLike, metadata: Mapping[str, str]
) -> Iterator[Chunk]:
    """Put tensors and metadata into a skeleton and yield the model in pieces, uncopied.

    Raises `GateError` where the skeleton names a tensor that the checkpoint does not hold.
    """
    tensors = {tensor.name: tensor.data for tensor in checkpoint.tensors}

    def raw_data(initializer: Message) -> memoryview:
        name = initializer.one("name", "")
        if name not in tensors or initializer.has("raw_data"):
            raise GateError(f"the checkpoint has no tensor for {name[:120]!r} of the skeleton")
        return tensors[name]

    yield from rebuild(parse_model(skeleton), raw_data)
    yield encode_metadata(iter(metadata.items()))


def rebuild(model: Model, raw_data: RawData) -> Iterator[Chunk]:
    """Yield the model without its metadata, with other (or no) bytes in its initializers."""
    for field in model.message.fields:
        if field.name == "graph":
            parts = list(rebuild_graph(model.content, field.value, raw_data))
            yield header(field.number, total(parts))
            yield from parts
        elif field.name != "metadata_props":
            yield model.content[field.start : field.stop]


def rebuild_graph(content: memoryview, graph: Message, raw_data: RawData) -> Iterator[Chunk]:
    """Yield a graph's fields, the initializers with the bytes that `raw_data` gives them."""
    for field in graph.fields:
        if field.name == "initializer":
            parts = list(rebuild_initializer(content, field.value, raw_data(field.value)))
            yield header(field.number, total(parts))
            yield from parts
        else:
            yield content[field.start : field.stop]


def rebuild_initializer(
    content: memoryview, initializer: Message, raw: Chunk | None
) -> Iterator[Chunk]:
    """Yield a tensor's fields in ascending order, `raw_data` (field 9) replaced."""
    others = [field for field in initializer.fields if field.number != RAW_DATA]
    for field in others:
        if field.number < RAW_DATA:
            yield content[field.start : field.stop]
    if raw is not None:
        yield header(RAW_DATA, len(raw))
        yield raw
    for field in others:
        if field.number > RAW_DATA:
            yield content[field.start : field.stop]


def total(parts: Iterable[Chunk]) -> int:
    """Count the bytes of some pieces."""
    return sum(len(part) for part in parts)
