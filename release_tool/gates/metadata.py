"""Reads a model's `metadata_props` without onnx; what they claim is not judged here."""

from pathlib import Path

from release_tool.core.errors import GateError
from release_tool.gates.wire import Message, map_file, parse_head

MAX_ENTRIES = 64


def read_metadata(content: bytes | memoryview) -> dict[str, str]:
    """Return key -> value of a model's metadata; raises `GateError` for a malformed model.

    The graph is not looked into: nothing in it can add to the metadata or take from it.
    """
    return parse_metadata(parse_head(content))


def open_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a model on disk, which is mapped and not read whole."""
    return read_metadata(map_file(path))


def parse_metadata(model: Message) -> dict[str, str]:
    """Return the metadata of a parsed model, each key once and each entry whole."""
    entries: dict[str, str] = {}
    for entry in model.all("metadata_props"):
        if not (entry.has("key") and entry.has("value")):
            raise GateError(f"{entry.path} lacks its key or its value")
        key = entry.one("key")
        if key in entries:
            raise GateError(f"the metadata has the key {key[:80]!r} twice")
        entries[key] = entry.one("value")
    if len(entries) > MAX_ENTRIES:
        raise GateError(f"the metadata has more than {MAX_ENTRIES} entries")
    return entries
