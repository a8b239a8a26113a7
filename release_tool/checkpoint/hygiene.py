"""Refuses tensors that torch would load in silence although no training wrote them.

It looks at values only; names and shapes are compared with the network elsewhere.
"""

from collections.abc import Iterable

from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError

COUNTER = "num_batches_tracked"
VARIANCE = "running_var"
CHUNK_BYTES = 4 * 1024 * 1024
# A number is not finite if its exponent bits are all ones. They stand in its last two bytes, under
# these masks; behind them the number's width.
EXPONENTS = {
    "float32": (0x7F, 0x80, 4),
    "float64": (0x7F, 0xF0, 8),
    "float16": (0x7C, 0x00, 2),
    "bfloat16": (0x7F, 0x80, 2),
}


def check_hygiene(tensors: Iterable[Tensor], file_name: str) -> None:
    """Check that all numbers are finite, counters int64, variances not negative."""
    for tensor in tensors:
        counter = tensor.name.endswith(COUNTER)
        if counter and tensor.dtype != "int64":
            raise InputError(f"{file_name}: {tensor.name} is {tensor.dtype} instead of int64")
        if tensor.dtype not in EXPONENTS:
            continue
        if not is_finite(tensor.data, tensor.dtype):
            raise InputError(f"{file_name}: {tensor.name} has values that are not finite")
        width = EXPONENTS[tensor.dtype][2]
        if tensor.name.endswith(VARIANCE) and not bytes(tensor.data[width - 1 :: width]).isascii():
            raise InputError(f"{file_name}: {tensor.name} has a negative variance")


def is_finite(data: memoryview, dtype: str = "float32") -> bool:
    """Tell whether little-endian numbers are all finite, without numpy."""
    high, low, width = EXPONENTS[dtype]
    ones_high = bytes(byte & high == high for byte in range(256))
    ones_low = bytes(byte & low == low for byte in range(256))
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = bytes(data[start : start + CHUNK_BYTES])
        # Large numbers alone have such a byte, so this is nearly always the end of it.
        suspects = int.from_bytes(chunk[width - 1 :: width].translate(ones_high))
        if suspects and suspects & int.from_bytes(chunk[width - 2 :: width].translate(ones_low)):
            return False
    return True
