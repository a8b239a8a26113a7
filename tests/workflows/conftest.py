"""A repository on GitHub that releases a model: its stand-ins, its upstream, its checkpoint."""

import copy
import itertools
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.exchange import Request, Response
from release_tool.rehearsal.github.standin import start_github
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.rehearsal.stack import start_sigstore
from release_tool.rehearsal.upstream import MODULE, make_upstream
from tests.upstream.git_server import GitServer, serve_git
from tests.workflows.actions import Sources, git
from tests.workflows.runner import Run, Services
from tests.workflows.wheelhouse import lock, make_wheelhouse

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
PROJECT = ("release_tool", ".github", "pyproject.toml", "README.md", "LICENSE", "Makefile")
TAG = "u2netp-mirror-v1"
CLAIMS = Claims.of("rehearsal/u2netp-mirror")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*cache")


def open_workflow(name: str) -> dict[str, Any]:
    """Parse a workflow; YAML 1.2 keeps the key `on` what it is."""
    return dict(YAML(typ="safe", pure=True).load((WORKFLOWS / name).read_text()))


def open_action(name: str, tree: Path = ROOT) -> dict[str, Any]:
    """Parse an action of this project, or of a copy of it."""
    text = (tree / ".github" / "actions" / name / "action.yml").read_text()
    return dict(YAML(typ="safe", pure=True).load(text))


@dataclass
class Shelf:
    """A web server with the checkpoint, and with what one meets instead of it."""

    checkpoint: bytes
    url: str = ""
    asked: int = 0

    def answer(self, request: Request) -> Response:
        """Answer by the name that is asked for."""
        self.asked += 1
        octets = {"Content-Type": "application/octet-stream"}
        match request.parameters["name"]:
            case "u2netp.pth":
                return Response(200, octets, self.checkpoint)
            case "moved":
                return Response(302, {"Location": "/u2netp.pth"})
            case "elsewhere":
                return Response(302, {"Location": "http://example.org/u2netp.pth"})
            case "page":
                page = b"<!doctype html><title>Quota exceeded</title>"
                return Response(200, {"Content-Type": "text/html; charset=utf-8"}, page)
            case "endless":
                return Response(200, octets, endless())
            case "other":
                return Response(200, octets, self.checkpoint[:-1] + b"x")
        return Response(404)


def endless() -> Iterator[bytes]:
    """Never stop sending."""
    while True:
        yield bytes(1024 * 1024)


@contextmanager
def open_shelf(checkpoint: bytes) -> Iterator[Shelf]:
    """Serve a shelf on loopback."""
    shelf = Shelf(checkpoint)
    with LoopbackServer("shelf", [Route("GET", "/{name}", shelf.answer)]) as server:
        shelf.url = server.url
        yield shelf


@dataclass
class Project:
    """The repository that releases, and the world around it."""

    services: Services
    shelf: Shelf
    place: Path
    recipe: Recipe
    git: GitServer
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def entries(self) -> int:
        """How many signatures the transparency log holds."""
        return len(self.services.sigstore.rekor.tree)

    @property
    def published(self) -> list[str]:
        """The tags that everybody can see."""
        state = self.services.github.state
        return [release.tag for release in state.releases.values() if not release.draft]

    def fresh_place(self) -> Path:
        """Give a run a place of its own, beside the one machine."""
        return self.place / "runs" / f"run-{next(self.numbers)}"

    def run(self, change: Callable[[Any], None] | None = None, **inputs: str) -> Run:
        """Prepare a run of the release workflow, as it is or with one change."""
        workflow = copy.deepcopy(open_workflow("release.yml"))
        if change is not None:
            change(workflow)
        given = {
            "tag": TAG,
            "recipe": "standin.toml",
            "checkpoint_url": f"{self.shelf.url}/u2netp.pth",
        }
        return Run(workflow, given | inputs, self.services, self.fresh_place())

    def with_action(self, name: str, change: Callable[[Any], None], place: Path) -> "Project":
        """Return the project with one of its actions changed, in a tree in `place`."""
        tree = shutil.copytree(self.services.sources.own_tree, place / "changed")
        action = open_action(name, tree)
        change(action)
        with (tree / ".github" / "actions" / name / "action.yml").open("w") as stream:
            YAML().dump(action, stream)
        return self.with_sources(own_tree=tree)

    def with_sources(self, **changes: Any) -> "Project":
        """Return the same project with other things to check out."""
        services = replace(self.services, sources=replace(self.services.sources, **changes))
        return replace(self, services=services)


