"""How each command is tried by hand against the stand-ins that a rehearsal keeps up.

Words options and variables; running anything is for whoever reads them.
"""

import shlex
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from release_tool.cli.state import BLANK, Row, State
from release_tool.core.documents import JsonObject
from release_tool.core.files import write_whole
from release_tool.core.names import RepoSlug
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.upstream.sources import Source

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """What stands behind every command: files in `place`, an API, a repository and its workflow."""

    place: Path
    api: str
    repo: RepoSlug
    workflow: str
    ref: str

    @property
    def signing(self) -> Command:
        """The options of who signs."""
        return ("--sigstore", str(self.place / "trust_config.json"))

    @property
    def believing(self) -> Command:
        """The options of who verifies."""
        named = ("--repo", str(self.repo), "--workflow", self.workflow, "--ref", self.ref)
        return (*named, "--trusted-root", str(self.place / "trusted_root.json"))

    @property
    def github(self) -> Command:
        """The option that leads to GitHub's stand-in."""
        return ("--github-api", self.api)


def list_commands(served: Served, recipe: Recipe, source: Source) -> dict[str, Command]:
    """Give a whole command line of each kind, in an order in which they succeed."""
    tried, again, model = (str(served.place / name) for name in ("try", "again", "model"))
    named = ("--recipe", str(served.place / "recipe.toml"))
    sources = ("--upstream-dir", str(source.upstream), "--checkpoint", str(source.checkpoint))
    repo, believing, github = ("--repo", str(served.repo)), served.believing, served.github
    signing = (*served.signing, "--other-publisher")
    release = f"{served.repo}@{recipe.tag}"
    lines: dict[str, Command] = {
        "export": (*sources, "--out", tried),
        "sign": (tried, *signing),
        "doctor": (tried, *believing, *served.signing, *github, "--tag", "try-1"),
        "upload": (tried, *believing, *github, "--tag", "try-1", "--keep-draft"),
        "abort": (*repo, *github, "--tag", "try-1"),
        "publish": (*sources, *repo, "--out", again, *signing, *github, "--tag", "try-2"),
        "fetch": (release, "--to", model, *believing, *github),
        "verify": (
            str(served.place.parent / recipe.names.model),
            "--from",
            release,
            *believing,
            *github,
        ),
    }
    without = {"abort"}
    return {
        name: ("release-tool", name, *line, *(() if name in without else named))
        for name, line in lines.items()
    }


def write_served(
    served: Served, recipe: Recipe, source: Source, variables: Mapping[str, str]
) -> tuple[JsonObject, list[Row]]:
    """Write the recipe and the variables into files, and give what to print of it all."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    path = served.place / "environment.sh"
    write_whole(path, "\n".join([*exports, ""]).encode())
    write_whole(served.place / "recipe.toml", write_recipe(recipe).encode())
    commands = list_commands(served, recipe, source)
    rows = [BLANK, ("variables", f". {shlex.quote(str(path))}")]
    rows += [(name, shlex.join(command)) for name, command in commands.items()]
    document = {name: list(command) for name, command in commands.items()}
    return {"variables": dict(variables), "commands": document}, rows


def wait_for_interruption(state: State) -> None:
    """Wait until ctrl-C, or until a request to terminate."""
    state.note("the stand-ins are up until ctrl-C; their tokens and keys are good for nothing else")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
