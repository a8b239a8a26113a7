"""Puts a network of one working size behind an interface of any size.

It runs in the worker only.
"""

from typing import Any

import torch
from torch.nn.functional import interpolate

from release_tool.core.errors import InputError
from release_tool.recipes.working import WorkingSize


class AtWorkingSize(torch.nn.Module):
    """A network that is given pictures [N, C, H, W] resized, and whose maps are resized back."""

    def __init__(self, network: torch.nn.Module, size: WorkingSize) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def forward(self, picture: torch.Tensor) -> Any:
        """Return what the network returns, every map of it at the picture's size."""
        if picture.dim() != 4:
            raise InputError("a working size is of one input, pictures [N, C, H, W]")
        size = (self.size.height, self.size.width)
        small = interpolate(picture, size, mode="bilinear", antialias=self.size.antialias)
        return self.restore(self.network(small), picture)

    def restore(self, returned: Any, picture: torch.Tensor) -> Any:
        """Resize maps back, in whatever they are returned."""
        if isinstance(returned, dict):
            return {key: self.restore(each, picture) for key, each in returned.items()}
        if isinstance(returned, list | tuple):
            return tuple(self.restore(each, picture) for each in returned)
        if not isinstance(returned, torch.Tensor) or returned.dim() != 4:
            raise InputError("a working size is of a network that returns maps [N, C, H, W]")
        return interpolate(returned, picture.shape[2:], mode="bilinear")
