"""Runs an exported saliency network: a picture in, a map out; it judges nothing."""

from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import onnxruntime

from release_tool.core.errors import GateError, InputError
from release_tool.core.files import read_limited
from release_tool.evaluate.pictures import Floats

MAX_MODEL_BYTES = 512 * 1024 * 1024
QUIET = 4
"""Of ONNX Runtime's levels, the one that logs fatal errors alone."""


class Network:
    """A model with one input [1, C, H, W] and one map [1, 1, H, W], loaded once."""

    def __init__(self, session: Any, name: str) -> None:
        self.session = session
        self.name = name
        self.input = session.get_inputs()[0]

    @classmethod
    def open(cls, path: Path, input_name: str | None = None) -> Self:
        """Load a model; raises `InputError` for what is none, or has another interface."""
        content = read_limited(path, MAX_MODEL_BYTES)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        # What a run took is given back after it, or no run could be measured by itself.
        options.enable_cpu_mem_arena = False
        try:
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has no class of its own for its errors
            raise InputError(f"{path} is no model that runs: {first_line(error)}") from error
        network = cls(session, path.name)
        network.check_interface(input_name)
        return network

    def check_interface(self, input_name: str | None) -> None:
        """Check that there is one input of pictures and one output of maps."""
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        shapes = [item.shape for item in (*inputs, *outputs)]
        if len(inputs) != 1 or len(outputs) != 1 or any(len(shape) != 4 for shape in shapes):
            found = ", ".join(f"{item.name} {item.shape}" for item in (*inputs, *outputs))
            raise InputError(
                f"{self.name} is no saliency network: expected one input [1, 3, H, W] and one "
                f"output [1, 1, H, W], got {found}"
            )
        if input_name is not None and self.input.name != input_name:
            raise InputError(f"the input of {self.name} is {self.input.name}, not {input_name}")
        if self.input.type != "tensor(float)" or self.input.shape[1] != 3:
            raise InputError(f"{self.name} takes {self.input.type} {self.input.shape}")

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width where the model takes no other, or None."""
        height, width = self.input.shape[2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def run(self, prepared: Floats) -> Floats:
        """Turn a prepared picture [H, W, 3] into its map [H, W]; raises `GateError`."""
        given = prepared.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        try:
            (found,) = self.session.run(None, {self.input.name: given})
        except Exception as error:  # as above
            raise GateError(
                f"{self.name} does not run on {given.shape[2]}x{given.shape[3]}: "
                f"{first_line(error)}"
            ) from error
        if found.shape != (1, 1, *given.shape[2:]) or not np.isfinite(found).all():
            raise GateError(f"{self.name} makes no map of {given.shape[2:]}: {found.shape}")
        return cast("Floats", found[0, 0].astype(np.float64))


def first_line(error: Exception) -> str:
    """Say in one line what ONNX Runtime objected to."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
