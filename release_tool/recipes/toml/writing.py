"""Writes a recipe as the TOML file that reads as the same recipe.

Standard library only, which has no writer of TOML; what is written is made of a recipe's few types.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId, RepoSlug
from release_tool.recipes.recipe import Recipe


def write_recipe(recipe: Recipe) -> str:
    """Return a recipe as TOML; what is as usual for every recipe is left out."""
    members = dict(stated(recipe))
    plain = {name: value for name, value in members.items() if not is_table(value)}
    lines = [f"{name} = {write_value(value)}" for name, value in plain.items()]
    for name, value in members.items():
        if is_table(value):
            lines += ["", *write_table(name, value)]
    return "\n".join(lines) + "\n"


def is_table(value: Any) -> bool:
    """Tell whether a member of a recipe is written as tables with headings."""
    several = isinstance(value, tuple) and any(is_record(each) for each in value)
    return is_record(value) or is_pairs(value) or several


def is_record(value: Any) -> bool:
    """Tell whether a value has members, and is not written as text."""
    return is_dataclass(value) and not isinstance(value, Sha256 | CommitId | RepoSlug)


def is_pairs(value: Any) -> bool:
    """Tell whether a tuple is of pairs that begin with a name."""
    return isinstance(value, tuple) and any(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str) for each in value
    )


def stated(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a value that are not what they are when nothing is said."""
    for field in fields(record):
        value, usual = getattr(record, field.name), field.default
        if field.default_factory is not MISSING:
            usual = field.default_factory()
        if value != usual and value is not None and not isinstance(value, Path):
            yield field.name, value


def write_table(name: str, value: Any) -> Iterator[str]:
    """Write a table, or an array of tables, under its heading."""
    if isinstance(value, tuple) and not is_pairs(value):
        for number, each in enumerate(value):
            yield from ([""] if number else [])
            yield f"[[{name}]]"
            yield from write_members(dict(stated(each)))
        return
    yield f"[{name}]"
    yield from write_members(dict(value) if isinstance(value, tuple) else dict(stated(value)))


def write_members(members: Mapping[str, Any]) -> Iterator[str]:
    """Write the members of a table, one a line."""
    for key, value in members.items():
        yield f"{write_key(key)} = {write_value(value)}"


def write_key(key: str) -> str:
    """Write a key, in quotes where it is no bare word."""
    bare = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
    return key if bare else json.dumps(key)


def write_value(value: Any) -> str:
    """Write a value within a line, or an array of tables with one of them a line."""
    if is_record(value):
        value = dict(stated(value))
    elif is_pairs(value):
        value = dict(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(write_members(value)) + " }" if value else "{}"
    if isinstance(value, frozenset):
        return write_value(tuple(sorted(value)))
    if isinstance(value, tuple | list):
        items = [write_value(each) for each in value]
        several = any(is_record(each) for each in value)
        return "[\n  " + ",\n  ".join(items) + ",\n]" if several else f"[{', '.join(items)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    # JSON's strings are TOML's, but for the code point 7F, which TOML wants written as an escape.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
