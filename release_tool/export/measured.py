"""What the parity gate measured, as values that can be read without torch."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class SizeParity:
    """One comparison: the size in pixels, the reference's type, the largest absolute difference.

    `unsaturated_share` is the share of output pixels between 0.05 and 0.95.
    """

    height: int
    width: int
    reference: str
    max_difference: float
    bound: float
    unsaturated_share: float


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All comparisons of one export, every one within its bound, and the mean unsaturated share.

    The measured numbers differ in their last digits between machines and thread counts; what is
    the same everywhere are the sizes, the references and the bounds.
    """

    sizes: tuple[SizeParity, ...]
    unsaturated_share: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        sizes = tuple(SizeParity(**size) for size in fields["sizes"])
        return cls(sizes, fields["unsaturated_share"])
