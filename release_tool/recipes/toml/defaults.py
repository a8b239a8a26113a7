"""What a recipe need not say because it follows from its name, or is the same for most networks."""

import re
from typing import Any

from release_tool.core.errors import InputError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
GITHUB_ACTIONS = "https://token.actions.githubusercontent.com"
OWN = ("name", "upstream", "license", "checkpoint", "attribution", "publisher")
"""What nothing is taken over for: who made the thing, from what, and who releases it."""

DRAWN_SAMPLES = 3

GRAPH = ("network", "inputs", "outputs")
"""What a network is, which only a base can say in a recipe's place."""


def derive(tables: dict[str, Any]) -> dict[str, Any]:
    """Complete a recipe's tables; raises `InputError` where one is missing that must be its own."""
    for key in OWN:
        if key not in tables:
            raise InputError(f"{key} is missing", hint=f"{', '.join(OWN)} are never taken over")
    name = tables["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"name is not of small letters, digits, _ and -: {name!r}")
    for key in GRAPH:
        if key not in tables:
            raise InputError(f"{key} is missing", hint='give it, or base = "u2netp"')
    usual: dict[str, dict[str, Any]] = {
        "names": {
            "model": f"{name}_v1.onnx",
            "license": f"{spdx_of(tables)}-{name}.txt",
            "notice": f"NOTICE-{name}.txt",
            "installed_model": f"{name}.onnx",
        },
        "formats": {"manifest_schema": f"{name}-export-manifest-v1", "metadata_prefix": ""},
        "contract": {},
        "parity": {"samples": [{"axes": tables.get("axes", {})}] * DRAWN_SAMPLES},
        "publisher": {
            "workflow": "release.yml",
            "refs": ["refs/heads/main"],
            "issuer": GITHUB_ACTIONS,
        },
    }
    complete = {"model_id": f"{name}_v1", "tag": f"{name}-v1", **tables}
    for key, values in usual.items():
        given = complete.get(key, {})
        complete[key] = {**values, **given} if isinstance(given, dict) else given
    return complete


def spdx_of(tables: dict[str, Any]) -> str:
    """Return the licence's identifier as it is given; what it is worth is checked later."""
    given = tables["license"]
    return str(given.get("spdx")) if isinstance(given, dict) else ""
