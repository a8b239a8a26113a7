"""Turns tables of TOML into the values of a recipe, by the types that these declare.

Standard library only: the release workflow reads a recipe before anything is installed.
"""

from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from release_tool.core.digest import PREFIX, Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import CommitId, RepoSlug

TOML_NAMES: dict[type, str] = {dict: "object", list: "array"}


def convert(kind: Any, given: Any, where: str) -> Any:
    """Give a TOML value the declared type; a value that has it already is taken as it is.

    Raises `InputError` that names the place.
    """
    if kind is Any:
        return given
    if isinstance(kind, UnionType):
        return convert_union(kind, given, where)
    if get_origin(kind) is dict:
        kind = dict
    if get_origin(kind) in (tuple, frozenset):
        return convert_many(kind, given, where)
    if isinstance(given, kind) and not (kind is int and isinstance(given, bool)):
        return given
    if kind is float and type(given) is int:
        return float(given)
    if kind in (Sha256, CommitId, RepoSlug):
        return convert_text(kind, given, where)
    if is_dataclass(kind):
        return convert_table(kind, given, where)
    raise wrong(kind.__name__, given, where)


def convert_union(kind: UnionType, given: Any, where: str) -> Any:
    """Give a value the one of several types that it can have; the first one where there is none."""
    kinds = [each for each in get_args(kind) if each is not type(None)]
    if given is None and len(kinds) < len(get_args(kind)):
        return None
    fitting = [each for each in kinds if type(given) is each]
    if not fitting and len(kinds) > 1:
        raise wrong(" or ".join(each.__name__ for each in kinds), given, where)
    return convert((fitting or kinds)[0], given, where)


def wrong(wanted: str, given: Any, where: str) -> InputError:
    """Say what was expected in a place and what is there."""
    found = TOML_NAMES.get(type(given), type(given).__name__)
    return InputError(f"{where}: expected {wanted}, got {found}")


def convert_many(kind: Any, given: Any, where: str) -> Any:
    """Convert a list to a tuple or a set; the pairs of a table to a tuple of pairs."""
    container, inner = get_origin(kind), get_args(kind)[0]
    if isinstance(given, container):
        return given
    if get_origin(inner) is tuple and isinstance(given, dict):
        value = get_args(inner)[1]
        return tuple((key, convert(value, item, f"{where}.{key}")) for key, item in given.items())
    if not isinstance(given, list):
        raise wrong("array", given, where)
    return container(convert(inner, item, f"{where}[{i}]") for i, item in enumerate(given))


def convert_text(kind: Any, given: Any, where: str) -> Any:
    """Read a repository, a commit, or a digest, which may be bare."""
    if not isinstance(given, str):
        raise wrong("str", given, where)
    if kind is Sha256 and not given.startswith(PREFIX):
        return Sha256.parse(PREFIX + given)
    return kind.parse(given)


def convert_table(kind: Any, given: Any, where: str) -> Any:
    """Build a dataclass from a table: no key that it has not, every field without a default.

    What two values are not compared by does not come from a file.
    """
    if not isinstance(given, dict):
        raise wrong("object", given, where)
    types = get_type_hints(kind)
    hints = {field.name: types[field.name] for field in fields(kind) if field.compare}
    for key in given:
        if key not in hints:
            near = get_close_matches(key, hints, n=1)
            advice = f"is {near[0]} meant?" if near else f"known are {', '.join(hints)}"
            raise InputError(f"unknown key {where}{'.' if where else ''}{key}; {advice}")
    values = {}
    for field in fields(kind):
        place = f"{where}.{field.name}" if where else field.name
        if field.name in given:
            values[field.name] = convert(hints[field.name], given[field.name], place)
        elif is_required(field):
            raise InputError(f"{place} is missing")
    return kind(**values)


def is_required(field: Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING
