"""Finds a recipe by name, or reads one from a TOML file.

A file says for itself who made the thing and who releases it; a `base` lends it the graph alone.
"""

import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from release_tool.core.errors import InputError, ReleaseToolError, UsageError
from release_tool.core.files import read_limited
from release_tool.core.limits import RECIPE_LIMIT_BYTES
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.defaults import derive
from release_tool.recipes.toml.reading import convert
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP
from release_tool.recipes.u2netp320 import U2NETP_320

RECIPES = {recipe.name: recipe for recipe in (U2NETP, U2NETP_320, U2NET)}
LENT = ("network", "inputs", "outputs", "axes", "contract", "parity", "skeletons", "working_size")
"""What a recipe takes over from its base; of a table key by key."""


def open_recipe(name_or_file: str) -> Recipe:
    """Return the recipe of that name, or the one in that `.toml` file.

    Raises `UsageError` for an unknown name and `InputError` for a malformed file.
    """
    if name_or_file in RECIPES:
        return RECIPES[name_or_file]
    if not name_or_file.endswith(".toml"):
        raise UsageError(
            f"no recipe is called {name_or_file[:80]!r}",
            hint=f"there are {' and '.join(RECIPES)}; a recipe of your own is a .toml file",
        )
    path = Path(name_or_file)
    recipe = parse_recipe(read_limited(path, RECIPE_LIMIT_BYTES), str(path))
    return replace(recipe, place=path.absolute().parent)


def parse_recipe(content: bytes, what: str) -> Recipe:
    """Read a recipe from TOML bytes; `what` names them in an `InputError`."""
    try:
        tables = tomllib.loads(content.decode())
        recipe: Recipe = convert(Recipe, derive(lend(tables)), "")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not a recipe: {error}") from error
    except ReleaseToolError as error:
        raise InputError(f"{what} is not a recipe: {error.message}", hint=error.hint) from error
    return recipe


def lend(tables: dict[str, Any]) -> dict[str, Any]:
    """Put under what a recipe says of its graph what its base says, if it names one."""
    given = dict(tables)
    base = given.pop("base", None)
    if base is None:
        return given
    if base not in RECIPES:
        raise InputError(f"base is none of {', '.join(RECIPES)}: {base!r}")
    for key in LENT:
        lent = getattr(RECIPES[base], key)
        if is_dataclass(lent):
            values = {field.name: getattr(lent, field.name) for field in fields(lent)}
            own = given.get(key, {})
            given[key] = {**values, **own} if isinstance(own, dict) else own
        else:
            given.setdefault(key, lent)
    return given
