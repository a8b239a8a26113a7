"""Reads `release-tool.toml`, the project's own defaults; options given by hand come before it."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from release_tool.core.errors import InputError, UsageError
from release_tool.core.files import read_limited
from release_tool.core.names import RepoSlug
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.sigstore.trust.instance import TUF_REPOSITORIES
from release_tool.sigstore.trust.signer import DEFAULT_REF, DEFAULT_WORKFLOW, GITHUB_ISSUER

DEFAULT_FILE = Path("release-tool.toml")
FILE_LIMIT_BYTES = 64 * 1024
TOP_KEYS = frozenset({"recipe", "sigstore", "github_api"})
TABLES = (*sorted(TOP_KEYS), "publisher", "public_log")
PUBLISHER_KEYS = frozenset({"repo", "workflow", "issuer", "owner_id", "repo_id"})


@dataclass(frozen=True, slots=True)
class Configuration:
    """The defaults that a project chose; None where it chose none.

    `named` tells a file that the user named from one that merely lies in the working directory:
    such a one serves whoever releases from there, and decides nothing for whoever judges.
    """

    source: str = ""
    named: bool = False
    recipe: str | None = None
    sigstore: str | None = None
    github_api: str | None = None
    publisher: Publisher | None = None
    public_log: bool | None = None

    def keys(self) -> list[str]:
        """Name the keys that are set."""
        return [name for name in TABLES if getattr(self, name) is not None]

    def departures(self, recipe: Recipe, default_recipe: str, default_api: str) -> list[str]:
        """Name the keys that say something else than what holds without the file."""
        usual = {
            "recipe": default_recipe,
            "sigstore": "production",
            "github_api": default_api,
            "publisher": recipe.publisher,
            "public_log": self.public_log,  # it is for those who sign
        }
        return [key for key in self.keys() if getattr(self, key) != usual[key]]


def open_configuration(path: Path | None) -> Configuration:
    """Read the file that was named, or `release-tool.toml` here if there is one.

    Raises `InputError` for a file that is missing though named, is no TOML or has unknown keys.
    """
    named = path is not None
    path = path or DEFAULT_FILE
    try:
        content = read_limited(path, FILE_LIMIT_BYTES)
    except InputError as error:
        if not named and isinstance(error.__cause__, FileNotFoundError | PermissionError):
            return Configuration()
        raise
    try:
        return replace(parse_configuration(tomllib.loads(content.decode()), path), named=named)
    except (ValueError, RecursionError, UsageError) as error:
        raise InputError(f"{path} is not a configuration: {error}") from error


def parse_configuration(tables: dict[str, Any], path: Path) -> Configuration:
    """Check the tables of a configuration, key by key."""
    publisher = tables.pop("publisher", None)
    public_log = tables.pop("public_log", None)
    if not isinstance(public_log, bool | None):
        raise ValueError("public_log should be true or false")  # noqa: TRY004
    top = texts(tables, TOP_KEYS, "")
    return Configuration(
        source=str(path),
        recipe=beside(path, top.get("recipe"), lambda value: not value.endswith(".toml")),
        sigstore=beside(path, top.get("sigstore"), TUF_REPOSITORIES.__contains__),
        github_api=top.get("github_api"),
        publisher=parse_publisher(publisher) if publisher is not None else None,
        public_log=public_log,
    )


def beside(path: Path, value: str | None, is_name: Callable[[str], bool]) -> str | None:
    """Find a file that a configuration names where the configuration lies, not where we are.

    Else whoever fills a folder with files of these names would decide what is believed there.
    """
    return value if value is None or is_name(value) else str(path.parent / value)


def parse_publisher(table: Any) -> Publisher:
    """Read the `[publisher]` table; only `repo` has no default."""
    if not isinstance(table, dict):
        raise ValueError("publisher is not a table")  # noqa: TRY004
    refs = strings(table.pop("refs", [DEFAULT_REF]), "publisher.refs")
    given = texts(table, PUBLISHER_KEYS, "publisher.")
    if "repo" not in given:
        raise ValueError("publisher.repo is missing")
    return Publisher(
        repo=RepoSlug.parse(given["repo"]),
        workflow=given.get("workflow", DEFAULT_WORKFLOW),
        refs=tuple(refs),
        issuer=given.get("issuer", GITHUB_ISSUER),
        owner_id=given.get("owner_id"),
        repo_id=given.get("repo_id"),
    )


def texts(table: dict[str, Any], known: frozenset[str], where: str) -> dict[str, str]:
    """Check that a table has known keys only, each with text."""
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"unknown key {where}{key}")
        if not isinstance(value, str):
            raise ValueError(f"{where}{key} should be text")  # noqa: TRY004
    return table


def strings(given: Any, where: str) -> list[str]:
    """Check that a TOML value is a list of strings."""
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ValueError(f"{where} should be a list of strings")
    return given
