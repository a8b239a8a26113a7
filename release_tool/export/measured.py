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
class OutputParity:
    """One output on one sample: the errors of PyTorch as it is and of ONNX Runtime, and the bounds.

    Of an output of integers or truth values an element is off by 1 or by 0. `unsaturated_share` is
    the share of elements between 0.05 and 0.95.
    """

    sample: str
    output: str
    torch: Errors
    onnxruntime: Errors
    bounds: Errors
    unsaturated_share: float

    def __str__(self) -> str:
        return (
            f"{self.sample}, {self.output}: "
            f"ONNX Runtime is off by {self.onnxruntime}, torch by {self.torch}; "
            f"allowed are {self.bounds}"
        )


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All comparisons of one export, every one within its bounds, and how varied the outputs were.

    The measured numbers differ between machines and thread counts; what is the same everywhere
    are the inputs and the recipe's ratios. `range` is, of the output of floats that varies least,
    the largest value minus the smallest.
    """

    outputs: tuple[OutputParity, ...]
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
