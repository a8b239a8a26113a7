"""A consumer's registry of models: one entry added or updated, every other byte left as it is.

The form is that of the fork's `model/tiny/registry.json` (schema_version 1) and of the sidecar that
its validator asks for beside each model; deciding whether a model may enter is for others.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import InputError

REGISTRY_LIMIT_BYTES = 4 * 1024 * 1024
KINDS = ("fr", "nr", "filter")
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ONNX = re.compile(r"[a-z0-9][a-z0-9_./-]*\.onnx")
LONGEST = {"license": 128, "license_url": 512, "description": 256, "notes": 512}
OPSETS = range(7, 22)
BLANK = " \t\r\n"
DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry's text, and where in it each entry stands."""

    text: str
    entries: tuple[JsonObject, ...]
    spans: tuple[tuple[int, int], ...]
    end: int

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a registry; raises `InputError` for what is none."""
        document = parse_json_object(content, "the registry")
        models = document.get("models")
        if document.get("schema_version") != 1 or not isinstance(models, list):
            raise InputError("the registry is not of schema_version 1 with a list of models")
        ids = [entry.get("id") if isinstance(entry, dict) else None for entry in models]
        twice = [each for each in ids if ids.count(each) > 1 or not isinstance(each, str)]
        if twice:
            raise InputError(f"the registry has two entries {twice[0]!r}, or one without an id")
        text = content.decode()
        spans, end = find_entries(text)
        return cls(text, tuple(models), tuple(spans), end)

    def find(self, sha256: str, *, but: str) -> JsonObject | None:
        """Find another entry by the digest of its model."""
        return next((e for e in self.entries if e.get("sha256") == sha256 and e["id"] != but), None)

    def with_entry(self, entry: JsonObject) -> bytes:
        """Return the registry with an entry more, or with the one of its id replaced."""
        check_entry(entry)
        for old, (start, end) in zip(self.entries, self.spans, strict=True):
            if old["id"] == entry["id"]:
                new = self.text[start:end] if old == entry else self.write(entry)
                return f"{self.text[:start]}{new}{self.text[end:]}".encode()
        line = "\r\n" if "\r\n" in self.text else "\n"
        before, _ = self.indents()
        if not self.spans:
            head = self.text[: self.end].rstrip(BLANK)
            outer = before[:-2] if len(before) > 1 else ""
            return (
                f"{head}{line}{before}{self.write(entry)}{line}{outer}{self.text[self.end :]}"
            ).encode()
        last = self.spans[-1][1]
        return f"{self.text[:last]},{line}{before}{self.write(entry)}{self.text[last:]}".encode()

    def write(self, entry: JsonObject) -> str:
        """Write an entry with the indentation of the others, without that of its first line."""
        before, step = self.indents()
        lines = json.dumps(entry, indent=step, ensure_ascii=False).split("\n")
        line = "\r\n" if "\r\n" in self.text else "\n"
        return f"{line}{before}".join(lines)

    def indents(self) -> tuple[str, str]:
        """Return the indentation of an entry, and how much deeper its members are."""
        if not self.spans:
            return "    ", "  "
        start, end = self.spans[0]
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        inner = re.search(r"\n([ \t]*)\"", self.text[start:end])
        if before.strip(BLANK) or inner is None or not inner[1].startswith(before):
            return "    ", "  "
        return before, inner[1][len(before) :] or "  "


def find_entries(text: str) -> tuple[list[tuple[int, int]], int]:
    """Find where each entry of the list `models` stands, and the list's closing bracket."""
    place = skip(text, text.index("{") + 1)
    while True:
        key, place = DECODER.raw_decode(text, place)
        place = skip(text, skip(text, place) + 1)
        if key == "models":
            spans = list(elements(text, skip(text, place + 1)))
            return spans, skip(text, spans[-1][1] if spans else place + 1)
        _, place = DECODER.raw_decode(text, place)
        place = skip(text, skip(text, place) + 1)


def elements(text: str, place: int) -> Iterator[tuple[int, int]]:
    """Yield where the elements of a list stand, from its first one on."""
    while text[place] != "]":
        _, end = DECODER.raw_decode(text, place)
        yield place, end
        place = skip(text, end)
        if text[place] == ",":
            place = skip(text, place + 1)


def skip(text: str, place: int) -> int:
    """Return the next place that is not blank."""
    while text[place] in BLANK:
        place += 1
    return place


def check_entry(entry: JsonObject) -> None:
    """Refuse an entry that the registry's own schema would refuse; raises `InputError`."""
    wrong = None
    if not ID.fullmatch(str(entry.get("id"))):
        wrong = f"id {entry.get('id')!r}"
    elif entry.get("kind") not in KINDS:
        wrong = f"kind {entry.get('kind')!r}"
    elif not ONNX.fullmatch(str(entry.get("onnx"))):
        wrong = f"onnx {entry.get('onnx')!r}"
    elif entry.get("opset") not in OPSETS:
        wrong = f"opset {entry.get('opset')!r}"
    else:
        longer = [name for name, most in LONGEST.items() if len(str(entry.get(name, ""))) > most]
        wrong = f"{longer[0]} is longer than {LONGEST[longer[0]]} characters" if longer else None
    if wrong:
        raise InputError(f"the registry takes no such entry: {wrong}")


def write_sidecar(entry: JsonObject, more: dict[str, Any]) -> bytes:
    """Write the sidecar of an entry's model, as loader and validator read it."""
    named = ("id", "kind", "onnx", "sha256", "opset", "license", "license_url", "notes")
    document = {name: entry[name] for name in named} | more
    return (json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()
