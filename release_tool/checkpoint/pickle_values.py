"""The few values that a checkpoint's pickle may be made of, each checked when it is built.

What builds them, opcode by opcode, is the machine in `pickle_reader`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from release_tool.core.errors import InputError

MAX_DIMENSIONS = 16

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
ELEMENT_BYTES = {
    "float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2,
    "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip


class RefusedGlobal(InputError):
    """Where tensors belong stands something that would be imported, so it could run code."""


class MalformedPickle(InputError):
    """The bytes are no pickle, or one with more in it than tensors and plain values."""


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle asks for; nothing of that name is ever looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """What stands for a value of another kind than tensors are made of: only what would make it."""

    name: str


@dataclass(frozen=True, slots=True)
class StorageRef:
    """A flat run of `elements` numbers that lies outside the pickle under `key`."""

    key: str
    dtype: str
    elements: int


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A piece of a storage; `offset` and `stride` count elements, and no two places are one."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    elements: int

    @property
    def memory(self) -> str:
        """What is the same for two names of one tensor, and for no two tensors."""
        return f"{self.storage.key}+{self.offset}{self.shape}{self.stride}"

    @property
    def contiguous(self) -> bool:
        """Tell whether the elements lie in C order, one after the other."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and step != expected:
                return False
            expected *= size
        return True


def put(target: dict[Any, Any], key: Any, value: Any) -> None:
    """Put one pair into a dictionary, if its key is plain, so that hashing cannot run away."""
    if not isinstance(key, str | int):
        return
    if key in target:
        raise MalformedPickle(f"the pickle has the key {str(key)[:120]!r} twice")
    target[key] = value


def make_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Build an OrderedDict from nothing, or from a list of pairs (as Python 2 wrote it)."""
    result: dict[Any, Any] = {}
    match arguments:
        case ():
            return result
        case (list(pairs),):
            for pair in pairs:
                match pair:
                    case (key, value):
                        put(result, key, value)
                    case _:
                        raise MalformedPickle("the pickle has a dictionary of odd entries")
            return result
    raise MalformedPickle("the pickle builds a dictionary from something odd")


def make_tensor(arguments: tuple[Any, ...]) -> TensorRef:
    """Build a tensor from (storage, offset, shape, stride, …), all bounds checked."""
    match arguments:
        case (StorageRef() as storage, int(offset), tuple(shape), tuple(stride), *_):
            pass
        case _:
            raise MalformedPickle("the pickle builds a tensor from something odd")
    sizes = (*shape, *stride)
    if len(shape) > MAX_DIMENSIONS or len(shape) != len(stride):
        raise MalformedPickle("the pickle has a tensor of odd dimensions")
    if any(type(size) is not int or not 0 <= size < 2**40 for size in (*sizes, offset)):
        raise MalformedPickle("the pickle has a tensor of impossible size")
    elements = prod(shape)
    # Permuted dimensions, such as channels last, are read; places that are one place are not.
    reach = 1
    for step, size in sorted((step, size) for size, step in zip(shape, stride, strict=True)):
        if size > 1 and step < reach:
            raise MalformedPickle(
                "the pickle has a tensor that lies on itself",
                hint="save the checkpoint again with every tensor made contiguous",
            )
        reach = max(reach, step * (size - 1) + 1) if size > 1 else reach
    if elements == 0 or offset + reach > storage.elements:
        raise MalformedPickle(
            f"the pickle has a tensor of {elements} elements at {offset} in a storage of "
            f"{storage.elements}"
        )
    return TensorRef(storage, offset, shape, stride, elements)


def make_parameter(arguments: tuple[Any, ...]) -> TensorRef:
    """Take the tensor out of a Parameter."""
    match arguments:
        case (TensorRef() as tensor, *_):
            return tensor
    raise MalformedPickle("the pickle builds a parameter from something odd")


CALLS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": make_dict,
    "torch._utils._rebuild_tensor": make_tensor,
    "torch._utils._rebuild_tensor_v2": make_tensor,
    "torch._utils._rebuild_parameter": make_parameter,
    "torch.nn.parameter.Parameter": make_parameter,
}
