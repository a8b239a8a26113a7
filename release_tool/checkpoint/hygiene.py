"""Refuses tensors that torch would load in silence although no training wrote them.

It looks at values only; names and shapes are compared with the network elsewhere.
"""

from collections.abc import Iterable

from release_tool.checkpoint.tensors import Tensor
from release_tool.core.errors import InputError

COUNTER = "num_batches_tracked"
VARIANCE = "running_var"
CHUNK_BYTES = 4 * 1024 * 1024
# A float32 is not finite if its eight exponent bits are ones: the low seven of the last byte and
# the high one of the byte before. These tables keep exactly that bit of information.
EXPONENT_HIGH = bytes(byte & 0x7F == 0x7F for byte in range(256))
EXPONENT_LOW = bytes(byte >> 7 for byte in range(256))


def check_hygiene(tensors: Iterable[Tensor], file_name: str) -> None:
    """Check that all tensors are finite float32, counters int64, variances not negative."""
    for tensor in tensors:
        counter = tensor.name.endswith(COUNTER)
        wanted = "int64" if counter else "float32"
        if tensor.dtype != wanted:
            raise InputError(f"{file_name}: {tensor.name} is {tensor.dtype} instead of {wanted}")
        if counter:
            continue
        if not is_finite(tensor.data):
            raise InputError(f"{file_name}: {tensor.name} has values that are not finite")
        if tensor.name.endswith(VARIANCE) and not bytes(tensor.data[3::4]).isascii():
            raise InputError(f"{file_name}: {tensor.name} has a negative variance")


def is_finite(data: memoryview) -> bool:
    """Tell whether little-endian float32 numbers are all finite, without numpy."""
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = bytes(data[start : start + CHUNK_BYTES])
        highest = chunk[3::4]
        # Numbers below 1.7e38 never have such a byte, so this is nearly always the end of it.
        if b"\x7f" in highest or b"\xff" in highest:
            suspects = int.from_bytes(highest.translate(EXPONENT_HIGH))
            if suspects & int.from_bytes(chunk[2::4].translate(EXPONENT_LOW)):
                return False
    return True
