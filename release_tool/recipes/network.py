"""What a recipe says of a network: how it is built, what it is given, what it returns.

Values only; what builds and runs a network is the export stage.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import check_inner_path

CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
VALUE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
AXIS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
FLOATS = frozenset({"float16", "float32"})
ELEMENT_TYPES = (*sorted(FLOATS), "bool", "int32", "int64", "uint8")
DRAWS = ("image", "integers", "normal", "uniform")
MAX_DIMENSIONS = 8
MAX_ARGUMENT_DEPTH = 8
Dimension = int | str
Shape = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class NetworkCall:
    """A class or function, as `module:name`, and what it is called with.

    An argument that is a table with `call` is such a call itself.
    """

    call: str
    positional: tuple[Any, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not CALL.fullmatch(self.call):
            raise InputError(
                f"not a class or function of a module: {self.call[:120]!r}",
                hint="write it as package.module:Name",
            )
        for value in (*self.positional, *self.arguments.values()):
            check_argument(value, self.call, 0)

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        return self.call.partition(":")[0]

    @property
    def name(self) -> str:
        """The class's or function's name in its module."""
        return self.call.partition(":")[2]


def check_argument(value: Any, call: str, depth: int) -> None:
    """Check that an argument is a plain value, and a nested call well formed."""
    if depth > MAX_ARGUMENT_DEPTH:
        raise InputError(f"the arguments of {call} are nested more than {MAX_ARGUMENT_DEPTH} deep")
    if isinstance(value, dict) and "call" in value:
        open_call(value)
        return
    if not isinstance(value, str | int | float | list | tuple | dict):
        raise InputError(f"an argument of {call} is a {type(value).__name__}, not a plain value")
    inner: Iterable[Any] = ()
    if isinstance(value, list | tuple | dict):
        inner = value.values() if isinstance(value, dict) else value
    for item in inner:
        check_argument(item, call, depth + 1)


def open_call(table: dict[str, Any]) -> NetworkCall:
    """Read an argument that is a call; raises `InputError`."""
    unknown = table.keys() - {"call", "positional", "arguments"}
    positional, arguments = table.get("positional", ()), table.get("arguments", {})
    if unknown or not isinstance(table["call"], str):
        raise InputError(f"a call has call, positional and arguments, not {', '.join(table)[:120]}")
    if not isinstance(positional, list | tuple) or not isinstance(arguments, dict):
        raise InputError(f"{table['call'][:120]}: positional is an array, arguments are a table")
    return NetworkCall(table["call"], tuple(positional), arguments)


@dataclass(frozen=True, slots=True)
class AdapterPin:
    """The maintainer's own module around the network, in a file that lies beside the recipe.

    `call` names a class or function of that file, which is given the network first.
    """

    path: str
    sha256: Sha256
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_inner_path(self.path)
        if not self.call.isidentifier():
            raise InputError(f"not a class or function of the adapter: {self.call[:120]!r}")
        for value in self.arguments.values():
            check_argument(value, self.call, 0)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the model: name, element type, shape, and how test values are drawn.

    A dimension is a number, or the name of an axis of any size. `keyword` is the name under which
    `forward` takes it; without one it is given in its turn. `draw` is `image` (a picture, or one
    that is drawn, normalised as ImageNet is), `normal`, or from `low` to `high`, both included:
    `uniform` or `integers`.
    """

    name: str
    shape: Shape
    type: str = "float32"
    draw: str | None = None
    low: float = 0.0
    high: float = 1.0
    keyword: str | None = None

    def __post_init__(self) -> None:
        check_value(self.name, self.type, self.shape)
        if self.drawn not in DRAWS:
            raise InputError(f"{self.name} is drawn as {self.draw!r}, not {', '.join(DRAWS)}")
        if (self.drawn == "integers") == (self.type in FLOATS):
            raise InputError(f"{self.name} is {self.type}, which is not drawn as {self.drawn}")
        if self.drawn == "image" and len(self.shape) != 4:
            raise InputError(f"{self.name} is drawn as an image, so its shape is [N, C, H, W]")
        if not self.low <= self.high:
            raise InputError(f"{self.name} is drawn from {self.low} to {self.high}")

    @property
    def drawn(self) -> str:
        """How test values are drawn where the recipe does not say."""
        return self.draw or ("normal" if self.type in FLOATS else "integers")


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of the model, and which part of what `forward` returns it is.

    `select` is an index, a key, or `.name` for an attribute. Where no output has one, all that is
    returned is taken in order. Of an output of integers or truth values the share `agreement` must
    be equal in PyTorch and ONNX Runtime.
    """

    name: str
    shape: Shape
    type: str = "float32"
    select: int | str | None = None
    agreement: float = 1.0

    def __post_init__(self) -> None:
        check_value(self.name, self.type, self.shape)
        if not 0 < self.agreement <= 1:
            raise InputError(f"{self.name} agrees in a share above 0 and up to 1")

    @property
    def selected(self) -> str:
        """The part of upstream's output in words: `d0` for an index, as the fork writes it."""
        if self.select is None:
            return "all"
        return f"d{self.select}" if isinstance(self.select, int) else self.select


def check_value(name: str, kind: str, shape: Shape) -> None:
    """Check what an input or an output is; raises `InputError`."""
    if not VALUE_NAME.fullmatch(name):
        raise InputError(f"not a name of an input or output: {name[:120]!r}")
    if kind not in ELEMENT_TYPES:
        raise InputError(f"{name} has the type {kind!r}; there are {', '.join(ELEMENT_TYPES)}")
    if len(shape) > MAX_DIMENSIONS:
        raise InputError(f"{name} has more than {MAX_DIMENSIONS} dimensions")
    for size in shape:
        if isinstance(size, str) and not AXIS_NAME.fullmatch(size):
            raise InputError(f"{name} has an axis that is no name: {size[:80]!r}")
        if isinstance(size, int) and not 0 < size < 2**31:
            raise InputError(f"{name} has a dimension of {size}")


def shape_text(shape: Iterable[object]) -> str:
    """Write a shape as `[1, 3, H, W]`."""
    return f"[{', '.join(str(size) for size in shape)}]"


def axes_of(values: Iterable[InputSpec]) -> Iterator[str]:
    """Yield the named axes of some inputs, each once, in their order."""
    yield from dict.fromkeys(size for value in values for size in value.shape if type(size) is str)
