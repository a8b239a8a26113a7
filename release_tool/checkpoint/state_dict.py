"""Finds the state dict in what a checkpoint's pickle holds, and gives its tensors plain names."""

from typing import Any

from release_tool.checkpoint.pickle_values import TensorRef
from release_tool.checkpoint.storages import Unpickled
from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError

NESTS = ("state_dict", "model_state_dict", "model", "net")
MAX_NESTING = 3
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` put before every name."""
MAX_TENSORS = 20_000
MAX_NAME_LENGTH = 256


def find_state_dict(unpickled: Unpickled) -> tuple[Tensor, ...]:
    """Return the tensors in state-dict order, prefixes of wrappers and nests removed."""
    entries = unwrap(unpickled.value)
    if not isinstance(entries, dict) or not entries:
        raise InputError("the checkpoint holds no state dict")
    if len(entries) > MAX_TENSORS:
        raise InputError(f"the checkpoint holds more than {MAX_TENSORS} tensors")
    names = plain_names(entries)
    tensors = []
    total = 0
    for name, reference in zip(names, entries.values(), strict=True):
        if not isinstance(reference, TensorRef):
            raise InputError(f"the checkpoint's entry {name!r} is not a tensor")
        content = unpickled.bytes_of(reference)
        total += len(content)
        memory = f"{reference.storage.key}+{reference.offset}{reference.shape}"
        tensors.append(Tensor(name, reference.storage.dtype, reference.shape, content, memory))
    # Tensors that share storages could add up to far more than the file holds.
    if total > sum(len(storage) for storage in unpickled.storages.values()):
        raise InputError("the checkpoint has tensors that overlap in their storages")
    return tuple(tensors)


def unwrap(value: Any) -> Any:
    """Take the state dict out of `{"state_dict": …}` and its like."""
    for _ in range(MAX_NESTING):
        if not isinstance(value, dict):
            break
        nest = next((key for key in NESTS if isinstance(value.get(key), dict)), None)
        if nest is None:
            break
        check_unique(value)
        value = value[nest]
    return value


def check_unique(value: dict[Any, Any]) -> None:
    """Refuse to choose between two state dicts, such as a network's and its moving average's."""
    found = [
        str(key)
        for key, inner in value.items()
        if isinstance(inner, dict) and any(isinstance(each, TensorRef) for each in inner.values())
    ]
    if len(found) > 1:
        raise InputError(
            f"the checkpoint holds {len(found)} state dicts: {', '.join(found)[:200]}",
            hint="save the one that is meant, alone, with torch.save",
        )


def plain_names(entries: dict[Any, Any]) -> list[str]:
    """Return the names without the prefixes of wrappers, each a short printable word."""
    names = []
    for key in entries:
        if not isinstance(key, str) or not 0 < len(key) <= MAX_NAME_LENGTH:
            raise InputError("the checkpoint has an entry without a usable name")
        if not key.isprintable() or " " in key:
            raise InputError(f"the checkpoint has an entry with an odd name: {key!r}")
        names.append(key)
    while prefix := shared_wrapper(names):
        names = [name.removeprefix(prefix) for name in names]
    if "" in names:
        raise InputError("the checkpoint has an entry without a usable name")
    return names


def shared_wrapper(names: list[str]) -> str | None:
    """Return the wrapper's prefix that every name has."""
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in names):
            return prefix
    return None
