"""Holds a checkpoint's tensors against a network, and loads them bit for bit.

It runs in the worker only.
"""

from collections.abc import Iterable

import torch

from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError

COUNTER = "num_batches_tracked"
DTYPES = {
    "float32": torch.float32, "float64": torch.float64, "float16": torch.float16,
    "bfloat16": torch.bfloat16, "int64": torch.int64, "int32": torch.int32, "int16": torch.int16,
    "int8": torch.int8, "uint8": torch.uint8, "bool": torch.bool,
}  # fmt: skip


def state_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's state dict as the very tensors that it computes with."""
    return dict(network.state_dict(keep_vars=True))


def check_fit(
    network: torch.nn.Module, tensors: Iterable[Tensor], name: str, expected: int | None
) -> None:
    """Check a checkpoint's names, types and shapes against the network; raises `InputError`.

    Training counters (`num_batches_tracked`) may be missing, as torch 0.4.0 did not write them,
    and of two names of one tensor one. `expected` is the recipe's number of tensors, if it has one.
    """
    wanted = state_of(network)
    given = {tensor.name: tensor for tensor in tensors}
    there = {id(wanted[each]) for each in given if each in wanted}
    missing = [
        each for each in wanted if id(wanted[each]) not in there and not each.endswith(COUNTER)
    ]
    surplus = [each for each in given if each not in wanted]
    if missing or surplus:
        raise InputError(
            f"the checkpoint is not {name}'s: "
            f"{counted(missing, 'missing')}, {counted(surplus, 'surplus')}",
            hint=advise_prefix(list(given), list(wanted)),
        )
    for each, tensor in given.items():
        check_tensor(tensor, wanted[each], name)
    found = sum(not each.endswith(COUNTER) for each in given)
    if expected is not None and found != expected:
        raise InputError(f"the checkpoint has {found} tensors, the recipe {expected}")


def check_tensor(tensor: Tensor, wanted: torch.Tensor, name: str) -> None:
    """Check one tensor's shape, and that it is of numbers where the network wants numbers."""
    if tensor.shape != tuple(wanted.shape):
        raise InputError(
            f"the checkpoint is not {name}'s: {tensor.name} has shape {tensor.shape} "
            f"instead of {tuple(wanted.shape)}"
        )
    found = DTYPES[tensor.dtype]
    if found != wanted.dtype and not (found.is_floating_point and wanted.is_floating_point()):
        kind = str(wanted.dtype).removeprefix("torch.")
        raise InputError(
            f"the checkpoint is not {name}'s: {tensor.name} is {tensor.dtype} instead of {kind}"
        )


def advise_prefix(given: list[str], wanted: list[str]) -> str | None:
    """Say which prefix the names have, where without it they would fit."""
    prefix = find_prefix(given, wanted)
    if not prefix:
        return None
    return (
        f"the network's names begin with {prefix!r}: "
        f'write prefix = "{prefix}" into [checkpoint.state_dict]'
    )


def find_prefix(given: list[str], wanted: list[str]) -> str:
    """Return what stands before all names of a network in a checkpoint, or nothing."""
    needed = {name for name in wanted if not name.endswith(COUNTER)}
    if needed <= set(given):
        return ""
    known = next(iter(sorted(needed, key=len, reverse=True)), "")
    for name in given:
        prefix = name.removesuffix(known)
        if (
            known
            and prefix != name
            and needed <= {each.removeprefix(prefix) for each in given if each.startswith(prefix)}
        ):
            return prefix
    return ""


def load_tensors(network: torch.nn.Module, tensors: Iterable[Tensor]) -> None:
    """Give a network the tensors of a checkpoint that fits, in the checkpoint's own types."""
    state = state_of(network)
    loaded: dict[int, Tensor] = {}
    with torch.no_grad():
        for tensor in tensors:
            place = state[tensor.name]
            other = loaded.setdefault(id(place), tensor)
            if other.data != tensor.data:
                raise InputError(
                    f"{other.name} and {tensor.name} are one tensor of the network, and the "
                    "checkpoint has different values for them"
                )
            place.data = as_torch(tensor)


def as_torch(tensor: Tensor) -> torch.Tensor:
    """Copy a tensor's bytes to where torch may write."""
    copy = bytearray(tensor.data)
    if not copy:
        return torch.empty(tensor.shape, dtype=DTYPES[tensor.dtype])
    return torch.frombuffer(copy, dtype=DTYPES[tensor.dtype]).reshape(tensor.shape)


def counted(names: list[str], what: str) -> str:
    """Say how many names there are, and the first of them."""
    examples = f" ({', '.join(names[:3])})" if names else ""
    return f"{len(names)} {what}{examples}"
