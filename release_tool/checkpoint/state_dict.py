"""Finds the state dict in what a checkpoint holds, and gives its tensors plain names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from release_tool.checkpoint.pickle_values import ELEMENT_BYTES, Foreign, TensorRef
from release_tool.checkpoint.storages import Unpickled, refuse_foreign
from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError
from release_tool.recipes.recipe import StateDictPlace

MAX_NESTING = 3
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` put before every name."""
MAX_TENSORS = 20_000
MAX_SHARING = 4
MAX_NAME_LENGTH = 256
Entries = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class StateDict:
    """The tensors of a state dict in its order, where it was found, and what lies beside it.

    `beside` names what else the file holds, `foreign` what it asks for beside tensors.
    """

    tensors: tuple[Tensor, ...]
    place: StateDictPlace
    beside: tuple[str, ...]
    foreign: tuple[str, ...]


def find_state_dict(unpickled: Unpickled, place: StateDictPlace) -> StateDict:
    """Return the state dict at a place, or the only one there is, prefixes of wrappers removed."""
    key, entries = choose(unpickled, place.key)
    if len(entries) > MAX_TENSORS:
        raise InputError(f"the checkpoint holds more than {MAX_TENSORS} tensors")
    names = plain_names(entries)
    prefix = shared_wrappers(list(names)) if place.prefix is None else place.prefix
    chosen = {name[len(prefix) :]: each for name, each in names.items() if name.startswith(prefix)}
    if "" in chosen:
        raise InputError("the checkpoint has an entry without a usable name")
    if not chosen:
        first = ", ".join(list(names)[:3])
        raise InputError(f"the checkpoint has no names that begin with {prefix!r}; it has {first}")
    left = [name for name in names if not name.startswith(prefix)]
    value = unpickled.value
    beside = [str(each) for each in value if str(each) != key.partition(".")[0]] if key else []
    return StateDict(
        read_tensors(unpickled, chosen),
        StateDictPlace(key or None, prefix or None),
        (*left, *beside),
        unpickled.foreign,
    )


def read_tensors(unpickled: Unpickled, entries: Entries) -> tuple[Tensor, ...]:
    """Read the tensors of a state dict; raises `InputError` for an entry that is something else."""
    for name, reference in entries.items():
        if isinstance(reference, Foreign):
            raise InputError(
                f"the checkpoint's entry {name!r} is made by {reference.name[:120]!r}, "
                "not a plain tensor"
            )
        if not isinstance(reference, TensorRef):
            raise InputError(f"the checkpoint's entry {name!r} is not a tensor")
    # Tensors that share storages could add up to far more than the file holds; a few may.
    held = sum(len(storage) for storage in unpickled.storages.values())
    named = sum(each.elements * ELEMENT_BYTES[each.storage.dtype] for each in entries.values())
    if named > MAX_SHARING * held:
        raise InputError("the checkpoint has tensors that overlap in their storages")
    return tuple(
        Tensor(name, each.storage.dtype, each.shape, unpickled.bytes_of(each), each.memory)
        for name, each in entries.items()
    )


def choose(unpickled: Unpickled, key: str | None) -> tuple[str, Entries]:
    """Return the state dict under a key, or else the one that lies least deep, and its key."""
    if key is not None:
        return key, look_up(unpickled.value, key)
    for depth in range(MAX_NESTING + 1):
        found = dict(candidates(unpickled.value, depth))
        if len(found) > 1:
            raise InputError(
                f"the checkpoint holds {len(found)} state dicts: {', '.join(found)[:200]}",
                hint=f'say which one: key = "{next(iter(found))}" in [checkpoint.state_dict]',
            )
        if found:
            return next(iter(found.items()))
    refuse_foreign(unpickled.foreign)
    raise InputError("the checkpoint holds no state dict")


def candidates(value: Any, depth: int, path: str = "") -> Iterator[tuple[str, Entries]]:
    """Yield what is mostly tensors by name, so many levels deep, with its dotted key."""
    if not isinstance(value, dict):
        return
    if depth == 0:
        tensors = sum(isinstance(each, TensorRef) for each in value.values())
        if 2 * tensors > len(value):
            yield path, value
        return
    for key, inner in value.items():
        if isinstance(key, str):
            yield from candidates(inner, depth - 1, f"{path}.{key}" if path else key)


def look_up(value: Any, key: str) -> Entries:
    """Return the dictionary under a dotted key, whose parts may have dots of their own."""
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        head = ".".join(parts[:end])
        if isinstance(value, dict) and head in value:
            if end < len(parts):
                return look_up(value[head], ".".join(parts[end:]))
            if isinstance(value[head], dict) and value[head]:
                found: Entries = value[head]
                return found
    there = ", ".join(str(each) for each in value)[:200] if isinstance(value, dict) else "none"
    raise InputError(
        f"the checkpoint has no state dict under the key {key!r}; there are the keys {there}"
    )


def plain_names(entries: Entries) -> Entries:
    """Check the names of a state dict, each a short printable word."""
    for key in entries:
        if not isinstance(key, str) or not 0 < len(key) <= MAX_NAME_LENGTH:
            raise InputError("the checkpoint has an entry without a usable name")
        if not key.isprintable() or " " in key:
            raise InputError(f"the checkpoint has an entry with an odd name: {key!r}")
    return entries


def shared_wrappers(names: list[str]) -> str:
    """Return the prefix that every name has from the wrappers around the network."""
    prefix = ""
    while more := [
        each for each in WRAPPERS if all(name.startswith(prefix + each) for name in names)
    ]:
        prefix += more[0]
    return prefix
