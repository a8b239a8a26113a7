"""Finds a recipe by name, or reads one that departs from a named one from a TOML file."""

import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, UsageError
from release_tool.core.files import read_limited
from release_tool.core.names import CommitId, RepoSlug
from release_tool.recipes.recipe import ParityInput, Picture, Recipe
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP

RECIPES = {recipe.name: recipe for recipe in (U2NETP, U2NET)}
RECIPE_FILE_LIMIT_BYTES = 256 * 1024

T = TypeVar("T")


def open_recipe(name_or_file: str) -> Recipe:
    """Return the recipe of that name, or the one in that `.toml` file.

    A file names its `base` and gives the fields that differ, in tables called as the recipe's
    fields are; raises `UsageError` for an unknown name and `InputError` for a malformed file.
    """
    if name_or_file in RECIPES:
        return RECIPES[name_or_file]
    if not name_or_file.endswith(".toml"):
        raise UsageError(
            f"no recipe is called {name_or_file[:80]!r}",
            hint=f"there are {' and '.join(RECIPES)}; a recipe of your own is a .toml file",
        )
    path = Path(name_or_file)
    return parse_recipe(read_limited(path, RECIPE_FILE_LIMIT_BYTES), str(path))


def parse_recipe(content: bytes, what: str) -> Recipe:
    """Read a recipe from TOML bytes; `what` names them in an `InputError`."""
    try:
        tables = tomllib.loads(content.decode())
        base = tables.pop("base", "u2netp")
        if base not in RECIPES:
            raise ValueError(f"base is none of {', '.join(RECIPES)}: {base!r}")
        checkpoint = tables.get("checkpoint")
        if isinstance(checkpoint, dict) and "sha256" in checkpoint:
            checkpoint.setdefault("sources", [])  # the base's have another checkpoint
        return depart(forget_ids(RECIPES[base], tables.get("publisher")), tables, "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{what} is not a recipe: {error}") from error


def forget_ids(base: Recipe, publisher: Any) -> Recipe:
    """Return the base without its publisher's ids where a file names another repository.

    They would believe the base's publisher under whatever name the file gives.
    """
    kept = str(base.publisher.repo)
    if not isinstance(publisher, dict) or publisher.get("repo", kept) == kept:
        return base
    return replace(base, publisher=replace(base.publisher, owner_id=None, repo_id=None))


def depart(value: T, changes: dict[str, Any], where: str) -> T:
    """Replace the named fields of a frozen dataclass, descending into the nested ones."""
    if not is_dataclass(value) or not isinstance(changes, dict):
        raise ValueError(f"{where.rstrip('.')} is not a table")
    known = {field.name for field in fields(value)}
    unknown = changes.keys() - known
    if unknown:
        raise ValueError(f"unknown key {where}{min(unknown)}")
    converted = {
        key: convert(getattr(value, key), given, f"{where}{key}") for key, given in changes.items()
    }
    return replace(value, **converted)  # type: ignore[type-var]


def convert(old: Any, given: Any, where: str) -> Any:
    """Give a TOML value the type that the field has in the base recipe."""
    match old:
        case Sha256():
            return Sha256.parse(given)
        case CommitId():
            return CommitId.parse(given)
        case RepoSlug():
            return RepoSlug.parse(given)
        case frozenset():
            return frozenset(strings(given, where))
        case None if isinstance(given, str):
            return given
        case tuple():
            return convert_list(given, where)
        case float() if isinstance(given, int | float) and not isinstance(given, bool):
            return float(given)
        case _ if is_dataclass(old):
            return depart(old, given, f"{where}.")
        case _ if type(given) is type(old):
            return given
    raise ValueError(f"{where} should be of type {type(old).__name__}")


def convert_list(given: Any, where: str) -> tuple[Any, ...]:
    """Give a TOML value the type of the list that a recipe has in this place."""
    if where.endswith("skeletons"):
        return tuple((toolchain, Sha256.parse(digest)) for toolchain, digest in given.items())
    if where.endswith(("sources", "refs")):
        return tuple(strings(given, where))
    return tuple(parse_input(item) for item in given)


def parse_input(given: dict[str, Any]) -> ParityInput:
    """Read one input of the parity gate; TypeError and KeyError mean a wrong or missing key."""
    pinned = given.get("picture")
    picture = pinned and Picture(pinned["path"], Sha256.parse(pinned["sha256"]))
    return ParityInput(**given | {"picture": picture})


def strings(given: Any, where: str) -> list[str]:
    """Check that a TOML value is a list of strings."""
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ValueError(f"{where} should be a list of strings")
    return given
