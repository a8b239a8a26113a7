"""A value that is nothing but hexadecimal digits; what they identify, its subclasses say.

A plain class: a codec writes a dataclass as an object, and these are written as text.
"""

from typing import Any, NoReturn


class HexText:
    """Immutable digits; two are equal where their class and their digits are."""

    __slots__ = ("hex",)

    hex: str

    def __init__(self, digits: str) -> None:
        object.__setattr__(self, "hex", digits)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HexText) and repr(other) == repr(self)

    def __hash__(self) -> int:
        return hash((type(self), self.hex))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex!r})"

    def __str__(self) -> str:
        return self.hex

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.hex,)
