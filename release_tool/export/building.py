"""Builds the network that a recipe describes, and puts the model's interface around it.

It runs in the worker only; the weights come later.
"""

import importlib
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from release_tool.core.errors import InputError, ReleaseToolError
from release_tool.export.importing import ADAPTER, place_in_source
from release_tool.recipes.network import AdapterPin, InputSpec, NetworkCall, OutputSpec, open_call

Returned = torch.Tensor | tuple[torch.Tensor, ...]


class Interface(torch.nn.Module):
    """A network, taken by the inputs and outputs of the model; `upstream` is without the adapter.

    `upstream` is no submodule of its own: its tensors are found in `network`.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        upstream: torch.nn.Module,
        inputs: Sequence[InputSpec],
        outputs: Sequence[OutputSpec],
    ) -> None:
        super().__init__()
        self.network = network
        self.held = (upstream,)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    @property
    def upstream(self) -> torch.nn.Module:
        """The network that the checkpoint's tensors belong to."""
        return self.held[0]

    def call(self, *tensors: torch.Tensor) -> Any:
        """Give the network its inputs, and return what it returns."""
        given = list(zip(self.inputs, tensors, strict=True))
        return self.network(
            *(tensor for spec, tensor in given if spec.keyword is None),
            **{spec.keyword: tensor for spec, tensor in given if spec.keyword is not None},
        )

    def forward(self, *tensors: torch.Tensor) -> Returned:
        """Give the network its inputs, and return the outputs that were selected."""
        selected = select(self.call(*tensors), self.outputs)
        return selected[0] if len(selected) == 1 else selected


def select(returned: Any, outputs: Sequence[OutputSpec]) -> tuple[torch.Tensor, ...]:
    """Take the outputs out of what `forward` returns; raises `InputError` that says what it is."""
    if all(spec.select is None for spec in outputs):
        parts = unpack(returned)
        if len(parts) != len(outputs):
            names = ", ".join(spec.name for spec in outputs)
            raise InputError(
                f"the network returns {describe(returned)}, and the recipe's outputs are {names}",
                hint="select the ones that are meant, by index, key or attribute",
            )
    else:
        parts = tuple(select_one(returned, spec) for spec in outputs)
    for part, spec in zip(parts, outputs, strict=True):
        if not isinstance(part, torch.Tensor):
            raise InputError(f"the output {spec.name} is {describe(part)}, not a tensor")
    return parts


def unpack(returned: Any) -> tuple[Any, ...]:
    """Return all parts of what a network returns, in their order."""
    if isinstance(returned, dict):
        return tuple(returned.values())
    return tuple(returned) if isinstance(returned, list | tuple) else (returned,)


def select_one(returned: Any, spec: OutputSpec) -> Any:
    """Take one output by index, key or attribute."""
    wanted = spec.select
    try:
        if wanted is None:
            return returned
        if isinstance(wanted, str) and wanted.startswith("."):
            return getattr(returned, wanted[1:])
        if isinstance(returned, torch.Tensor):
            raise TypeError
        return returned[wanted]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise InputError(
            f"the output {spec.name} is selected by {wanted!r}, and the network returns "
            f"{describe(returned)}",
            hint="leave select out where one tensor is returned",
        ) from error


def describe(value: Any) -> str:
    """Say what a network returned, in a few words."""
    match value:
        case torch.Tensor():
            kind = str(value.dtype).removeprefix("torch.")
            return f"one tensor, {kind}{[int(size) for size in value.shape]}"
        case dict():
            return f"a mapping of {', '.join(map(str, value))}"[:200]
        case list() | tuple():
            return f"a sequence of {len(value)}"
        case _:
            return f"a {type(value).__name__}"


def build_network(call: NetworkCall, adapter: AdapterPin | None) -> tuple[Any, torch.nn.Module]:
    """Build the network, and the adapter around it if there is one: what is run, and upstream's."""
    with saying(call.call):
        upstream = check_network(make(call), call.call)
    if adapter is None:
        return upstream, upstream
    with saying(adapter.call):
        maker = find(f"{ADAPTER}:{adapter.call}")
        network = maker(upstream, **{key: given(each) for key, each in adapter.arguments.items()})
        return check_network(network, adapter.call), upstream


def check_network(made: Any, name: str) -> torch.nn.Module:
    """Refuse what is no network; put one into evaluation mode."""
    if not isinstance(made, torch.nn.Module):
        raise InputError(f"{name} makes {describe(made)}, not a network (torch.nn.Module)")
    return made.eval()


def make(call: NetworkCall) -> Any:
    """Call a class or function with its arguments, those that are calls first."""
    arguments = {key: given(value) for key, value in call.arguments.items()}
    return find(call.call)(*(given(value) for value in call.positional), **arguments)


def given(value: Any) -> Any:
    """Return an argument as it is given, whatever is a call in it made."""
    if isinstance(value, dict):
        if "call" in value:
            return make(open_call(value))
        return {key: given(item) for key, item in value.items()}
    return [given(item) for item in value] if isinstance(value, list | tuple) else value


def find(path: str) -> Any:
    """Import a module and return what has the name in it; raises `InputError`."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"there is no {name} in the module {module}")
        found = getattr(found, part)
    return found


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Turn whatever upstream's code raises into an error that names its place."""
    try:
        yield
    except ReleaseToolError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = place_in_source((frame.filename, frame.lineno or 0) for frame in frames)
        said = str(error).strip().splitlines() or [""]
        text = f"{type(error).__name__}: {said[0][:300]}"
        where = f" ({place})" if place else ""
        raise InputError(f"{what} fails: {text}{where}") from error
