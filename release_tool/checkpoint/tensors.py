"""A tensor as a named run of bytes, and the digest over tensors that no container changes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from release_tool.core.digest import Sha256


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One entry of a state dict: `data` are its little-endian elements in C order.

    `memory` is the same for two names of one tensor.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview
    memory: str = ""


def digest_tensors(tensors: Iterable[Tensor]) -> Sha256:
    """Hash names, types, shapes and bytes in state-dict order (SHA-256).

    What is hashed, for each tensor: one line `<name> <dtype> <d0>x<d1>… <bytes>` in UTF-8 with a
    line feed (a scalar's shape is `scalar`; names contain no space), then its bytes. So the same
    tensors give the same digest from a zip, a legacy file or a nest, under any file name.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        shape = "x".join(str(size) for size in tensor.shape) or "scalar"
        digest.update(f"{tensor.name} {tensor.dtype} {shape} {len(tensor.data)}\n".encode())
        digest.update(tensor.data)
    return Sha256(digest.hexdigest())
