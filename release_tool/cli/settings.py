"""The recipe and the project's own defaults, and what of them a command may obey.

Whom a verdict believes is for `belief`; this module prints nothing and asks nobody.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from release_tool.cli.configuration import DEFAULT_FILE, Configuration, open_configuration
from release_tool.core.errors import InputError, UsageError
from release_tool.recipes.catalog import open_recipe
from release_tool.recipes.recipe import Recipe

DEFAULT_RECIPE = "u2netp"
DEFAULT_API = "https://api.github.com"
BUILT_IN = "built in"


@dataclass(frozen=True, slots=True)
class Settings:
    """The recipe that was chosen and by whom, and the configuration that is obeyed.

    `disregarded` says why a `release-tool.toml` that lies in the working directory is not.
    """

    recipe: Recipe
    recipe_source: str
    configuration: Configuration
    given_recipe: str | None = None
    disregarded: str | None = None

    @classmethod
    def of(cls, recipe: str | None, config: Path | None) -> Self:
        """Choose for a maintainer: by hand, else configured here, else what the package carries."""
        return cls.choose(recipe, open_configuration(config))

    @classmethod
    def of_reader(cls, recipe: str | None, config: Path | None) -> Self:
        """Choose for whoever judges a release: a file that nobody named decides nothing.

        A reader may stand in a directory that somebody else filled: a download, a checked-out pull
        request. So an unnamed configuration is looked at only to say that it is not obeyed, and a
        malformed one stops nobody.
        """
        if config is not None:
            return cls.of(recipe, config)
        settings = cls.choose(recipe, Configuration())
        try:
            lies_here = open_configuration(None)
        except InputError:
            return replace(settings, disregarded="it is malformed")
        departing = lies_here.departures(settings.recipe, DEFAULT_RECIPE, DEFAULT_API)
        told = f"it sets {', '.join(departing)}" if departing else None
        return replace(settings, disregarded=told)

    @classmethod
    def choose(cls, recipe: str | None, configuration: Configuration) -> Self:
        """Take the recipe that was given, else the configured one, else u2netp."""
        name = recipe or configuration.recipe or DEFAULT_RECIPE
        if recipe is not None:
            source = "--recipe"
        else:
            source = configuration.source if configuration.recipe is not None else BUILT_IN
        return cls(open_recipe(name), source, configuration, recipe)

    def accepting(self, spdx: str | None) -> "Settings":
        """Take the recipe's licence, which somebody read, though its text may be any."""
        if spdx is None:
            return self
        terms = self.recipe.license
        if spdx != terms.spdx:
            raise UsageError(f"the recipe names the licence {terms.spdx}, not {spdx[:80]!r}")
        return replace(self, recipe=replace(self.recipe, license=replace(terms, accepted=True)))

    @property
    def recipe_named(self) -> bool:
        """Tell whether somebody chose the recipe, by hand or in a configuration."""
        return self.recipe_source != BUILT_IN

    def as_reader(self) -> "Settings":
        """Return what a judgement may obey of settings that a maintainer's command obeys whole."""
        if self.configuration.named:
            return self
        return Settings.of_reader(self.given_recipe, None)

    def notes(self) -> list[str]:
        """Say what a configuration that nobody named contributed, or that it did not."""
        if self.disregarded is not None:
            told = f"{DEFAULT_FILE} in this directory was not obeyed ({self.disregarded})"
            return [f"{told}: nobody named it; --config {DEFAULT_FILE} obeys it"]
        obeyed = self.configuration.keys()
        if self.configuration.named or not obeyed:
            return []
        return [f"{self.configuration.source} in this directory gives {', '.join(obeyed)}"]
