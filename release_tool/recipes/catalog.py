"""Finds a recipe by name, or reads one from a TOML file.

A file says for itself who made the thing and who releases it; a `base` lends it the graph alone.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from release_tool.core.digest import PREFIX, Sha256
from release_tool.core.errors import InputError, ReleaseToolError, UsageError
from release_tool.core.files import read_limited
from release_tool.core.names import CommitId, RepoSlug
from release_tool.recipes.defaults import derive
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP

RECIPES = {recipe.name: recipe for recipe in (U2NETP, U2NET)}
RECIPE_FILE_LIMIT_BYTES = 256 * 1024
LENT = ("graph", "parity")
"""What a recipe takes over from its base, key by key."""


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
    return parse_recipe(read_limited(path, RECIPE_FILE_LIMIT_BYTES), str(path))


def parse_recipe(content: bytes, what: str) -> Recipe:
    """Read a recipe from TOML bytes; `what` names them in an `InputError`."""
    try:
        tables = tomllib.loads(content.decode())
        surplus = next(unknown_keys(tables, Recipe, ""), None)
        if surplus is not None:
            raise InputError(surplus)
        complete = derive(lend(tables))
        return msgspec.convert(spell(complete), Recipe, dec_hook=read_text)
    except msgspec.ValidationError as error:
        raise InputError(f"{what} is not a recipe: {explain(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not a recipe: {error}") from error
    except ReleaseToolError as error:
        raise InputError(f"{what} is not a recipe: {error.message}", hint=error.hint) from error


def unknown_keys(table: Any, kind: Any, where: str) -> Iterator[str]:
    """Name the keys that nothing reads, each with the nearest that is read."""
    if not is_dataclass(kind) or not isinstance(table, dict):
        return
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind)}
    for key, given in table.items():
        if key in known:
            inner = next(filter(is_dataclass, (known[key], *get_args(known[key]))), None)
            for item in given if isinstance(given, list) else [given]:
                yield from unknown_keys(item, inner, f"{where}{key}.")
        elif where or key != "base":
            near = get_close_matches(key, known, n=1)
            advice = f"is {near[0]} meant?" if near else f"known are {', '.join(known)}"
            yield f"unknown key {where}{key}; {advice}"


def lend(tables: dict[str, Any]) -> dict[str, Any]:
    """Put under a recipe's graph and parity those of its base, if it names one."""
    given = dict(tables)
    base = given.pop("base", None)
    if base is None:
        return given
    if base not in RECIPES:
        raise InputError(f"base is none of {', '.join(RECIPES)}: {base!r}")
    for key in LENT:
        lent = msgspec.to_builtins(getattr(RECIPES[base], key), enc_hook=str)
        own = given.get(key, {})
        given[key] = {**lent, **own} if isinstance(own, dict) else own
    return given


def spell(tables: dict[str, Any]) -> dict[str, Any]:
    """Turn what TOML has a shorter form for into the form of the values: skeletons, repository."""
    graph, publisher = tables.get("graph"), tables.get("publisher")
    if isinstance(graph, dict) and isinstance(graph.get("skeletons"), dict):
        tables["graph"] = {**graph, "skeletons": list(graph["skeletons"].items())}
    if isinstance(publisher, dict) and isinstance(publisher.get("repo"), str):
        repo = RepoSlug.parse(publisher["repo"])
        tables["publisher"] = {**publisher, "repo": {"owner": repo.owner, "name": repo.name}}
    return tables


def read_text(kind: type, text: Any) -> Any:
    """Read a digest, bare or with its prefix, or a commit."""
    if not isinstance(text, str):
        raise TypeError("expected a string of hexadecimal digits")
    if issubclass(kind, Sha256):
        return kind.parse(text if text.startswith(PREFIX) else PREFIX + text)
    if issubclass(kind, CommitId):
        return kind.parse(text)
    raise NotImplementedError(kind)


def explain(error: msgspec.ValidationError) -> str:
    """Say where it is wrong and how: `graph.opset: expected int, got str`."""
    said, _, place = str(error).replace("`", "").partition(" - at ")
    if said.startswith("Object missing required field "):
        name = said.rpartition(" ")[2]
        return f"{'.'.join((*filter(None, [place.strip('$.')]), name))} is missing"
    where = place.strip("$.")
    return f"{where}: {said[0].lower()}{said[1:]}" if where else said
