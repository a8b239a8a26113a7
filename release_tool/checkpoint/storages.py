"""Reads the two containers of torch.save: the pickle in them, and the storages beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release_tool.checkpoint.archive import read_archive, read_names
from release_tool.checkpoint.formats import LEGACY_MAGIC
from release_tool.checkpoint.pickle_reader import PickleMachine
from release_tool.checkpoint.pickle_values import (
    ELEMENT_BYTES,
    MalformedPickle,
    StorageRef,
    TensorRef,
)
from release_tool.core.errors import InputError

MAX_PICKLE_BYTES = 32 * 1024 * 1024
LEGACY_PROTOCOL = 1001
TORCHSCRIPT = re.compile(r"[^/]+/(constants\.pkl|code/.+)")
MAX_STORAGES = 50_000


@dataclass(frozen=True, slots=True)
class Unpickled:
    """The value of a checkpoint's pickle, and the bytes of each storage by its key."""

    value: Any
    storages: Mapping[str, memoryview]

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
        start = tensor.offset * width
        return content[start : start + tensor.elements * width]


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
    value = PickleMachine(bounded(members[f"{root}/data.pkl"])).run()
    prefix = f"{root}/data/"
    storages = {
        name.removeprefix(prefix): member
        for name, member in members.items()
        if name.startswith(prefix)
    }
    return Unpickled(value, storages)


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
    return Unpickled(value, read_storages(content, machine.at, keys, references(value)))


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
    PickleMachine(content[:MAX_PICKLE_BYTES]).run()
    raise MalformedPickle("it holds no tensors")


def references(value: Any) -> dict[str, StorageRef]:
    """Return every storage that a value refers to, walking each collection once."""
    found: dict[str, StorageRef] = {}
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        match item:
            case dict():
                waiting.extend(item.values())
            case list() | tuple():
                waiting.extend(item)
            case TensorRef():
                storage = item.storage
                if found.setdefault(storage.key, storage) != storage:
                    raise MalformedPickle(f"the storage {storage.key!r} has two descriptions")
            case _:
                pass
    return found
