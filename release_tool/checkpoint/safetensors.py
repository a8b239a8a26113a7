"""Reads a safetensors file: a table of names in JSON, then the tensors one after the other.

https://github.com/huggingface/safetensors (README, "Format"). Nothing in such a file can be run.
"""

from math import prod
from typing import Any

from release_tool.checkpoint.pickle_values import ELEMENT_BYTES, StorageRef, TensorRef
from release_tool.checkpoint.storages import Unpickled
from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_DIMENSIONS = 16
METADATA = "__metadata__"
TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read_safetensors(content: memoryview) -> Unpickled:
    """Read a safetensors file as a state dict in the order of its table; raises `InputError`.

    The tensors must fill the file without a gap, as the format demands.
    """
    length = int.from_bytes(content[:8], "little")
    if length > min(MAX_HEADER_BYTES, len(content) - 8):
        raise InputError("the table of the safetensors file is too long, or the file is cut off")
    table = parse_json_object(bytes(content[8 : 8 + length]).rstrip(b" "), "the table of tensors")
    table.pop(METADATA, None)
    tensors, spans = {}, []
    for name, entry in table.items():
        tensors[name], start, stop = read_entry(name, entry)
        spans.append((start, stop, name))
    at, body = 0, content[8 + length :]
    for start, stop, name in sorted(spans):
        if start != at:
            raise InputError(f"the tensor {name[:120]!r} does not begin where the last one ends")
        at = stop
    if at != len(body):
        raise InputError(f"the tensors end at byte {at} of {len(body)}, or the file is cut off")
    return Unpickled(tensors, {name: body[start:stop] for start, stop, name in spans})


def read_entry(name: str, entry: Any) -> tuple[TensorRef, int, int]:
    """Read one line of the table: a tensor, and where its bytes begin and end."""
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(start), int(stop)]}:
            dtype = TYPES.get(kind)
        case _:
            raise InputError(f"the tensor {name[:120]!r} is described oddly")
    if dtype is None:
        raise InputError(f"the tensor {name[:120]!r} has the element type {kind[:20]!r}")
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or not 0 < n < 2**40 for n in shape):
        raise InputError(f"the tensor {name[:120]!r} has an impossible shape")
    elements = prod(shape)
    if not 0 <= start <= stop or stop - start != elements * ELEMENT_BYTES[dtype]:
        raise InputError(f"the tensor {name[:120]!r} has not the bytes of its shape")
    steps = tuple(prod(shape[place + 1 :]) for place in range(len(shape)))
    storage = StorageRef(name, dtype, elements)
    return TensorRef(storage, 0, tuple(shape), steps, elements), start, stop
