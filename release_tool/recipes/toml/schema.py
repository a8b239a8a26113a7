"""Describes a recipe's file as JSON Schema (draft 2020-12), from the types that read it.

For editors, which complete and check by it. What no schema can say, such as that axes belong
together, is left to the reader.
"""

from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId, RepoSlug
from release_tool.recipes.catalog import RECIPES
from release_tool.recipes.recipe import Formats, Publisher, Recipe, ReleaseNames
from release_tool.recipes.toml.reading import is_required

PLAIN: dict[Any, dict[str, Any]] = {
    Any: {},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Sha256: {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$"},
    CommitId: {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    RepoSlug: {"type": "string", "pattern": "^[^/]+/[^/]+$"},
}
DERIVED = {
    Recipe: {"model_id", "tag", "names", "formats", "contract", "parity"},
    Publisher: {"workflow", "refs", "issuer"},
    ReleaseNames: {"model", "license", "notice", "installed_model"},
    Formats: {"manifest_schema", "metadata_prefix"},
}
"""What `defaults` fills in where a file does not say it."""


def recipe_schema() -> dict[str, Any]:
    """Return the schema of a recipe's file."""
    described = describe(Recipe)
    described["properties"]["base"] = {"enum": list(RECIPES)}
    # With a base the network is lent.
    lent = {"network", "inputs", "outputs"}
    own = [name for name in described["required"] if name not in lent]
    alone = {"not": {"required": ["base"]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of release-tool",
        **described,
        "required": own,
        "if": alone,
        "then": {"required": sorted(lent)},
    }


def describe(kind: Any) -> dict[str, Any]:
    """Describe a type as it is written in TOML."""
    if kind in PLAIN:
        return dict(PLAIN[kind])
    if isinstance(kind, UnionType):
        kinds = [describe(each) for each in get_args(kind) if each is not type(None)]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict:
        return {"type": "object"}
    if origin in (tuple, frozenset):
        if get_origin(inner[0]) is tuple:
            return {"type": "object", "additionalProperties": describe(get_args(inner[0])[1])}
        return {"type": "array", "items": describe(inner[0])}
    if not is_dataclass(kind):
        raise TypeError(f"no recipe is made of {kind}")
    return describe_table(kind)


def describe_table(kind: Any) -> dict[str, Any]:
    """Describe the table that a value is written as, by the sentence that opens its docstring."""
    hints = get_type_hints(kind)
    shown = [field for field in fields(kind) if field.compare]
    needed = [f.name for f in shown if is_required(f) and f.name not in DERIVED.get(kind, ())]
    return {
        "type": "object",
        "description": str(kind.__doc__).strip().partition("\n\n")[0].replace("\n    ", " "),
        "properties": {field.name: describe(hints[field.name]) for field in shown},
        "required": needed,
        "additionalProperties": False,
    }