def commit_upstream(place: Path, module: str) -> tuple[Path, str]:
    """Make an upstream of one's own, with this module, and return it with its commit."""
    made = make_upstream(place)
    (made.checkout / "model" / "u2net.py").write_text(module)
    author = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost"]
    git("-C", str(made.checkout), *author, "commit", "--quiet", "--all", "--message=Another")
    head = (made.checkout / ".git" / "refs" / "heads" / "master").read_text().strip()
    return made.checkout, head


def pin(recipe: Recipe, repo: str, module: str, commit: str) -> Recipe:
    """Pin another upstream in a recipe."""
    upstream = replace(
        recipe.upstream,
        repo=repo,
        commit=CommitId.parse(commit),
        modules=(("model/u2net.py", Sha256.of_bytes(module.encode())),),
    )
    return replace(recipe, upstream=upstream)


@pytest.fixture(scope="session")
def world_of_actions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Start everything once: servers, package index, upstream, and the project's own tree."""
    place = tmp_path_factory.mktemp("actions")
    made = make_upstream(place / "upstream")
    tree = place / "tree"
    for name in PROJECT:
        source = ROOT / name
        copied = shutil.copytree(source, tree / name, ignore=IGNORED) if source.is_dir() else None
        if copied is None:
            shutil.copyfile(source, tree / name)
    (tree / "release-tool.toml").write_text('sigstore = "trust_config.json"\n')
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*declared["dependencies"], *declared["optional-dependencies"]["export"]]
    wheels = make_wheelhouse(place / "index", [*needed, "hatchling"])
    # This machine's index has other wheels than the world's, so the lock is made for these.
    locked = lock([*declared["dependencies"], "hatchling"], wheels)
    (tree / ".github" / "requirements.txt").write_text(locked)
    with (
        start_sigstore(claims=CLAIMS) as sigstore,
        start_github(
            repo=str(CLAIMS.repo), token="ghs_rehearsal", commits={"main": CLAIMS.sha.hex}
        ) as github,
        open_shelf(made.checkpoint.read_bytes()) as shelf,
        serve_git(place) as served,
    ):
        repo = served.address(made.checkout)
        recipe = pin(made.recipe, repo, MODULE, made.recipe.upstream.commit.hex)
        (tree / "trust_config.json").write_bytes(sigstore.trust_config)
        dead_first = (f"{shelf.url}/missing", f"{shelf.url}/u2netp.pth")
        recipe = replace(recipe, checkpoint=replace(recipe.checkpoint, sources=dead_first))
        (tree / "standin.toml").write_text(write_recipe(recipe))
        sources = Sources(str(CLAIMS.repo), CLAIMS.sha.hex, tree)
        services = Services(github, sigstore, sources, CLAIMS, wheels)
        yield Project(services, shelf, place, recipe, served)


@pytest.fixture
def project(world_of_actions: Project) -> Project:
    """Give a test the project with an empty GitHub."""
    empty(world_of_actions)
    return world_of_actions


def empty(project: Project) -> None:
    """Forget every release, tag and attestation, and no longer fail."""
    state = project.services.github.state
    with state.lock:
        state.releases.clear()
        state.tags.clear()
        state.attestations.clear()
        state.latest = None
    project.services.github.faults.clear()


@pytest.fixture(scope="module")
def released_once(exported_once: Run, world_of_actions: Project) -> Project:
    """Give the tests of a file one release, whatever tests of another file left before."""
    empty(world_of_actions)
    run = exported_once.copy(world_of_actions.fresh_place()).go()
    assert run.jobs["publish"].result == "success", run.jobs["publish"].log
    return world_of_actions


@pytest.fixture(scope="session")
def exported_once(world_of_actions: Project) -> Run:
    """Run the export job once; it changes nothing outside."""
    run = world_of_actions.run().go(until="export")
    assert run.jobs["export"].result == "success", run.jobs["export"].log
    return run


@pytest.fixture
def exported(exported_once: Run, project: Project) -> Run:
    """Give a test a run whose export job is done."""
    return exported_once.copy(project.fresh_place())
