"""Reads the words in which `init` is told of a network: arguments, inputs and outputs."""

import json
import re
from typing import Any

from release_tool.core.errors import InputError, UsageError
from release_tool.recipes.network import DRAWS, InputSpec, NetworkCall, OutputSpec

INPUT = re.compile(r"([^=\s]+)=([a-z0-9]+)\[([^\]]*)\](.*)")
INPUT_FORM = "NAME=TYPE[DIM,...], as in image=float32[1,3,H,W]; behind it image, normal, "
INPUT_FORM += "'uniform LOW HIGH', 'integers LOW HIGH' or keyword=NAME"


def parse_call(call: str, positional: tuple[str, ...], named: tuple[str, ...]) -> NetworkCall:
    """Read a network and its arguments, each of JSON; raises `UsageError`."""
    arguments = {}
    for each in named:
        name, found, text = each.partition("=")
        if not found or not name.isidentifier():
            raise UsageError(f"not an argument: {each[:120]!r}", hint="write it as NAME=JSON")
        arguments[name] = parse_value(text, name)
    try:
        return NetworkCall(call, tuple(parse_value(each, "it") for each in positional), arguments)
    except InputError as error:
        raise UsageError(error.message, hint=error.hint) from error


def parse_value(text: str, name: str) -> Any:
    """Read a value of JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is no JSON: {text[:120]!r}", hint="text is written in quotes: NAME='\"text\"'"
        ) from error
    if value is None:
        raise UsageError(f"{name} is null", hint="leave the argument out")
    return value


def parse_input(text: str) -> InputSpec:
    """Read `image=float32[1,3,H,W]` and what may stand behind it; raises `UsageError`."""
    found = INPUT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"not an input: {text[:120]!r}", hint=INPUT_FORM)
    name, kind, dimensions, rest = found.groups()
    parts = [part.strip() for part in dimensions.split(",")] if dimensions.strip() else []
    shape = tuple(int(part) if part.isdigit() else part for part in parts)
    extra = parse_drawing(rest.split(), text)
    image = kind == "float32" and len(shape) == 4 and shape[1] == 3
    try:
        return InputSpec(name, shape, kind, **({"draw": "image"} if image else {}) | extra)
    except InputError as error:
        raise UsageError(f"{text[:120]!r}: {error.message}", hint=INPUT_FORM) from error


def parse_drawing(words: list[str], text: str) -> dict[str, Any]:
    """Read how test values are drawn, and a keyword of `forward`."""
    given: dict[str, Any] = {}
    while words:
        word = words.pop(0)
        if word.startswith("keyword="):
            given["keyword"] = word.removeprefix("keyword=")
        elif word in DRAWS and word in {"uniform", "integers"} and len(words) >= 2:
            try:
                low, high = float(words.pop(0)), float(words.pop(0))
            except ValueError as error:
                raise UsageError(f"not bounds: {text[:120]!r}", hint=INPUT_FORM) from error
            given |= {"draw": word, "low": low, "high": high}
        elif word in {"image", "normal"}:
            given["draw"] = word
        else:
            raise UsageError(f"not part of an input: {word[:80]!r}", hint=INPUT_FORM)
    return given


def parse_output(text: str) -> OutputSpec:
    """Read `logits`, `map=0`, `logits=scores` or `logits=.scores`; its shape is found out."""
    name, found, selector = text.partition("=")
    select = int(selector) if selector.lstrip("-").isdigit() else selector
    try:
        return OutputSpec(name, (), select=select if found else None)
    except InputError as error:
        raise UsageError(error.message, hint="write an output as NAME or NAME=SELECTOR") from error
