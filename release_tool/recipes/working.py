"""The size at which a network does its work, whatever size its input has."""

from dataclasses import dataclass

from release_tool.core.errors import InputError

ANTIALIASING_OPSET = 18
"""ONNX's Resize knows anti-aliasing from this opset on."""


@dataclass(frozen=True, slots=True)
class WorkingSize:
    """The exported graph resizes its pictures to it, and the maps back to the pictures' size.

    Both linear, as upstream prepared its pictures; with `antialias` the first takes all pixels of
    a larger picture into account.
    """

    height: int
    width: int
    antialias: bool = False

    def __post_init__(self) -> None:
        if not (0 < self.height < 2**15 and 0 < self.width < 2**15):
            raise InputError(f"not a working size: {self.width}x{self.height}")

    def check_opset(self, opset: int) -> None:
        """Refuse what the recipe's operator set cannot say."""
        if self.antialias and opset < ANTIALIASING_OPSET:
            raise InputError(
                f"anti-aliasing needs opset {ANTIALIASING_OPSET}, the contract's is {opset}"
            )

    def __str__(self) -> str:
        aliased = ", anti-aliased" if self.antialias else ""
        return f"{self.width}x{self.height}, linear{aliased}"
