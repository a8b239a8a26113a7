"""Compares what two manifests and two verdicts say: pins, toolchain, gates, signer.

What is said is repeated as it is; whether it is true is the verdict's task.
"""

from collections.abc import Iterator
from typing import Any

from release_tool.compare.graph import Change, changes_between
from release_tool.core.documents import JsonObject

REPEATED = ("run_provenance", "outputs")
"""Parts of a manifest that only name again what its other parts and the files say."""


def compare_manifests(ours: JsonObject, theirs: JsonObject) -> tuple[Change, ...]:
    """List the claims that are not alike, by dotted names in the manifests' order."""
    return changes_between(claims_of(ours), claims_of(theirs))


def claims_of(manifest: JsonObject) -> dict[str, str]:
    """Flatten a manifest to dotted names; an empty one where there is none."""
    kept = {key: value for key, value in manifest.items() if key not in REPEATED}
    return dict(flatten(kept))


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested tables and lists."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}")
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, inner in enumerate(value):
            yield from flatten(inner, f"{path}.{index}")
    else:
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield path.removeprefix("."), text


def compare_verdicts(ours: JsonObject, theirs: JsonObject) -> tuple[Change, ...]:
    """List where two verdicts differ: whether there is one, who signed, when, from which commit."""
    return changes_between(signing_of(ours), signing_of(theirs))


def signing_of(verdict: JsonObject) -> dict[str, str]:
    """Pick what a verdict, or a refusal, says of the signature."""
    found = {"verified": str(verdict.get("verified", False)).lower()}
    found |= {name: str(verdict[name]) for name in ("reason", "signed_at") if verdict.get(name)}
    signer = verdict.get("signer")
    if isinstance(signer, dict):
        found |= {f"signer {name}": str(value) for name, value in signer.items() if value}
    return found
