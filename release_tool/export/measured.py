"""What the parity gate measured, as values that can be read without torch."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import msgspec

from release_tool.core.errors import GateError


@dataclass(frozen=True, slots=True)
class Errors:
    """The largest and the mean absolute error of one output against PyTorch in float64."""

    largest: float
    mean: float

    def __str__(self) -> str:
        return f"{self.largest:.1e} (mean {self.mean:.1e})"


@dataclass(frozen=True, slots=True)
class InputParity:
    """One input: the errors of PyTorch in float32 and of ONNX Runtime, and what the latter may be.

    `source` is a picture's path in upstream's tree, or "drawn"; `unsaturated_share` the share of
    outputs between 0.05 and 0.95.
    """

    source: str
    height: int
    width: int
    torch: Errors
    onnxruntime: Errors
    bounds: Errors
    unsaturated_share: float

    def __str__(self) -> str:
        return (
            f"{self.source.rpartition('/')[2]} at {self.height}x{self.width}: "
            f"ONNX Runtime is off by {self.onnxruntime}, torch in float32 by {self.torch}; "
            f"allowed are {self.bounds}"
        )


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All comparisons of one export, every one within its bounds, and how varied the outputs were.

    The measured numbers differ between machines and thread counts; what is the same everywhere
    are the inputs and the recipe's ratios. `range` is the largest output minus the smallest.
    """

    inputs: tuple[InputParity, ...]
    unsaturated_share: float
    range: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Read what the worker wrote with `to_json`; raises `GateError` for anything else."""
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise GateError(f"the export's worker reports no parity: {error}") from error
