"""Reads the two containers of torch.save: the pickle in them, and the storages beside it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

from release_tool.checkpoint.archive import read_archive, read_names
from release_tool.checkpoint.formats import LEGACY_MAGIC
from release_tool.checkpoint.pickle_reader import PickleMachine
from release_tool.checkpoint.pickle_values import (
    ELEMENT_BYTES,
    MalformedPickle,
    RefusedGlobal,
    StorageRef,
    TensorRef,
)
from release_tool.core.errors import InputError

MAX_PICKLE_BYTES = 32 * 1024 * 1024
LEGACY_PROTOCOL = 1001
TORCHSCRIPT = re.compile(r"[^/]+/(constants\.pkl|code/.+)")
MAX_STORAGES = 50_000
INTEGERS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Unsigned integers as `memoryview` calls them, by their width in bytes."""
MAX_RUNS = 2_000_000
"""Copies that gathering one tensor may take: a second or two."""


@dataclass(frozen=True, slots=True)
class Unpickled:
    """The value of a checkpoint's pickle, and the bytes of each storage by its key.

    `foreign` are the names of what the pickle asks for beside tensors, of which nothing was made.
    """

    value: Any
    storages: Mapping[str, memoryview]
    foreign: tuple[str, ...] = ()

    def bytes_of(self, tensor: TensorRef) -> memoryview:
        """Return a tensor's bytes; raises `InputError` where its storage is not of its size."""
        storage = tensor.storage
        content = self.storages.get(storage.key)
        width = ELEMENT_BYTES[storage.dtype]
        if content is None:
            raise InputError(f"the storage {storage.key!r} is missing")
        if len(content) != storage.elements * width:
            raise InputError(
                f"the storage {storage.key!r} has {len(content)} bytes instead of the "
                f"{storage.elements * width} that the pickle claims"
            )
        if not tensor.contiguous:
            return gather(content.cast("B")[tensor.offset * width :], tensor, width)
        start = tensor.offset * width
        return content[start : start + tensor.elements * width]


def gather(content: memoryview, tensor: TensorRef, width: int) -> memoryview:
    """Copy elements that lie otherwise into C order, along the longest dimension at a time."""
    steps = [prod(tensor.shape[place + 1 :]) for place in range(len(tensor.shape))]
    longest = max(range(len(tensor.shape)), key=lambda place: tensor.shape[place])
    others = [place for place in range(len(tensor.shape)) if place != longest]
    if prod(tensor.shape[place] for place in others) > MAX_RUNS:
        raise InputError(
            "the checkpoint has a tensor whose elements lie far apart",
            hint="save it again with every tensor made contiguous",
        )
    gathered = bytearray(tensor.elements * width)
    kind = INTEGERS[width]
    source, target = content.cast(kind), memoryview(gathered).cast(kind)
    size, stride, step = tensor.shape[longest], tensor.stride[longest], steps[longest]
    for index in product(*(range(tensor.shape[place]) for place in others)):
        at = sum(i * tensor.stride[place] for i, place in zip(index, others, strict=True))
        to = sum(i * steps[place] for i, place in zip(index, others, strict=True))
        target[to : to + (size - 1) * step + 1 : step] = source[
            at : at + (size - 1) * stride + 1 : stride
        ]
    return memoryview(gathered)


def read_zip(content: memoryview) -> Unpickled:
    """Read the format that torch.save has written since 1.6."""
    if any(TORCHSCRIPT.fullmatch(name) for name in read_names(content)):
        raise InputError(
            "this is a TorchScript archive, a program and not a checkpoint",
            hint="export its state dict with torch.save(module.state_dict(), …)",
        )
    members = read_archive(content)
    roots = {name.split("/")[0] for name in members}
    if len(roots) != 1:
        raise InputError("this is a zip, but not one that torch.save wrote")
    root = roots.pop()
    if f"{root}/data.pkl" not in members:
        raise InputError("this is a zip, but not one that torch.save wrote")
    if bytes(members.get(f"{root}/byteorder", memoryview(b"little"))[:16]) != b"little":
        raise InputError("the checkpoint was written in big-endian byte order")
    machine = PickleMachine(bounded(members[f"{root}/data.pkl"]))
    value = machine.run()
    prefix = f"{root}/data/"
    storages = {
        name.removeprefix(prefix): member
        for name, member in members.items()
        if name.startswith(prefix)
    }
    return Unpickled(value, storages, tuple(machine.foreign))


def bounded(pickle: memoryview) -> memoryview:
    """Refuse a pickle larger than any state dict's."""
    if len(pickle) > MAX_PICKLE_BYTES:
        raise MalformedPickle("the pickle is larger than a state dict can be")
    return pickle


def read_legacy(content: memoryview) -> Unpickled:
    """Read the format before torch 1.6: five pickles, then the storages one after the other."""
    machine = PickleMachine(content[:MAX_PICKLE_BYTES], at=len(LEGACY_MAGIC))
    if machine.run() != LEGACY_PROTOCOL:
        raise InputError("the checkpoint is of an unknown legacy protocol")
    match machine.run():
        case {"little_endian": True}:
            pass
        case _:
            raise InputError("the checkpoint was written in big-endian byte order")
    value = machine.run()
    keys = machine.run()
    if not isinstance(keys, list) or len(keys) > MAX_STORAGES:
        raise MalformedPickle("the list of storages is damaged")
    storages = read_storages(content, machine.at, keys, machine.storages)
    return Unpickled(value, storages, tuple(machine.foreign))


def read_storages(
    content: memoryview, at: int, keys: list[Any], known: Mapping[str, StorageRef]
) -> dict[str, memoryview]:
    """Read each storage: its number of elements (8 bytes), then the elements."""
    storages: dict[str, memoryview] = {}
    for key in keys:
        storage = known.get(key) if isinstance(key, str) else None
        if storage is None or key in storages:
            raise MalformedPickle("the list of storages has one that no tensor uses, or one twice")
        elements = int.from_bytes(content[at : at + 8], "little", signed=True)
        at += 8
        if elements != storage.elements:
            raise InputError(
                f"the storage {key[:64]!r} has {elements} elements instead of the "
                f"{storage.elements} that the pickle claims, or is cut off"
            )
        length = elements * ELEMENT_BYTES[storage.dtype]
        if length > len(content) - at:
            raise InputError("the checkpoint is cut off in the middle of its tensors")
        storages[key] = content[at : at + length]
        at += length
    if at != len(content):
        raise InputError(f"the checkpoint has {len(content) - at} bytes behind its last tensor")
    return storages


def read_bare(content: memoryview) -> Unpickled:
    """Read a pickle in no container, only to say what it asks for: there are no tensors in it."""
    machine = PickleMachine(content[:MAX_PICKLE_BYTES])
    try:
        machine.run()
    finally:
        refuse_foreign(machine.foreign)
    raise MalformedPickle("it holds no tensors")


def refuse_foreign(names: Iterable[str]) -> None:
    """Refuse a file that has no tensors where they belong, by what it asks for instead."""
    for name in names:
        raise RefusedGlobal(
            f"the pickle asks for {name!r}, which could run code; nothing of it was loaded",
            hint="take a checkpoint that holds a state dict, whatever else is in it",
        )
